"""The HTTP endpoint of the probes, served by the same event loop that does the work: if it hangs, so do they."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from perpmaker.operator.runtime.pulse import Pulse
from perpmaker.operator.runtime.troubles import name_of

LATE_AFTER_RESYNCS: Final = 3.0


class Health:
    """`/healthz`: every object was looked at lately. `/readyz`: the watches have delivered their first listings."""

    def __init__(self, pulse: Pulse, is_synced: Callable[[], bool], resync_s: float) -> None:
        self._pulse = pulse
        self._is_synced = is_synced
        self._late_s = LATE_AFTER_RESYNCS * resync_s
        self._runner: web.AppRunner | None = None

    async def serve(self, host: str, port: int) -> int:
        """Listen; returns the port (0 takes a free one). Raises OSError."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        oldest = self._pulse.oldest()
        if oldest is not None and oldest[1] > self._late_s:
            ref, age_s = oldest
            return web.Response(status=503, text=f"{name_of(ref)} was last looked at {age_s:.0f} s ago\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        if not self._is_synced():
            return web.Response(status=503, text="waiting for the first listings\n")
        return web.Response(text="ok\n")
