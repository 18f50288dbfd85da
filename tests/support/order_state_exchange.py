"""A scripted exchange side and a scripted risk, speaking the contracts of the gateway and of risk.

The exchange side keeps real orders, so what it says is consistent; scripts make it lose answers, refuse, fill and fall
silent. Nothing here decides what order-state should do.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from tests.support.order_state import MARKET, e8

from perpmaker.common.clock import SystemClock
from perpmaker.proto.common.v1 import common_pb2 as cm
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_rpc
from perpmaker.proto.risk.v1 import risk_pb2 as rk
from perpmaker.proto.risk.v1 import risk_pb2_grpc as rk_rpc


class SkippingClock(SystemClock):
    """The machine's clocks, moved forward on demand so that long waits need not be waited for."""

    def __init__(self) -> None:
        self._skipped_ms = 0

    def skip(self, ms: int) -> None:
        """Let time pass at once."""
        self._skipped_ms += ms

    def now_ms(self) -> int:
        """See Clock."""
        return super().now_ms() + self._skipped_ms

    def monotonic_s(self) -> float:
        """See Clock."""
        return super().monotonic_s() + self._skipped_ms / 1000

    def monotonic_ns(self) -> int:
        """See Clock."""
        return super().monotonic_ns() + self._skipped_ms * 1_000_000


@dataclass(slots=True)
class Held:
    """An order at the exchange."""

    cloid: str
    oid: int
    market: str
    side: Any
    px_e8: int
    orig_e8: int
    remaining_e8: int
    reduce_only: bool
    placed_ms: int
    status: str = "open"
    status_ms: int = 0
    tif: int = 1

    @property
    def is_open(self) -> bool:
        return self.status == "open"


