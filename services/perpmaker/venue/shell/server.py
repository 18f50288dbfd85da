"""A running venue: two listening ports and the block clock between start and stop.

The clock is the machine's, or in virtual time the control port's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from perpmaker.venue.answer_rules import answer_rules
from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.accounts import Memory
from perpmaker.venue.engine.liquidation_rules import TESTNET, LiquidationRules
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.schedule import load_schedule
from perpmaker.venue.faults.timeline import Timeline
from perpmaker.venue.flow.choice import participants_of
from perpmaker.venue.flow.replay.recorder import Recorder
from perpmaker.venue.journal.writer import Writer
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.clockwork import Clockwork, machine_ms
from perpmaker.venue.shell.conductor import Conductor
from perpmaker.venue.shell.control import Control, control_app
from perpmaker.venue.shell.desk import Desk
from perpmaker.venue.shell.doors import Doors, limits_of
from perpmaker.venue.shell.latency import Latencies, parse_latencies
from perpmaker.venue.shell.rest import exchange_app, observers_info
from perpmaker.venue.shell.sockets import Sockets
from perpmaker.venue.switches import with_switches
from perpmaker.venue.units import E8
from perpmaker.venue.views.stream import Streams
from perpmaker.venue.wire.signatures import SOURCES

_LOOPBACK = "127.0.0.1"


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
    clockwork: Clockwork

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
    options: VenueOptions,
    on_funded: Callable[[str], None] | None = None,
    clock_ms: Callable[[], int] = machine_ms,
) -> AsyncIterator[RunningVenue]:
    """Start a venue, and stop it when the block ends. Raises `PortInUseError` and `ValueError`.

    Unless its time is virtual, `clock_ms` is the time of its blocks.
    """
    venue = build(options)
    venue.admission.on_funded = on_funded
    latencies = Latencies(options.seed, parse_latencies(options.latencies))
    conductor = Conductor(venue, Writer(Path(options.journal)) if options.journal else None)
    board, timeline = Board(options.seed), Timeline(None if options.virtual_time else clock_ms)
    desk = Desk(conductor, board, timeline, SOURCES[options.network], Doors.of(venue.state), latencies)
    sockets = Sockets(desk, Streams(venue, book_ms=options.book_ms))
    clockwork = Clockwork(conductor, board, timeline, sockets, options.block_ms, options.virtual_time)
    controls = Control(desk, sockets, clockwork)
    clockwork.throw = controls.throw
    async with AsyncExitStack() as stack:
        stack.callback(conductor.close)
        if options.record is not None:
            venue.on_block = Recorder(venue, stack.enter_context(options.record.open("wb")))
        conductor.begin(options)
        clockwork.begin(options.start_ms or clock_ms())
        if options.faults:
            controls.schedule(load_schedule(options.faults, tuple(m.coin for m in venue.state.markets)))
        public = exchange_app(desk, sockets)
        port = await _listen(stack, public, "--port", options.host, options.port)
        control = control_app(controls)
        control.router.add_post("/info", observers_info(desk))
        control_port = await _listen(stack, control, "--control-port", _LOOPBACK, options.control_port)
        clock = asyncio.create_task(_stand_still() if options.virtual_time else clockwork.run())
        try:
            yield RunningVenue(options.host, port, control_port, venue, clockwork)
        finally:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
            await sockets.close()


def build(options: VenueOptions) -> Venue:
    """A venue before its first block. Raises `ValueError`."""
    markets = list_markets(options.markets, testnet_tiers=options.testnet_tiers)
    rules = Rules(
        funding_interval_ms=options.funding_interval_ms,
        schedule_cancel_volume_e8=options.schedule_cancel_volume_usd * E8,
        limits=limits_of(options),
        orders=with_switches(OrderRules(), options.order_rules),
        staked_tokens=options.staked_tokens,
        memory=Memory(options.orders_kept, options.fills_kept),
        liquidation=TESTNET if options.testnet_tiers else LiquidationRules(),
    )
    return build_venue(
        markets,
        rules,
        seed=options.seed,
        faucet_e8=options.faucet_usdc * E8,
        participants=participants_of(options, markets),
        answers=answer_rules(options.answers),
    )


async def _stand_still() -> None:
    """Virtual time passes only when the control port says so."""
    await asyncio.Event().wait()


async def _listen(stack: AsyncExitStack, app: web.Application, option: str, host: str, port: int) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise PortInUseError(option, host, port, os.strerror(error.errno or 0)) from error
    return int(runner.addresses[0][1])
