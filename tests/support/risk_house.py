"""Scripted stand-ins for the two processes risk talks to, and risk itself between them on real sockets.

The stand-ins are gRPC servers that say what a test tells them to and remember what they were asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from tests.support.risk import BTC, ETH, MARK_E8, account_limits, bbo, mark, market_limits, snapshot_of, standing, trace
from tests.support.server import StoreServer
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import RiskPart
from perpmaker.common import rpc
from perpmaker.common.decimals import E8
from perpmaker.common.service import Endpoint, Runtime
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub
from perpmaker.risk.app import RiskApp


class _Streams:
    """Readers of one stream: each begins with the current messages, then gets every new one."""

    def __init__(self, first: Callable[[], list[Any]]) -> None:
        self._first = first
        self._queues: set[asyncio.Queue[Any]] = set()

    async def read(self) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        for message in self._first():
            queue.put_nowait(message)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    def send(self, message: Any) -> None:
        for queue in self._queues:
            queue.put_nowait(message)


class OrderStateDouble(orderstate_pb2_grpc.OrdersServiceServicer):
    """Order-state as a script: standings that are set, a book that empties when told to."""

    def __init__(self, markets: tuple[str, ...]) -> None:
        self.standings = {market: standing(market) for market in markets}
        self.placed = 0
        self.cancels: list[tuple[str, str]] = []
        self.answers_empty = asyncio.Event()
        self.answers_empty.set()
        self.fails_next = 0
        self._watchers = _Streams(lambda: [snapshot_of(m, s) for m, s in self.standings.items()])

    def now(self, market: str, new: orderstate.Standing) -> None:
        """The standing changes."""
        self.standings[market] = new
        self._watchers.send(orderstate.WatchResponse(trace=trace(market), standing=new))

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for message in self._watchers.read():
            yield message

    async def CancelAll(self, request: Any, context: Any) -> Any:
        self.cancels.append((request.market, request.drain_id))
        if self.fails_next:
            self.fails_next -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "told to fail")
        if not self.answers_empty.is_set():
            return orderstate.CancelAllResponse(verified_empty=False, remaining=[common.Order(market=request.market)])
        if self.standings[request.market].exposure.open_orders:
            held = self.standings[request.market].position
            self.now(request.market, standing(request.market, position_e8=held.sz_e8, fills=held.fills))
        return orderstate.CancelAllResponse(verified_empty=True)

    async def GetSummary(self, request: Any, context: Any) -> Any:
        markets = [orderstate.MarketSummary(market=market, placed=self.placed) for market in self.standings]
        return orderstate.GetSummaryResponse(markets=markets)

    async def Submit(self, request_iterator: Any, context: Any) -> Any:
        raise NotImplementedError

    AcquireSession = Explain = ListOrders = ListFills = GetHighestNonce = Submit


class GatewayDouble(
    gateway_pb2_grpc.MarketDataServiceServicer,
    gateway_pb2_grpc.AccountServiceServicer,
    gateway_pb2_grpc.ExecutionServiceServicer,
    gateway_pb2_grpc.ReferenceServiceServicer,
):
    """The gateway as a script: a book that ticks by itself, an account, and what was disarmed."""

    def __init__(self, markets: tuple[str, ...]) -> None:
        self.markets = markets
        self.mark_px_e8 = dict.fromkeys(markets, MARK_E8)
        self.equity_e8 = 10_000 * E8
        self.disarmed: dict[str, str] = {}
        self.armed: list[str] = []
        self.ticks = asyncio.Event()
        self.ticks.set()
        self.refuses_arming = 0
        self._account = _Streams(self._account_messages)

    def account_state(self) -> gateway.AccountState:
        """Equity and margin."""
        return gateway.AccountState(equity_quote_e8=self.equity_e8, margin_used_quote_e8=E8)

    def account_event(self, **event: Any) -> None:
        """Something happens on the account stream."""
        market = event.pop("market", "")
        self._account.send(gateway.AccountServiceSubscribeResponse(trace=trace(market), **event))

    def _account_messages(self) -> list[Any]:
        response = gateway.AccountServiceSubscribeResponse
        limits = gateway.TradeLimits(max_buy_e8=100 * E8, max_sell_e8=100 * E8)
        return [
            response(trace=trace(""), gap_opened=gateway.GapOpened(reason="start")),
            response(trace=trace(""), account=self.account_state()),
            response(trace=trace(""), gap_closed=gateway.GapClosed()),
            *(response(trace=trace(market), trade_limits=limits) for market in self.markets),
        ]

    async def Subscribe(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        if isinstance(request, gateway.AccountServiceSubscribeRequest):
            async for message in self._account.read():
                yield message
        while True:
            await self.ticks.wait()
            for market in self.markets:
                px_e8 = self.mark_px_e8[market]
                yield bbo(market, px_e8 - E8, px_e8 + E8)
                yield mark(market, px_e8)
            await asyncio.sleep(0.05)

    async def Disarm(self, request: Any, context: Any) -> Any:
        if self.refuses_arming:
            self.refuses_arming -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "told to fail")
        self.disarmed[request.market] = request.reason
        return gateway.DisarmResponse()

    async def Arm(self, request: Any, context: Any) -> Any:
        self.armed.append(request.market)
        self.disarmed.pop(request.market, None)
        return gateway.ArmResponse()

    async def ListInstruments(self, request: Any, context: Any) -> Any:
        return gateway.ListInstrumentsResponse(
            instruments=[gateway.Instrument(market=m, sz_decimals=5, max_leverage=40) for m in self.markets]
        )

    async def GetAccount(self, request: Any, context: Any) -> Any:
        return gateway.GetAccountResponse(account=self.account_state())

    async def GetStatus(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    Execute = BurnNonce = GetOrderStatus = ListOpenOrders = ListFills = GetStatus


class Watched:
    """A reader of the permission stream that remembers everything."""

    def __init__(self, stub: Any, *markets: str) -> None:
        self.seen: list[risk.WatchPermissionsResponse] = []
        self._call = stub.WatchPermissions(risk.WatchPermissionsRequest(markets=markets))
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while (message := await self._call.read()) is not aio.EOF:
            async with self._news:
                self.seen.append(message)
                self._news.notify_all()

    async def wait(
        self, what: str, matches: Callable[[risk.Permission], bool], *, market: str = BTC, among: int | None = None
    ) -> risk.Permission:
        """First permission of the market, from now on, that matches, and is `among` that many of its next ones."""
        position, passed = len(self.seen), 0
        try:
            async with asyncio.timeout(HANG_S), self._news:
                while True:
                    for message in self.seen[position:]:
                        if message.trace.market != market:
                            continue
                        if matches(message.permission):
                            return message.permission
                        passed += 1
                        assert among is None or passed < among, f"not among the next {among}: {what}"
                    position = len(self.seen)
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {HANG_S} s: {what}; last: {self.seen[-2:]}") from None

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        self._call.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class RiskHouse:
    """Risk on real sockets and a real store, between the two stand-ins; it can be stopped and started again."""

    def __init__(self, folder: Path, markets: tuple[str, ...] = (BTC, ETH), **account_changes: Any) -> None:
        self.folder = folder
        self.markets = markets
        self.store = StoreServer(folder)
        self.orders = OrderStateDouble(markets)
        self.gateway = GatewayDouble(markets)
        self.market_parts = {market: market_limits(market) for market in markets}
        self.account_part = account_limits(**account_changes)
        self.stub: Any = None
        self.watched: Watched
        self._servers: dict[str, aio.Server] = {}
        self._channel: aio.Channel | None = None
        self._running: tuple[Runtime, RiskApp] | None = None

    def _address(self, name: str) -> str:
        return f"unix:{self.folder / name}.sock"

    @property
    def part(self) -> RiskPart:
        """Configuration of the service."""
        return RiskPart(
            endpoint=Endpoint(listen=self._address("risk")),
            account="acct",
            redis_url=self.store.url,
            gateway_target=self._address("gateway"),
            order_state_target=self._address("orders"),
            limits=self.account_part,
            markets=tuple(self.market_parts.values()),
        )

    async def open_gateway(self) -> None:
        """Let the gateway's stand-in listen."""
        server = aio.server(options=rpc.SERVER_OPTIONS)
        gateway_pb2_grpc.add_MarketDataServiceServicer_to_server(self.gateway, server)
        gateway_pb2_grpc.add_AccountServiceServicer_to_server(self.gateway, server)
        gateway_pb2_grpc.add_ExecutionServiceServicer_to_server(self.gateway, server)
        gateway_pb2_grpc.add_ReferenceServiceServicer_to_server(self.gateway, server)
        await self._listen("gateway", server)

    async def open_orders(self) -> None:
        """Let order-state's stand-in listen."""
        server = aio.server(options=rpc.SERVER_OPTIONS)
        orderstate_pb2_grpc.add_OrdersServiceServicer_to_server(self.orders, server)
        await self._listen("orders", server)

    async def _listen(self, name: str, server: aio.Server) -> None:
        server.add_insecure_port(self._address(name))
        await server.start()
        self._servers[name] = server

    async def shut(self, name: str) -> None:
        """End one server at once."""
        await self._servers.pop(name).stop(grace=0)

    async def start_risk(self) -> None:
        """Start the service and a reader of its permissions."""
        runtime = Runtime("risk")
        app = RiskApp(self.part, runtime)
        server = aio.server(options=rpc.SERVER_OPTIONS)
        app.register(server)
        await self._listen("risk", server)
        runtime.spawn(app.start(), name="start")
        self._running = (runtime, app)
        self._channel = rpc.connect(self._address("risk"))
        self.stub = RiskServiceStub(self._channel)
        self.watched = Watched(self.stub)

    @property
    def runtime(self) -> Runtime:
        """Skeleton of the running service."""
        assert self._running is not None
        return self._running[0]

    async def stop_risk(self) -> None:
        """Stop the service in order."""
        if self._running is None:
            return
        runtime, app = self._running
        self._running = None
        runtime.stopping.set()
        await self.watched.close()
        await app.stop()
        await runtime.cancel_tasks()
        await self.shut("risk")
        assert self._channel is not None
        await self._channel.close()

    async def open_permission(self, market: str = BTC) -> risk.Permission:
        """Wait until a market may be quoted without any restriction."""
        return await self.watched.wait("an open permission", lambda p: not p.reasons, market=market)

    async def state(self) -> risk.GetStateResponse:
        """What risk sees."""
        answer: risk.GetStateResponse = await self.stub.GetState(risk.GetStateRequest(), timeout=HANG_S)
        return answer

    async def trip_is_executed(self, trip_id: str) -> None:
        """Wait until the trip is latched and its book was seen empty."""

        async def executed() -> bool:
            return any(t.trip_id == trip_id and t.executed for t in (await self.state()).trips)

        await until(f"{trip_id} is executed", executed)

    async def close(self) -> None:
        """End everything."""
        await self.stop_risk()
        for name in tuple(self._servers):
            await self.shut(name)
        with contextlib.suppress(AssertionError):
            self.store.kill()


@contextlib.asynccontextmanager
async def risk_house(folder: Path, **account_changes: Any) -> AsyncIterator[RiskHouse]:
    """Everything running, nothing awaited yet."""
    house = RiskHouse(folder, **account_changes)
    house.store.start()
    try:
        await house.open_gateway()
        await house.open_orders()
        await house.start_risk()
        yield house
    finally:
        await house.close()
