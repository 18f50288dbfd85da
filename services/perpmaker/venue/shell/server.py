"""A running venue: two listening ports and the block clock between start and stop.

A block is committed every `block_ms`; a late clock skips blocks rather than building several at once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from perpmaker.venue.answer_rules import answer_rules
from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.choice import participants_of
from perpmaker.venue.flow.replay.recorder import Recorder
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.control import Control, control_app
from perpmaker.venue.shell.desk import Desk
from perpmaker.venue.shell.doors import Doors, limits_of
from perpmaker.venue.shell.faults import Faults
from perpmaker.venue.shell.latency import Latencies, parse_latencies
from perpmaker.venue.shell.rest import exchange_app, observers_info
from perpmaker.venue.shell.sockets import Sockets
from perpmaker.venue.units import E8
from perpmaker.venue.views.stream import Streams
from perpmaker.venue.wire.signatures import SOURCES

_LOOPBACK = "127.0.0.1"
_IDLE_CHECK_MS = 1_000


@dataclass(slots=True)
class PortInUseError(Exception):
    """A port could not be taken."""

    option: str
    host: str
    port: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunningVenue:
    """Where a venue listens, and its core for whoever runs it in process."""

    host: str
    port: int
    control_port: int
    venue: Venue

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}/ws"

    @property
    def control_url(self) -> str:
        return f"http://{_LOOPBACK}:{self.control_port}"


@asynccontextmanager
async def running_venue(
    options: VenueOptions, on_funded: Callable[[str], None] | None = None
) -> AsyncIterator[RunningVenue]:
    """Start a venue, and stop it when the block ends. Raises `PortInUseError` and `ValueError`."""
    venue = _build(options)
    venue.admission.on_funded = on_funded
    faults = Faults()
    latencies = Latencies(options.seed, parse_latencies(options.latencies))
    desk = Desk(venue, faults, SOURCES[options.network], Doors.of(venue.state), latencies)
    sockets = Sockets(desk, Streams(venue, book_ms=options.book_ms))
    async with AsyncExitStack() as stack:
        if options.record is not None:
            venue.on_block = Recorder(venue, stack.enter_context(options.record.open("wb")))
        venue.step(_now_ms())
        public = exchange_app(desk, sockets)
        port = await _listen(stack, public, "--port", options.host, options.port)
        control = control_app(Control(venue, faults, sockets))
        control.router.add_post("/info", observers_info(desk))
        control_port = await _listen(stack, control, "--control-port", _LOOPBACK, options.control_port)
        clock = asyncio.create_task(_build_blocks(venue, sockets, options.block_ms))
        try:
            yield RunningVenue(options.host, port, control_port, venue)
        finally:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
            await sockets.close()


def _build(options: VenueOptions) -> Venue:
    markets = list_markets(options.markets)
    rules = Rules(
        funding_interval_ms=options.funding_interval_ms,
        schedule_cancel_volume_e8=options.schedule_cancel_volume_usd * E8,
        limits=limits_of(options),
    )
    return build_venue(
        markets,
        rules,
        seed=options.seed,
        faucet_e8=options.faucet_usdc * E8,
        participants=participants_of(options, markets),
        answers=answer_rules(options.answers),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _listen(stack: AsyncExitStack, app: web.Application, option: str, host: str, port: int) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise PortInUseError(option, host, port, os.strerror(error.errno or 0)) from error
    return int(runner.addresses[0][1])


async def _build_blocks(venue: Venue, sockets: Sockets, block_ms: int) -> None:
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    idle_checked_ms = 0
    while True:
        due_s = max(due_s + block_ms / 1000, loop.time())
        await asyncio.sleep(due_s - loop.time())
        now_ms = _now_ms()
        sockets.publish(venue.step(now_ms))
        if now_ms - idle_checked_ms >= _IDLE_CHECK_MS:
            idle_checked_ms = now_ms
            sockets.drop_idle()