@dataclass
class Exchange(gw_rpc.AccountServiceServicer, gw_rpc.ExecutionServiceServicer, gw_rpc.ReferenceServiceServicer):
    """The exchange side of the gateway's contract.

    `on_place` decides what becomes of a placement: "rest", "lose_after" (lands, answer unknown), "lose_before" (does
    not land, answer unknown), "silent" (does not land, no answer), "refuse:<class>", "fill:<size>", "not_sent".
    """

    clock: SkippingClock = field(default_factory=SkippingClock)
    markets: tuple[str, ...] = (MARKET,)
    sz_decimals: int = 5
    on_place: Callable[[gw.PlaceOrder], str] = lambda _order: "rest"
    on_modify: Callable[[gw.ModifyOrder], str] = lambda _order: "rest"
    on_cancel: Callable[[str], str] = lambda _cloid: "cancel"
    quiet: bool = False
    """Do not push order updates and fills."""
    expire_orders_ms: int | None = None
    """Claim this as `expiresAfter` relative to now instead of what was asked for."""
    burns: str = "unknown"
    reads_fail: bool = False
    list_gate: asyncio.Event | None = None
    """A question for open orders waits for the gate that was here when it arrived."""
    lists_asked: int = 0
    hidden: set[str] = field(default_factory=set)
    """Cloids that neither lists nor status answers show."""

    orders: dict[str, Held] = field(default_factory=dict)
    fills: list[cm.Fill] = field(default_factory=list)
    position_offset_e8: int = 0
    requests: list[gw.ExecuteRequest] = field(default_factory=list)
    burned: list[int] = field(default_factory=list)
    status_questions: list[str] = field(default_factory=list)
    subscriptions: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._oids = itertools.count(5001)
        self._tids = itertools.count(1)
        self._nonce = self.clock.now_ms()
        self._queues: set[asyncio.Queue[gw.AccountServiceSubscribeResponse]] = set()
        self._outboxes: set[asyncio.Queue[gw.ExecuteResponse | None]] = set()
        self._last_ms = 0

    def time_ms(self) -> int:
        """Exchange time: strictly increasing, as block times are per event here."""
        self._last_ms = max(self._last_ms + 1, self.clock.now_ms())
        return self._last_ms

    # --- what tests do to it

    def push(self, **event: Any) -> None:
        """Send an account event to every subscriber."""
        market = event.pop("market", MARKET)
        message = gw.AccountServiceSubscribeResponse(trace=cm.Trace(market=market), **event)
        for queue in self._queues:
            queue.put_nowait(message)

    def put(self, cloid: str, **facts: Any) -> Held:
        """An order in the book that nobody asked for through this test's process."""
        held = Held(
            cloid=cloid,
            oid=next(self._oids),
            market=facts.get("market", MARKET),
            side=facts.get("side", cm.SIDE_BUY),
            px_e8=e8("100"),
            orig_e8=e8("1"),
            remaining_e8=e8("1"),
            reduce_only=False,
            placed_ms=facts.get("placed_ms", self.clock.now_ms()),
        )
        self.orders[cloid or f"oid{held.oid}"] = held
        return held

    def update(self, held: Held) -> None:
        """Push an order's status."""
        if not self.quiet:
            self.push(order_update=self.status_of(held), market=held.market)

    def status_of(self, held: Held) -> gw.OrderUpdate:
        return gw.OrderUpdate(
            oid=held.oid,
            cloid=held.cloid,
            side=held.side,
            px_e8=held.px_e8,
            remaining_e8=held.remaining_e8,
            orig_sz_e8=held.orig_e8,
            status=held.status,
            status_time_ms=held.status_ms or held.placed_ms,
        )

    def fill(self, cloid: str, size: str, *, tell: bool = True) -> cm.Fill:
        """Execute part of an order."""
        held = self.orders[cloid]
        amount = min(e8(size), held.remaining_e8)
        held.remaining_e8 -= amount
        made = cm.Fill(
            market=held.market,
            tid=next(self._tids),
            oid=held.oid,
            cloid=held.cloid,
            side=held.side,
            px_e8=held.px_e8,
            sz_e8=amount,
            fee_quote_e8=amount // 10_000,
            fee_token="USDC",
            exchange_time_ms=self.time_ms(),
        )
        self.fills.append(made)
        if held.remaining_e8 == 0:
            held.status, held.status_ms = "filled", made.exchange_time_ms
        if tell and not self.quiet:
            self.push(fill=made, market=held.market)
            if not held.is_open:
                self.update(held)
        return made

    def end(self, cloid: str, status: str = "canceled") -> None:
        """Take an order out of the book."""
        held = self.orders[cloid]
        held.status, held.status_ms = status, self.time_ms()
        self.update(held)

    def open(self, market: str | None = None) -> list[Held]:
        """Orders in the book."""
        return [h for h in self.orders.values() if h.is_open and (market is None or h.market == market)]

    def position_e8(self, market: str = MARKET) -> int:
        signed = (f.sz_e8 if f.side == cm.SIDE_BUY else -f.sz_e8 for f in self.fills if f.market == market)
        return sum(signed) + (self.position_offset_e8 if market == MARKET else 0)

    def cancels_asked(self) -> list[str]:
        """Cloids of all cancels received."""
        return [cancel.cloid for request in self.requests for cancel in request.cancels]

    # --- contract: account

    async def Subscribe(self, request: gw.AccountServiceSubscribeRequest, context: Any) -> AsyncIterator[Any]:
        queue: asyncio.Queue[gw.AccountServiceSubscribeResponse] = asyncio.Queue()
        self.subscriptions.append(request.fills_since_ms)
        self._queues.add(queue)
        try:
            yield gw.AccountServiceSubscribeResponse(gap_opened=gw.GapOpened(reason="start"))
            for made in self.fills:
                if made.exchange_time_ms >= request.fills_since_ms - 30_000:
                    yield gw.AccountServiceSubscribeResponse(trace=cm.Trace(market=made.market), fill=made)
            yield gw.AccountServiceSubscribeResponse(open_orders=self._open_orders(queried=True))
            yield gw.AccountServiceSubscribeResponse(account=self._account())
            yield gw.AccountServiceSubscribeResponse(gap_closed=gw.GapClosed(snapshot_time_ms=self.clock.now_ms()))
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    # --- contract: execution

    async def Execute(self, request_iterator: AsyncIterator[gw.ExecuteRequest], context: Any) -> AsyncIterator[Any]:
        outbox: asyncio.Queue[gw.ExecuteResponse | None] = asyncio.Queue()
        self._outboxes.add(outbox)

        async def read() -> None:
            async for request in request_iterator:
                if request.HasField("presence"):
                    continue
                self.requests.append(request)
                for message in self._execute(request):
                    outbox.put_nowait(message)
            outbox.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (message := await outbox.get()) is not None:
                yield message
        finally:
            self._outboxes.discard(outbox)
            reader.cancel()

    def break_execute(self) -> None:
        """End every Execute stream from this side."""
        for outbox in tuple(self._outboxes):
            outbox.put_nowait(None)

    def _execute(self, request: gw.ExecuteRequest) -> Iterable[gw.ExecuteResponse]:
        def tell(**event: Any) -> gw.ExecuteResponse:
            return gw.ExecuteResponse(request_id=request.request_id, **event)

        complete = True
        if request.cancels:
            nonce = self._take_nonce()
            yield tell(sent=gw.Sent(action=gw.ACTION_KIND_CANCEL, nonce=nonce))
            items = [item for c in request.cancels if (item := self._cancel(c.cloid)) is not None]
            yield tell(outcomes=gw.Outcomes(action=gw.ACTION_KIND_CANCEL, nonce=nonce, items=items))
        for kind, wanted in (
            (gw.ACTION_KIND_MODIFY, [(m.order, self.on_modify(m), m.old_cloid) for m in request.modifies]),
            (gw.ACTION_KIND_PLACE, [(p, self.on_place(p), "") for p in request.places]),
        ):
            if not wanted:
                continue
            nonce = self._take_nonce()
            expires = self.clock.now_ms() + (
                request.expires_in_ms if self.expire_orders_ms is None else self.expire_orders_ms
            )
            yield tell(
                sent=gw.Sent(
                    action=kind, nonce=nonce, expires_after_ms=expires, cloids=[order.cloid for order, _, _ in wanted]
                )
            )
            made = [self._enter(order, fate, request.trace.market, old) for order, fate, old in wanted]
            items = [item for item in made if item is not None]
            complete = complete and len(items) == len(made)
            if items:
                yield tell(outcomes=gw.Outcomes(action=kind, nonce=nonce, items=items))
        if complete:
            yield tell(done=gw.Done())

    def _take_nonce(self) -> int:
        self._nonce = max(self._nonce + 1, self.clock.now_ms())
        return self._nonce

    def _cancel(self, cloid: str) -> gw.Outcome | None:
        fate, held = self.on_cancel(cloid), self.orders.get(cloid)
        if fate == "unknown":
            return gw.Outcome(cloid=cloid, unknown=gw.Unknown(reason="timeout"))
        if fate == "silent":
            return None
        if held is None or not held.is_open:
            gone = gw.Rejected(text="Order was never placed, already canceled, or filled. asset=0")
            setattr(gone, "class", gw.REJECTION_CLASS_ORDER_GONE)
            return gw.Outcome(cloid=cloid, rejected=gone)
        self.end(cloid)
        return gw.Outcome(cloid=cloid, cancelled=gw.Cancelled())

    def _enter(self, order: gw.PlaceOrder, fate: str, market: str, old: str) -> gw.Outcome | None:
        word, _, detail = fate.partition(":")
        if word == "silent":
            return None
        if word == "lose_before":
            return gw.Outcome(cloid=order.cloid, unknown=gw.Unknown(reason="timeout"))
        if word == "not_sent":
            return gw.Outcome(cloid=order.cloid, not_sent=gw.NotSent(reason="budget"))
        if word == "refuse":
            refused = gw.Rejected(text=f"refused: {detail}")
            setattr(refused, "class", gw.RejectionClass.Value(f"REJECTION_CLASS_{detail.upper()}"))
            if detail == "modify_lost_order":
                self.end(old)
            return gw.Outcome(cloid=order.cloid, rejected=refused)
        if old:
            self.end(old)
        held = Held(
            cloid=order.cloid,
            oid=next(self._oids),
            market=market,
            side=order.side,
            px_e8=order.px_e8,
            orig_e8=order.sz_e8,
            remaining_e8=order.sz_e8,
            reduce_only=order.reduce_only,
            placed_ms=self.time_ms(),
            tif=order.time_in_force,
        )
        self.orders[order.cloid] = held
        self.update(held)
        if word == "lose_after":
            return gw.Outcome(cloid=order.cloid, unknown=gw.Unknown(reason="timeout"))
        if word == "fill":
            made = self.fill(order.cloid, detail)
            return gw.Outcome(
                cloid=order.cloid, filled=gw.Filled(oid=held.oid, total_sz_e8=made.sz_e8, avg_px_e8=made.px_e8)
            )
        return gw.Outcome(cloid=order.cloid, resting=gw.Resting(oid=0 if old else held.oid))

    async def BurnNonce(self, request: gw.BurnNonceRequest, context: Any) -> gw.BurnNonceResponse:
        self.burned.append(request.nonce)
        return gw.BurnNonceResponse(result=gw.BurnResult.Value(f"BURN_RESULT_{self.burns.upper()}"))

    # --- contract: reference

    async def _check(self, context: Any) -> None:
        if self.reads_fail:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "scripted")

    async def ListInstruments(self, request: Any, context: Any) -> gw.ListInstrumentsResponse:
        return gw.ListInstrumentsResponse(
            instruments=[
                gw.Instrument(
                    market=m, asset_id=i, sz_decimals=self.sz_decimals, max_leverage=50, min_notional_e8=e8("10")
                )
                for i, m in enumerate(self.markets)
            ]
        )

    async def GetOrderStatus(self, request: gw.GetOrderStatusRequest, context: Any) -> gw.GetOrderStatusResponse:
        await self._check(context)
        self.status_questions.append(request.cloid)
        held = self.orders.get(request.cloid)
        if held is None or request.cloid in self.hidden:
            return gw.GetOrderStatusResponse(found=False, as_of_ms=self.clock.now_ms())
        return gw.GetOrderStatusResponse(
            found=True, update=self.status_of(held), as_of_ms=self.clock.now_ms(), market=held.market
        )

    def _open_orders(self, *, queried: bool) -> gw.OpenOrders:
        return gw.OpenOrders(
            as_of_ms=self.clock.now_ms(),
            queried=queried,
            orders=[
                gw.OpenOrder(
                    market=h.market,
                    oid=h.oid,
                    cloid=h.cloid,
                    side=h.side,
                    px_e8=h.px_e8,
                    remaining_e8=h.remaining_e8,
                    orig_sz_e8=h.orig_e8,
                    placed_time_ms=h.placed_ms,
                    reduce_only=h.reduce_only,
                )
                for h in self.open()
                if h.cloid not in self.hidden
            ],
        )

    async def ListOpenOrders(self, request: Any, context: Any) -> gw.ListOpenOrdersResponse:
        self.lists_asked += 1
        if self.list_gate is not None:
            await self.list_gate.wait()
        await self._check(context)
        return gw.ListOpenOrdersResponse(open_orders=self._open_orders(queried=True))

    async def ListFills(self, request: gw.ListFillsRequest, context: Any) -> gw.ListFillsResponse:
        await self._check(context)
        return gw.ListFillsResponse(fills=[f for f in self.fills if f.exchange_time_ms >= request.since_ms])

    def _account(self) -> gw.AccountState:
        return gw.AccountState(
            exchange_time_ms=self.time_ms(),
            positions=[
                gw.ExchangePosition(market=m, sz_e8=self.position_e8(m), entry_px_e8=e8("100"))
                for m in self.markets
                if self.position_e8(m)
            ],
        )

    async def GetAccount(self, request: Any, context: Any) -> gw.GetAccountResponse:
        await self._check(context)
        return gw.GetAccountResponse(account=self._account())


class Risk(rk_rpc.RiskServiceServicer):
    """Permissions every 100 ms, until told to be silent."""

    def __init__(self, clock: SkippingClock, markets: Iterable[str]) -> None:
        self._clock = clock
        self.markets = list(markets)
        self.permission = rk.Permission(min_position_e8=-e8("100"), max_position_e8=e8("100"))
        self.silent = False
        self.sent = 0

    async def WatchPermissions(self, request: rk.WatchPermissionsRequest, context: Any) -> AsyncIterator[Any]:
        while True:
            if not self.silent:
                for market in request.markets or self.markets:
                    given = rk.Permission()
                    given.CopyFrom(self.permission)
                    given.valid_until_ms = self._clock.now_ms() + 2_000
                    yield rk.WatchPermissionsResponse(trace=cm.Trace(market=market), permission=given)
                self.sent += 1
            await asyncio.sleep(0.05)
