"""One channel for each service that the operator talks to."""

from __future__ import annotations

import errno
from pathlib import Path

from grpc import aio

from perpmaker.common import rpc
from perpmaker.common.tls import Tls, TlsError
from perpmaker.operator.settings import TlsMode, TlsSettings


def own_identity(settings: TlsSettings) -> Tls | None:
    """Files with which the operator proves who it is; None where services talk in plaintext."""
    if settings.mode is TlsMode.OFF:
        return None
    directory = Path(settings.certificate_dir)
    return Tls(certificate_file=directory / "tls.crt", key_file=directory / "tls.key", ca_file=directory / "ca.crt")


class Channels:
    """Open channels by target. A channel takes up a renewed certificate by itself."""

    def __init__(self, tls: Tls | None = None) -> None:
        self._tls = tls
        self._open: dict[str, aio.Channel] = {}

    def get(self, target: str) -> aio.Channel:
        """The channel to a target, opened on first use.

        Raises OSError when it is not open yet and our certificate cannot be used.
        """
        known = self._open.get(target)
        if known is None:
            try:
                known = rpc.connect(target, self._tls)
            except TlsError as error:
                raise OSError(errno.EINVAL, str(error)) from error
            self._open[target] = known
        return known

    async def drop(self, target: str) -> None:
        """Close the channel to a target that nobody asks any more."""
        known = self._open.pop(target, None)
        if known is not None:
            await known.close()

    async def close(self) -> None:
        """Close everything."""
        for target in tuple(self._open):
            await self.drop(target)

    def __len__(self) -> int:
        return len(self._open)
