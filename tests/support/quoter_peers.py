"""Scripted gateway, order-state and risk that a quoter talks to over real gRPC.

Order-state here accepts, rests and cancels at once, and checks on the way in that no level ever has two live orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from tests.support.quoter import PX
from tests.support.waiting import HANG_S

from perpmaker.common import rpc
from perpmaker.common.clock import SystemClock
from perpmaker.common.cloid import decode
from perpmaker.common.decimals import E8
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1 import risk_pb2_grpc

MARKET = "BTC"
TAG = 77
_POLL_S = 0.01


async def until(what: str, holds: Callable[[], bool], *, within_s: float = HANG_S) -> None:
    """Wait for a condition. Fails by name after `within_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not holds():
        assert loop.time() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(_POLL_S)


class _Hub:
    """Messages to every reader of one stream."""

    def __init__(self) -> None:
        self.readers: set[asyncio.Queue[Any]] = set()

    def publish(self, message: Any) -> None:
        for reader in self.readers:
            reader.put_nowait(message)

    async def stream(self, first: list[Any]) -> AsyncIterator[Any]:
        reader: asyncio.Queue[Any] = asyncio.Queue()
        for message in first:
            reader.put_nowait(message)
        self.readers.add(reader)
        try:
            while True:
                yield await reader.get()
        finally:
            self.readers.discard(reader)


class Gateway(gateway_pb2_grpc.MarketDataServiceServicer, gateway_pb2_grpc.ReferenceServiceServicer):
    """A market whose book is moved by the test, and which repeats the newest book until it is frozen."""

    def __init__(self) -> None:
        self.mid_e8 = PX
        self.live = True
        self.market = MARKET
        self.receive_ns = 0
        self.frozen = False
        self._sequence = 0
        self._hub = _Hub()

    def _trace(self) -> common.Trace:
        self._sequence += 1
        self.receive_ns += 1_000
        return common.Trace(
            market=MARKET,
            sequence=self._sequence,
            exchange_time_ms=SystemClock().now_ms(),
            receive_time_ns=self.receive_ns,
        )

    def _book(self) -> gateway.MarketDataServiceSubscribeResponse:
        return gateway.MarketDataServiceSubscribeResponse(
            trace=self._trace(),
            book=gateway.Book(
                bids=[gateway.Level(px_e8=self.mid_e8 - i * E8, sz_e8=E8, orders=1) for i in (1, 2, 3)],
                asks=[gateway.Level(px_e8=self.mid_e8 + i * E8, sz_e8=E8, orders=1) for i in (1, 2, 3)],
            ),
        )

    def _feed(self) -> gateway.MarketDataServiceSubscribeResponse:
        return gateway.MarketDataServiceSubscribeResponse(
            trace=self._trace(), feed=gateway.FeedStatus(live=self.live, reason="" if self.live else "test")
        )

    def set_live(self, live: bool) -> None:
        self.live = live
        self._hub.publish(self._feed())

    def move(self, mid_e8: int) -> None:
        """Move the book and tell it."""
        self.mid_e8 = mid_e8
        self._hub.publish(self._book())

    def trade(self, px_e8: int) -> None:
        trades = gateway.Trades(trades=[gateway.Trade(px_e8=px_e8, sz_e8=E8 // 10)])
        self._hub.publish(gateway.MarketDataServiceSubscribeResponse(trace=self._trace(), trades=trades))

    async def repeat(self) -> None:
        """Keep the book fresh until cancelled."""
        while True:
            await asyncio.sleep(0.1)
            if not self.frozen:
                self._hub.publish(self._book())

    async def Subscribe(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for message in self._hub.stream([self._feed(), self._book()]):
            yield message

    async def ListInstruments(self, request: Any, context: Any) -> Any:  # type: ignore[override]
        return gateway.ListInstrumentsResponse(instruments=[self._instrument()])

    def _instrument(self, **changes: Any) -> gateway.Instrument:
        fields: dict[str, Any] = {
            "market": self.market,
            "sz_decimals": 5,
            "max_leverage": 40,
            "min_notional_e8": 10 * E8,
        }
        return gateway.Instrument(**(fields | changes))

    def change_rules(self, **changes: Any) -> None:
        """Tell other rules of the market; `changes` are fields of Instrument."""
        instrument = self._instrument(**changes)
        self._hub.publish(gateway.MarketDataServiceSubscribeResponse(trace=self._trace(), instrument=instrument))


_LIVE = (
    common.ORDER_STATE_PENDING,
    common.ORDER_STATE_RESTING,
    common.ORDER_STATE_PARTIALLY_FILLED,
    common.ORDER_STATE_CANCEL_PENDING,
    common.ORDER_STATE_UNKNOWN,
)


class OrderState(orderstate_pb2_grpc.OrdersServiceServicer):
    """Accepts everything unless told what to answer."""

    def __init__(self) -> None:
        self.epoch = 0
        self.position_e8 = 0
        self.held = False
        self.orders: dict[str, common.Order] = {}
        self.requests: list[orders.SubmitRequest] = []
        self.verdict: orders.Verdict.ValueType = orders.VERDICT_ACCEPTED
        """Verdict on every new order."""
        self.replace_verdict: orders.Verdict.ValueType = orders.VERDICT_ACCEPTED
        self.newest_is_silent = False
        """Whether who was fenced gets another session."""
        self.doubled: list[str] = []
        """Levels that would have had two live orders."""
        self._sequence = 0
        self._hub = _Hub()

    @property
    def live(self) -> list[common.Order]:
        """Non-terminal orders."""
        return [order for order in self.orders.values() if order.state in _LIVE]

    def on(self, side: common.Side.ValueType) -> list[common.Order]:
        """Live orders of a side."""
        return [order for order in self.live if order.side == side]

    def _event(self, **event: Any) -> orders.WatchResponse:
        self._sequence += 1
        trace = common.Trace(market=MARKET, epoch=self.epoch, sequence=self._sequence)
        return orders.WatchResponse(trace=trace, **event)

    def put(self, order: common.Order, state: common.OrderState.ValueType) -> None:
        """Set an order's state and tell it."""
        order.state = state
        self.orders[order.cloid] = order
        copy = common.Order()
        copy.CopyFrom(order)
        self._hub.publish(self._event(order=copy))

    def fill(self, order: common.Order) -> None:
        """Execute an order in full and tell it."""
        self.position_e8 += order.sz_e8 if order.side == common.SIDE_BUY else -order.sz_e8
        order.filled_e8 = order.sz_e8
        self.put(order, common.ORDER_STATE_FILLED)
        fill = common.Fill(market=MARKET, side=order.side, px_e8=order.px_e8, sz_e8=order.sz_e8, cloid=order.cloid)
        self._hub.publish(self._event(fill=orders.FillRecorded(fill=fill, matched=True)))
        self._hub.publish(self._event(standing=self._standing()))

    def hold(self, held: bool) -> None:
        """Hold or release the market."""
        self.held = held
        self._hub.publish(self._event(hold=orders.Hold(held=held, reasons=["gap"] if held else [])))

    def _standing(self) -> orders.Standing:
        return orders.Standing(position=common.Position(market=MARKET, sz_e8=self.position_e8))

    async def AcquireSession(self, request: Any, context: Any) -> Any:  # type: ignore[override]
        if request.stand_by and not self.newest_is_silent:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"session {self.epoch} is at work")
        self.epoch += 1
        return orders.AcquireSessionResponse(epoch=self.epoch, tag=TAG)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        snapshot = orders.MarketSnapshot(
            orders=self.live, standing=self._standing(), hold=orders.Hold(held=self.held), epoch=self.epoch
        )
        async for message in self._hub.stream([self._event(snapshot=snapshot)]):
            yield message

    async def Submit(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for request in request_iterator:
            if request.HasField("presence"):
                continue
            self.requests.append(request)
            yield orders.SubmitResponse(sequence=request.trace.sequence, items=self._take(request))

    def _take(self, request: orders.SubmitRequest) -> list[orders.ItemVerdict]:
        items: list[orders.ItemVerdict] = []
        for cloid in request.cancels:
            known = self.orders.get(cloid)
            if known is None or known not in self.live:
                items.append(orders.ItemVerdict(cloid=cloid, verdict=orders.VERDICT_NOT_LIVE))
                continue
            items.append(orders.ItemVerdict(cloid=cloid, verdict=orders.VERDICT_ACCEPTED))
            self.put(known, common.ORDER_STATE_CANCEL_PENDING)
            self.put(known, common.ORDER_STATE_CANCELLED)
        for replace in request.replaces:
            verdict = self.replace_verdict if self.verdict == orders.VERDICT_ACCEPTED else self.verdict
            if replace.old_cloid not in self.orders or self.orders[replace.old_cloid] not in self.live:
                verdict = orders.VERDICT_NOT_LIVE
            if verdict == orders.VERDICT_ACCEPTED:
                self.put(self.orders[replace.old_cloid], common.ORDER_STATE_CANCELLED)
                self._rest(replace.order, request.trace.epoch)
            items.append(orders.ItemVerdict(cloid=replace.order.cloid, verdict=verdict))
        for new in request.places:
            if self.verdict == orders.VERDICT_ACCEPTED:
                self._rest(new, request.trace.epoch)
            items.append(orders.ItemVerdict(cloid=new.cloid, verdict=self.verdict))
        return items

    def _rest(self, new: orders.NewOrder, epoch: int) -> None:
        said = decode(new.cloid)
        assert said is not None
        assert (said.tag, said.epoch, said.level) == (TAG, epoch, new.level)
        if any((o.side, o.level) == (new.side, new.level) for o in self.live):
            self.doubled.append(f"{new.side}/{new.level}")
        order = common.Order(
            cloid=new.cloid,
            market=MARKET,
            side=new.side,
            level=new.level,
            px_e8=new.px_e8,
            sz_e8=new.sz_e8,
            epoch=epoch,
            reduce_only=new.reduce_only,
            time_in_force=new.time_in_force,
        )
        self.put(order, common.ORDER_STATE_PENDING)
        self.put(order, common.ORDER_STATE_RESTING)


class Risk(risk_pb2_grpc.RiskServiceServicer):
    """Permits up to one BTC either way, renewed until silenced."""

    def __init__(self) -> None:
        self.permission = risk.Permission(
            min_position_e8=-E8,
            max_position_e8=E8,
            spread_factor_ppm=1_000_000,
            size_factor_ppm=1_000_000,
            bid_size_factor_ppm=1_000_000,
            ask_size_factor_ppm=1_000_000,
        )
        self.silent = False
        self._hub = _Hub()

    def _message(self) -> risk.WatchPermissionsResponse:
        message = risk.WatchPermissionsResponse(permission=self.permission)
        message.permission.valid_until_ms = SystemClock().now_ms() + 2_000
        message.trace.market = MARKET
        return message

    def publish(self) -> None:
        """Tell the permission now."""
        self._hub.publish(self._message())

    async def repeat(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(0.2)
            if not self.silent:
                self.publish()

    async def WatchPermissions(self, request: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        async for message in self._hub.stream([] if self.silent else [self._message()]):
            yield message


class Peers:
    """The three of them, each behind its own socket."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.gateway = Gateway()
        self.order_state = OrderState()
        self.risk = Risk()
        self._servers: list[aio.Server] = []
        self._orders_server: aio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Peers:
        market, reference = aio.server(options=rpc.SERVER_OPTIONS), aio.server(options=rpc.SERVER_OPTIONS)
        gateway_pb2_grpc.add_MarketDataServiceServicer_to_server(self.gateway, market)
        gateway_pb2_grpc.add_ReferenceServiceServicer_to_server(self.gateway, market)
        market.add_insecure_port(f"unix:{self._directory}/gateway.sock")
        risk_pb2_grpc.add_RiskServiceServicer_to_server(self.risk, reference)
        reference.add_insecure_port(f"unix:{self._directory}/risk.sock")
        self._servers = [market, reference]
        for server in self._servers:
            await server.start()
        await self.start_order_state()
        self._tasks = [asyncio.create_task(self.gateway.repeat()), asyncio.create_task(self.risk.repeat())]
        return self

    async def start_order_state(self) -> None:
        """Bring order-state (back) up with what it knows."""
        server = aio.server(options=rpc.SERVER_OPTIONS)
        orderstate_pb2_grpc.add_OrdersServiceServicer_to_server(self.order_state, server)
        server.add_insecure_port(f"unix:{self._directory}/orders.sock")
        await server.start()
        self._orders_server = server

    async def stop_order_state(self) -> None:
        """Take order-state down; it keeps what it knows."""
        if self._orders_server is not None:
            await self._orders_server.stop(grace=0)
            self._orders_server = None

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stop_order_state()
        for server in self._servers:
            await server.stop(grace=0)
