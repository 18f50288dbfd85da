"""What this machine can do at best: a bare stream ping-pong and a bare store round trip, without any of our logic.

The trading path is three stream hops and one store call, so its figures are read against these. A market gives a maker
a few decisions a second; between them cores sleep and caches cool, so each floor is measured at that pace as well as
back to back.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import redis.asyncio
import uvloop
from grpc import aio
from tests.support.server import StoreServer

from perpmaker.common import rpc
from perpmaker.common.metrics import Reservoir
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc

_WARM_UP = 300
_SAMPLES = 3_000
_PACED_SAMPLES = 150
PACE_S = 0.05


class _Echo(gw_grpc.ExecutionServiceServicer):
    async def Execute(  # type: ignore[override]
        self, request_iterator: AsyncIterator[gw.ExecuteRequest], context: object
    ) -> AsyncIterator[gw.ExecuteResponse]:
        async for request in request_iterator:
            yield gw.ExecuteResponse(request_id=request.request_id, done=gw.Done())


def _serve(target: str) -> None:
    async def live() -> None:
        server = aio.server(options=rpc.SERVER_OPTIONS)
        gw_grpc.add_ExecutionServiceServicer_to_server(_Echo(), server)
        server.add_insecure_port(target)
        await server.start()
        await server.wait_for_termination()

    uvloop.run(live())


def orders(count: int) -> gw.ExecuteRequest:
    """A plan of so many placements; the budgets speak of ten."""
    return gw.ExecuteRequest(
        trace=common.Trace(market="BTC", epoch=1, sequence=1, exchange_time_ms=1, receive_time_ns=1),
        request_id=1,
        places=[
            gw.PlaceOrder(
                cloid=f"0x{n:032x}",
                side=common.SIDE_BUY,
                px_e8=6_400_000_000_000 - n * 100_000_000,
                sz_e8=100_000,
                time_in_force=common.TIME_IN_FORCE_POST_ONLY,
            )
            for n in range(count)
        ],
    )


async def _sampled(once: Callable[[], Awaitable[object]], pace_s: float) -> Reservoir:
    samples = Reservoir()
    for n in range(_PACED_SAMPLES if pace_s else _WARM_UP + _SAMPLES):
        if pace_s:
            await asyncio.sleep(pace_s)
        begin = time.perf_counter_ns()
        await once()
        if pace_s or n >= _WARM_UP:
            samples.add((time.perf_counter_ns() - begin) / 1_000)
    return samples


async def _ping_pong(target: str, pace_s: float) -> Reservoir:
    channel = rpc.connect(target)
    await rpc.ready(channel)
    call = gw_grpc.ExecutionServiceStub(channel).Execute()
    request = orders(10)

    async def once() -> None:
        await call.write(request)
        await call.read()

    samples = await _sampled(once, pace_s)
    call.cancel()
    await channel.close()
    return samples


def stream_ping_pong(pace_s: float = 0.0) -> Reservoir:
    """Round trips of a ten-order message on an open stream between two processes, microseconds."""
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        target = f"unix:{folder}/echo.sock"
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(target,), daemon=True)
        server.start()
        try:
            return uvloop.run(_ping_pong(target, pace_s))
        finally:
            server.kill()
            server.join()


async def _store_round_trips(url: str, pace_s: float) -> Reservoir:
    client = redis.asyncio.Redis.from_url(url)
    await client.ping()
    samples = await _sampled(lambda: client.set("floor", b"x" * 200), pace_s)
    await client.aclose()
    return samples


def store_round_trip(pace_s: float = 0.0) -> Reservoir:
    """Round trips of one SET of 200 bytes to the embedded store with the durability it runs with, microseconds."""
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        server = StoreServer(Path(folder))
        server.start()
        try:
            return uvloop.run(_store_round_trips(server.url, pace_s))
        finally:
            server.kill()
