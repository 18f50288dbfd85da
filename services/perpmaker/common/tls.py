"""Mutual TLS between services: who we are and whom we believe, read from files and checked before use.

What a certificate says is asked of the interpreter's own TLS, which takes the files, shakes hands with itself and tells
whom it met: the answer is right whatever form key and certificate have, and a service needs no further library (the one
that reads certificates would cost each process 10 MB).
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from perpmaker.common.config import Part
from perpmaker.common.identity import Identity, NotAnIdentityError, parse_identity


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
    expires_at_s: float
    """Seconds since 1970."""

    def for_channel(self) -> grpc.ChannelCredentials:
        """What a client shows and believes."""
        return grpc.ssl_channel_credentials(self.ca_pem, self.key_pem, self.certificate_pem)

    def for_server(self) -> grpc.ServerCertificateConfiguration:
        """What a server shows and believes."""
        return grpc.ssl_server_certificate_configuration([(self.key_pem, self.certificate_pem)], self.ca_pem)


_MOUNT: Final = "mount the Secret with ca.crt, tls.crt and tls.key there, or make it with `perpmaker certificates`"
_ISSUER: Final = "ask your issuer for"
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""
_READS: Final = 5


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsError(file, f"cannot be read ({error.strerror})", _MOUNT) from error


def _no_password() -> str:
    # Without it OpenSSL would ask whoever sits at the terminal.
    return ""


def _believe(context: ssl.SSLContext, file: Path, pem: bytes) -> None:
    """Trust exactly these certificates."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise TlsError(file, "holds no certificate in PEM form", _MOUNT) from error


def _show(context: ssl.SSLContext, tls: Tls) -> None:
    """Use our certificate, which is known to be one."""
    try:
        context.load_cert_chain(tls.certificate_file, tls.key_file, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            raise TlsError(
                tls.key_file,
                f"does not fit the certificate in {tls.certificate_file}",
                "give the key and the certificate that were made together",
            ) from error
        raise TlsError(tls.key_file, "holds no unencrypted private key in PEM form", _MOUNT) from error
    except OSError as error:
        raise TlsError(tls.key_file, f"cannot be read ({error.strerror})", _MOUNT) from error


def _meet_itself(tls: Tls, certificate_pem: bytes) -> dict[str, Any]:
    """Our certificate as a server and a client see it that believe it and nothing else."""
    file = tls.certificate_file
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context in (server, client):
        _believe(context, file, certificate_pem)
        _show(context, tls)
    return _meet(file, server, client)


def _meet(file: Path, server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """The server's certificate as the client sees it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    asking = client.wrap_bio(to_client, to_server)
    try:
        # Hello; the server's certificate; verdict and the client's certificate; verdict.
        for side in (asking, serving, asking, serving):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        match error.verify_code:
            case code if code == _EXPIRED:
                raise TlsError(file, "has expired", "renew it") from error
            case code if code == _NOT_YET_VALID:
                raise TlsError(file, "is not valid yet", "check this machine's clock") from error
            case _:
                remedy = f"{_ISSUER} one for both server and client authentication"
                raise TlsError(file, f"is refused ({error.verify_message})", remedy) from error
    except ssl.SSLError as error:
        raise TlsError(file, f"cannot be used ({error.reason})", f"{_ISSUER} an ECDSA P-256 or RSA 2048 key") from error
    return asking.getpeercert() or {}


def _identity(file: Path, seen: dict[str, Any]) -> Identity:
    uris = [value for kind, value in seen.get("subjectAltName", ()) if kind == "URI"]
    remedy = f"{_ISSUER} one with exactly one URI name spiffe://perpmaker.io/..."
    if len(uris) != 1:
        raise TlsError(file, f"is a certificate with {len(uris)} URI names", remedy)
    try:
        return parse_identity(uris[0])
    except NotAnIdentityError as error:
        raise TlsError(file, f"is another's certificate: {error}", remedy) from error


def load(tls: Tls) -> Credentials:
    """Read the files. Raises TlsError, also when no peer would accept the certificate now."""
    for _ in range(_READS):
        certificate_pem, key_pem, ca_pem = contents = _read_all(tls)
        _believe(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.ca_file, ca_pem)
        seen = _meet_itself(tls, certificate_pem)
        # OpenSSL read files of its own accord; they must be the ones we have.
        if _read_all(tls) == contents:
            expires_at_s = float(ssl.cert_time_to_seconds(seen["notAfter"]))
            return Credentials(certificate_pem, key_pem, ca_pem, _identity(tls.certificate_file, seen), expires_at_s)
    raise TlsError(tls.certificate_file, "changes all the time", "let one writer write it, seldom")


def _read_all(tls: Tls) -> tuple[bytes, bytes, bytes]:
    return _read(tls.certificate_file), _read(tls.key_file), _read(tls.ca_file)
