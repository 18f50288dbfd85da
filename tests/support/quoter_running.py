"""A quoter as a service in this process: real gRPC on unix sockets, scripted peers behind them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from grpc import aio
from tests.support.quoter import part
from tests.support.quoter_peers import Peers, until
from tests.support.waiting import HANG_S

from perpmaker.api.parts import QuoterPart
from perpmaker.common import rpc
from perpmaker.common.clock import SystemClock
from perpmaker.common.service import Runtime
from perpmaker.proto.quoter.v1 import quoter_pb2 as pb
from perpmaker.proto.quoter.v1.quoter_pb2_grpc import QuoterServiceStub
from perpmaker.quoter.app import QuoterApp
from perpmaker.quoter.values import LiveState


class Running:
    """A started quoter, its peers and its control surface."""

    def __init__(self, peers: Peers, app: QuoterApp, runtime: Runtime, channel: aio.Channel, at: QuoterPart) -> None:
        self.gateway, self.orders, self.risk = peers.gateway, peers.order_state, peers.risk
        self.peers = peers
        self.app = app
        self.runtime = runtime
        self.control = QuoterServiceStub(channel)
        self.part = at

    async def status(self) -> pb.GetStatusResponse:
        return await self.control.GetStatus(pb.GetStatusRequest(), timeout=HANG_S)

    async def is_full(self, count: int = 4) -> None:
        await until(f"{count} orders rest", lambda: len(self.orders.live) == count)

    async def is_at_rest(self) -> None:
        """Its orders rest by its own account, and no plan is under way: what it does next is about what comes next."""
        desk = self.app._desk

        def rests() -> bool:
            orders = desk.sight.live_orders(SystemClock().monotonic_ns())
            return not desk.submitter.is_waiting(SystemClock().monotonic_ns()) and (
                len(orders) == len(self.orders.live) > 0 and all(order.state is LiveState.WORKING for order in orders)
            )

        await until("it is at rest", rests)

    async def is_ready(self, ready: bool = True) -> None:
        await until(f"ready is {ready}", lambda: self.runtime.is_ready is ready)


@contextlib.asynccontextmanager
async def quoting(
    directory: Path, *, peers: Peers | None = None, age_ms: int = 2_000, **quoting_changes: Any
) -> AsyncIterator[Running]:
    at = part(directory, **quoting_changes).model_copy(update={"max_market_data_age_ms": age_ms})
    async with peers or Peers(directory) as found:
        runtime = Runtime("quoter")
        app = QuoterApp(at, runtime)
        server = aio.server()
        app.register(server)
        server.add_insecure_port(at.endpoint.listen)
        await server.start()
        try:
            await app.start()
            async with rpc.connect(at.endpoint.listen) as channel:
                yield Running(found, app, runtime, channel, at)
        finally:
            await app.stop()
            await server.stop(grace=0)
