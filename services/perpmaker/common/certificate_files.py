"""Certificates that are renewed while we run: files are looked at when a connection is made, never cached for good.

They are mounted from a Secret, where all change at once behind a symbolic link. A connection that lives is never cut
for a renewal, since the other side looks at certificates only when a connection is made.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Final

import grpc
from prometheus_client import Gauge

from perpmaker.common import logs
from perpmaker.common.tls import Credentials, Tls, TlsError, load

WARN_BEFORE_S: Final = 7 * 86_400.0
_LOOK_EVERY_S: Final = 30.0
_WARN_EVERY_S: Final = 86_400.0

_EXPIRY = Gauge(
    "mm_certificate_expiry_timestamp_seconds",
    "When the certificate ends that the service shows to its peers, seconds since 1970.",
    ["component"],
)
_log = logs.get(__name__)

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
