"""Plans from a request in the gateway's hands to bytes written to the order-entry socket.

The other end is a process of its own that answers at once. The floor is the same frame written to the same socket and
nothing else. Back to back and without a socket, the same work shows what it costs in warm caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import uvloop
from tests.bench.floor import orders
from tests.bench.order_path import AMPLE, OrderPath, UnwrittenLink, rested
from tests.bench.report import Budget, Figure, Rounds, duration
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from perpmaker.common.clock import SystemClock
from perpmaker.gateway.budget import Budgets
from perpmaker.gateway.connections.socket import Socket, SocketSettings

_BUDGETS: Final = {1: Budget(150, 500), 10: Budget(250, 800)}
"""Their part of the millisecond from book frame to signed orders."""
_WARM_UP: Final = 100
_SAMPLES: Final = 1_500
_ANSWERED: Final = b'{"method":"post"'
_UNANSWERED: Final = b'{"method":"none"'


async def _take_all(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            frame = await connection.recv(decode=False)
            if frame.startswith(_ANSWERED):
                await connection.send(rested(frame), text=True)


def _exchange(told: Any) -> None:
    async def live() -> None:
        async with serve(_take_all, "127.0.0.1", 0, compression=None) as server:
            told.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    uvloop.run(live())


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[OrderPath]:
    path, clock = OrderPath(), SystemClock()
    settings = SocketSettings(f"ws://127.0.0.1:{port}", ping_interval_s=60, idle_timeout_s=60)
    socket = Socket("order_entry", settings, path.entry, Budgets(AMPLE, clock.monotonic_s()), clock, random.Random())
    running = asyncio.create_task(socket.run())
    try:
        while not path.entry.is_connected:
            path.entry.changed.clear()
            await path.entry.changed.wait()
        yield path
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _written(path: OrderPath, frame: bytes) -> float:
    """Write a frame that nobody answers; returns the microseconds."""
    begun = time.perf_counter_ns()
    await path.entry.link.send(frame)
    return (time.perf_counter_ns() - begun) / 1_000


async def _back_to_back(size: int) -> Rounds:
    path, request, plans = OrderPath(), orders(size), Rounds()
    await path.entry.opened(UnwrittenLink())
    for n in range(_WARM_UP + _SAMPLES):
        taken_us = await path.send(request)
        if n >= _WARM_UP:
            plans.add(taken_us)
    return plans


async def _measure(port: int) -> list[Figure]:
    found: list[Figure] = []
    async with _connected(port) as path:
        for size, budget in _BUDGETS.items():
            request, plans, writes = orders(size), Rounds(), Rounds()
            for n in range(_WARM_UP + _SAMPLES):
                taken_us = await path.send(request)
                frame = path.entry.link.newest
                bare_us = await _written(path, frame.replace(_ANSWERED, _UNANSWERED))
                if n >= _WARM_UP:
                    plans.add(taken_us)
                    writes.add(bare_us)
            name, size_bytes = "1 order" if size == 1 else f"{size} orders", len(frame)
            found += [
                duration(f"floor: the frame of {name} written", writes, size_bytes=size_bytes),
                duration(f"plan of {name}, back to back, not written", await _back_to_back(size)),
                duration(f"plan of {name}, written", plans, size_bytes=size_bytes, budget=budget, floor=writes),
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
