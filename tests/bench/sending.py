"""Plans from a request in the gateway's hands to bytes written to the order-entry socket.

The other end is a process of its own that takes every order and answers at once. The floor is the same frame written to
the same socket and nothing else. The plans' clock is moved by hand, so that each finds budgets full and no other plan
to leave with.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import uvloop
from tests.bench.floor import orders
from tests.bench.report import Budget, Figure, Rounds, duration
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from perpmaker.common.clock import ManualClock, SystemClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.connections.socket import Link, Socket, SocketSettings
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.orders.admission import Admission
from perpmaker.gateway.orders.execution import Execution
from perpmaker.gateway.orders.fencing import Fence
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_RULES: Final = InstrumentRules(market="BTC", asset_id=0, sz_decimals=5, max_leverage=40)
_BUDGETS: Final = {1: Budget(150, 500), 10: Budget(250, 800)}
"""Their part of the millisecond from book frame to signed orders."""
_WARM_UP: Final = 100
_SAMPLES: Final = 1_500
_APART_MS: Final = 10_000
_AMPLE: Final = BudgetSettings(max_actions_per_minute=1_000_000, reserved_for_cancels_percent=30)


class _Items(msgspec.Struct):
    orders: tuple[msgspec.Raw, ...]


class _Payload(msgspec.Struct):
    action: _Items


class _Request(msgspec.Struct):
    payload: _Payload


class _Post(msgspec.Struct):
    id: int
    request: _Request


_POST = msgspec.json.Decoder(_Post)
_ANSWERED: Final = b'{"method":"post"'
_UNANSWERED: Final = b'{"method":"none"'


async def _take_all(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            frame = await connection.recv(decode=False)
            if frame.startswith(_ANSWERED):
                await connection.send(_rested(_POST.decode(frame)), text=True)


def _rested(post: _Post) -> bytes:
    statuses = [{"resting": {"oid": oid}} for oid in range(len(post.request.payload.action.orders))]
    payload = {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
    data = {"id": post.id, "response": {"type": "action", "payload": payload}}
    return msgspec.json.encode({"channel": "post", "data": data})


def _exchange(told: Any) -> None:
    async def live() -> None:
        async with serve(_take_all, "127.0.0.1", 0, compression=None) as server:
            told.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    uvloop.run(live())


class _Measured(Link):
    """The open connection, remembering the newest frame."""

    __slots__ = ("newest",)

    async def send(self, frame: bytes) -> None:
        self.newest = frame
        await super().send(frame)


class _Entry(OrderEntry):
    """The order-entry socket with a measured link."""

    link: _Measured

    async def opened(self, link: Link) -> None:
        self.link = _Measured(link._socket)
        await super().opened(self.link)


@dataclass(slots=True)
class _Bench:
    entry: _Entry
    execution: Execution
    clock: ManualClock

    async def sent(self, request: pb.ExecuteRequest) -> float:
        """Send a plan and wait for its outcome; returns the microseconds until its bytes were written."""
        told: list[pb.ExecuteResponse] = []
        is_done = asyncio.Event()

        def emit(response: pb.ExecuteResponse) -> None:
            told.append(response)
            if response.HasField("done"):
                is_done.set()

        self.clock.advance_ms(_APART_MS)
        begun = time.perf_counter_ns()
        await self.execution.execute(request, emit)
        taken_us = (time.perf_counter_ns() - begun) / 1_000
        await is_done.wait()
        resting = [item for response in told for item in response.outcomes.items if item.HasField("resting")]
        if len(resting) != len(request.places):
            raise RuntimeError(f"a plan of {len(request.places)} was told {told}")
        return taken_us

    async def written(self, frame: bytes) -> float:
        """Write a frame that nobody answers; returns the microseconds."""
        begun = time.perf_counter_ns()
        await self.entry.link.send(frame)
        return (time.perf_counter_ns() - begun) / 1_000


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[_Bench]:
    system, clock, measurements = SystemClock(), ManualClock(), Measurements()
    budgets, exchange_clock, entry, markets = Budgets(_AMPLE, 0.0), ExchangeClock(clock), _Entry(), Markets(("BTC",))
    budgets.address.observe(10**9, 0)
    markets.serve(("BTC",), {"BTC": _RULES})
    desk = SigningDesk(Signer(SigningKey(secrets.token_bytes(32)), "b"), Nonces(clock, 0), clock, measurements)
    rest = Rest(f"http://127.0.0.1:{port}", budgets, clock)
    dispatch = Dispatch(entry, rest, clock, measurements, post_timeout_ms=30_000)
    admission = Admission(markets, entry, budgets, Fence(), clock, exchange_clock, 5_000, lambda _: 0)
    execution = Execution(markets, admission, desk, entry, dispatch, budgets, clock, exchange_clock, measurements)
    settings = SocketSettings(f"ws://127.0.0.1:{port}", ping_interval_s=60, idle_timeout_s=60)
    connects = Budgets(_AMPLE, system.monotonic_s())
    socket = Socket("order_entry", settings, entry, connects, system, random.Random())
    running = asyncio.create_task(socket.run())
    try:
        while not entry.is_connected:
            entry.changed.clear()
            await entry.changed.wait()
        yield _Bench(entry, execution, clock)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _measure(port: int) -> list[Figure]:
    found: list[Figure] = []
    async with _connected(port) as bench:
        for size, budget in _BUDGETS.items():
            request = orders(size)
            plans, writes = Rounds(), Rounds()
            for n in range(_WARM_UP + _SAMPLES):
                taken_us = await bench.sent(request)
                frame = bench.entry.link.newest
                bare_us = await bench.written(frame.replace(_ANSWERED, _UNANSWERED))
                if n >= _WARM_UP:
                    plans.add(taken_us)
                    writes.add(bare_us)
            orders_word = "1 order" if size == 1 else f"{size} orders"
            written = len(frame)
            found += [
                duration(f"floor: the frame of {orders_word} written", writes, size_bytes=written),
                duration(
                    f"plan of {orders_word}, request to written", plans, size_bytes=written, budget=budget, floor=writes
                ),
            ]
    return found


def figures() -> Sequence[Figure]:
    """Plans of one and of ten placements."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    exchange = context.Process(target=_exchange, args=(theirs,), daemon=True)
    exchange.start()
    try:
        return uvloop.run(_measure(ours.recv()))
    finally:
        exchange.kill()
        exchange.join()
