"""One channel for each service that the operator talks to, made new when the operator's own certificate was renewed."""

from __future__ import annotations

from pathlib import Path

from grpc import aio

from perpmaker.common import rpc
from perpmaker.common.tls import Tls
from perpmaker.operator.settings import TlsMode, TlsSettings


def own_identity(settings: TlsSettings) -> Tls | None:
    """Files with which the operator proves who it is; None where services talk in plaintext."""
    if settings.mode is TlsMode.OFF:
        return None
    directory = Path(settings.certificate_dir)
    return Tls(certificate_file=directory / "tls.crt", key_file=directory / "tls.key", ca_file=directory / "ca.crt")


class Channels:
    """Open channels by target."""

    def __init__(self, tls: Tls | None = None) -> None:
        self._tls = tls
        self._open: dict[str, tuple[aio.Channel, int]] = {}
        self._retired: list[aio.Channel] = []

    def _certificate_stamp(self) -> int:
        return 0 if self._tls is None else self._tls.certificate_file.stat().st_mtime_ns

    def get(self, target: str) -> aio.Channel:
        """The channel to a target, opened on first use.

        Raises OSError when it is not open yet and our certificate cannot be read.
        """
        known = self._open.get(target)
        try:
            stamp = self._certificate_stamp()
            if known is not None and known[1] == stamp:
                return known[0]
            fresh = rpc.connect(target, self._tls)
        except OSError:
            if known is None:
                raise
            return known[0]
        self._open[target] = (fresh, stamp)
        if known is not None:
            self._retired.append(known[0])
        return fresh

    async def tidy(self) -> None:
        """Close what newer channels have replaced."""
        while self._retired:
            await self._retired.pop().close(grace=rpc.CONFIG_DEADLINE_S)

    async def drop(self, target: str) -> None:
        """Close the channel to a target that nobody asks any more."""
        known = self._open.pop(target, None)
        if known is not None:
            await known[0].close()

    async def close(self) -> None:
        """Close everything."""
        await self.tidy()
        for target in tuple(self._open):
            await self.drop(target)

    def __len__(self) -> int:
        return len(self._open)
