"""Mutual TLS between services: who we are, whom we believe, and files that change while we run.

Certificates are mounted files that somebody renews (a Secret: all files change at once behind a symbolic link). Every
new connection uses what the files say then; a connection that lives is never cut for a renewal, since the other side
looks at certificates only when a connection is made.
"""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc
from prometheus_client import Gauge

from perpmaker.common import logs
from perpmaker.common.config import Part
from perpmaker.common.identity import Identity, NotAnIdentityError, parse_identity

if TYPE_CHECKING:
    from cryptography import x509

WARN_BEFORE_S: Final = 7 * 86_400.0
_LOOK_EVERY_S: Final = 30.0
_WARN_EVERY_S: Final = 86_400.0

_EXPIRY = Gauge(
    "mm_certificate_expiry_timestamp_seconds",
    "When the certificate ends that the service shows to its peers, seconds since 1970.",
    ["component"],
)
_log = logs.get(__name__)


class Tls(Part):
    """Mutual TLS between services: who we are and whom we believe. Files are read again when they change."""

    certificate_file: Path
    """Our certificate chain, PEM; its URI name says which service of which account we are."""
    key_file: Path
    ca_file: Path
    """Authorities whose certificates we accept, PEM."""


class TlsError(Exception):
    """The files cannot be used; the text names the file and the remedy."""

    def __init__(self, file: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{file} {problem}; {remedy}")
        self.file = file


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the files hold, checked."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    ca_pem: bytes
    identity: Identity
    valid_from_s: float
    expires_at_s: float
    """Seconds since 1970."""

    def for_channel(self) -> grpc.ChannelCredentials:
        """What a client shows and believes."""
        return grpc.ssl_channel_credentials(self.ca_pem, self.key_pem, self.certificate_pem)

    def for_server(self) -> grpc.ServerCertificateConfiguration:
        """What a server shows and believes."""
        return grpc.ssl_server_certificate_configuration([(self.key_pem, self.certificate_pem)], self.ca_pem)


_MOUNT: Final = "mount the Secret with ca.crt, tls.crt and tls.key there, or make it with `perpmaker certificates`"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsError(file, f"cannot be read ({error.strerror})", _MOUNT) from error


def _certificates(file: Path, pem: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise TlsError(file, "holds no certificate in PEM form", _MOUNT) from error


def _identity(file: Path, certificate: x509.Certificate) -> Identity:
    from cryptography import x509

    def refuse(problem: str) -> NoReturn:
        remedy = "ask your issuer for one with exactly one URI name spiffe://perpmaker.io/..."
        raise TlsError(file, problem, remedy)

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        refuse("is a certificate without alternative names")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        refuse(f"is a certificate with {len(uris)} URI names")
    try:
        return parse_identity(uris[0])
    except NotAnIdentityError as error:
        refuse(f"is another's certificate: {error}")


def load(tls: Tls) -> Credentials:
    """Read the files. Raises TlsError."""
    from cryptography.hazmat.primitives import serialization

    certificate_pem, key_pem, ca_pem = _read(tls.certificate_file), _read(tls.key_file), _read(tls.ca_file)
    certificate = _certificates(tls.certificate_file, certificate_pem)[0]
    _certificates(tls.ca_file, ca_pem)
    identity = _identity(tls.certificate_file, certificate)
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise TlsError(tls.key_file, "holds no unencrypted private key in PEM form", _MOUNT) from error
    if key.public_key() != certificate.public_key():
        raise TlsError(
            tls.key_file,
            f"does not fit the certificate in {tls.certificate_file}",
            "give the key and the certificate that were made together",
        )
    return Credentials(
        certificate_pem,
        key_pem,
        ca_pem,
        identity,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def require_valid(tls: Tls, credentials: Credentials, now_s: float) -> None:
    """Raise TlsError when no peer would accept the certificate at that time."""
    for due, told, remedy in (
        (credentials.valid_from_s > now_s, "is valid only from", "check this machine's clock"),
        (credentials.expires_at_s <= now_s, "expired on", "renew it"),
    ):
        if due:
            at_s = credentials.valid_from_s if "from" in told else credentials.expires_at_s
            when = datetime.datetime.fromtimestamp(at_s, datetime.UTC).isoformat(sep=" ", timespec="seconds")
            raise TlsError(tls.certificate_file, f"{told} {when}", remedy)


_Signature = tuple[tuple[int, int, int], ...]


def _signature(tls: Tls) -> _Signature | None:
    try:
        stats = [file.stat() for file in (tls.certificate_file, tls.key_file, tls.ca_file)]
    except OSError:
        return None
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


class CertificateFiles:
    """The newest usable credentials. Files that cannot be used leave the ones before in force. Thread-safe."""

    def __init__(self, tls: Tls) -> None:
        """Raises TlsError."""
        self._tls = tls
        self._lock = threading.Lock()
        # Taken before reading: files that change meanwhile differ from it and are read once more.
        self._seen = _signature(tls)
        self._told = ""
        self._current = load(tls)

    def newest(self) -> Credentials:
        """What the files hold now; three `stat` calls unless they changed."""
        with self._lock:
            seen = _signature(self._tls)
            if seen != self._seen:
                try:
                    self._current = load(self._tls)
                except TlsError as error:
                    # Tried again at the next look: in the middle of a change the key may not fit yet.
                    if str(error) != self._told:
                        self._told = str(error)
                        _log.warning("tls.not_reloaded", reason=self._told)
                else:
                    self._seen = seen
                    self._told = ""
            return self._current


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Credentials of a server that demands a certificate and shows the newest of its own to each new connection."""
    shown = files.newest()

    def fetch() -> Any:
        # None means: as before. Called in a thread of gRPC's.
        nonlocal shown
        newest = files.newest()
        if newest is shown:
            return None
        shown = newest
        _log.info("tls.reloaded", expires_at_s=newest.expires_at_s)
        return newest.for_server()

    return grpc.dynamic_ssl_server_credentials(shown.for_server(), fetch, require_client_authentication=True)


async def watch_expiry(component: str, files: CertificateFiles, every_s: float = _LOOK_EVERY_S) -> None:
    """Export, until cancelled, when the certificate ends, and warn once a day when that is near."""
    warned: tuple[float, float] | None = None
    while True:
        expires_at_s, now_s = files.newest().expires_at_s, time.time()
        _EXPIRY.labels(component).set(expires_at_s)
        left_s = expires_at_s - now_s
        is_told = warned is not None and warned[0] == expires_at_s and now_s - warned[1] < _WARN_EVERY_S
        if left_s < WARN_BEFORE_S and not is_told:
            warned = expires_at_s, now_s
            _log.warning(
                "certificate.expires",
                in_days=round(left_s / 86_400, 1),
                remedy="renew it; the file is read again by itself",
            )
        await asyncio.sleep(every_s)
