"""What the quoter sees at this moment: the newest state of every stream, never a queue of old ones.

Guarantees: a book replaces the book before it; each trade, each fill and each causing frame is handed to
exactly one cycle; orders follow order-state's snapshot and its events in sequence; an order this quoter has
sent counts as pending from the moment of sending, whichever of the verdict and the order event arrives first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from perpmaker.common.clock import Clock
from perpmaker.hyperliquid.instruments import rules_of
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.quoter.book import is_older, with_bbo
from perpmaker.quoter.shortage import Shortage
from perpmaker.quoter.values import (
    BookView,
    Listed,
    LiveOrder,
    LiveState,
    OwnFill,
    Permission,
    PublicTrade,
    Side,
)
from perpmaker.quoter.wire import live_order, permission_of, price_level

UNSEEN_TTL_NS: Final = 5_000_000_000
"""How long an order counts as pending that order-state has not mentioned: longer than a request can be under
way."""
_MAX_TRADES: Final = 2_000
_IN_BOOK: Final = frozenset((LiveState.WORKING, LiveState.CANCELLING))


@dataclass(frozen=True, slots=True)
class Cause:
    """The market frame that a cycle reacts to; zeros when it reacts to something else."""

    exchange_time_ms: int = 0
    receive_time_ns: int = 0
    """The gateway's clock."""
    received_ns: int = 0
    """Our clock."""


NO_CAUSE = Cause()


class Sight:
    """Newest state of market data, orders and permission of one market."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self.listed: Listed | None = None
        """None until the gateway has told the market's rules."""
        self.book: BookView | None = None
        self.feed_live = False
        self.permission: Permission | None = None
        self.mark_px_e8 = 0
        """Newest mark; 0 while none was heard."""
        self.position_e8 = 0
        self.possible_buys_e8 = 0
        """What orders may still execute, by order-state's account: announced executions included."""
        self.possible_sells_e8 = 0
        self.held = True
        self.hold_reasons: tuple[str, ...] = ()
        self.orders_known = False
        self.newest_epoch = 0
        self.shortage = Shortage()
        self._orders: dict[str, LiveOrder] = {}
        self._unseen: dict[str, tuple[LiveOrder, int]] = {}
        self._orders_sequence = 0
        self._trades: deque[PublicTrade] = deque(maxlen=_MAX_TRADES)
        self._fills: list[OwnFill] = []
        self._cause = NO_CAUSE

    def on_market_data(self, message: gateway.MarketDataServiceSubscribeResponse) -> None:
        """Take one market event."""
        match message.WhichOneof("event"):
            case "bbo":
                self._on_bbo(message.trace, message.bbo)
            case "book":
                self._on_book(message.trace, message.book)
            case "trades":
                self._trades.extend(PublicTrade(trade.px_e8, trade.sz_e8) for trade in message.trades.trades)
            case "context":
                self.mark_px_e8 = message.context.mark_px_e8
            case "feed":
                self.feed_live = message.feed.live
                if not self.feed_live:
                    self._forget_book_time()
                self._wake()
            case "instrument":
                self.on_instrument(message.instrument)
            case "tick_changed" | None:
                pass  # the rules tell the step at any price

    def on_instrument(self, instrument: gateway.Instrument) -> None:
        """Take what the market's rules are from now on, and whether it is traded at all."""
        self.listed = Listed(rules_of(instrument), instrument.delisted)
        self._wake()

    def _on_bbo(self, trace: common.Trace, bbo: gateway.Bbo) -> None:
        if is_older(trace.exchange_time_ms, self.book):
            return
        now_ns = self._seen(trace)
        self.book = with_bbo(
            self.book,
            price_level(bbo.bid) if bbo.HasField("bid") else None,
            price_level(bbo.ask) if bbo.HasField("ask") else None,
            exchange_time_ms=trace.exchange_time_ms,
            received_ns=now_ns,
        )
        self._wake()

    def _on_book(self, trace: common.Trace, book: gateway.Book) -> None:
        if is_older(trace.exchange_time_ms, self.book):
            return
        now_ns = self._seen(trace)
        self.book = BookView(
            bids=tuple(price_level(level) for level in book.bids),
            asks=tuple(price_level(level) for level in book.asks),
            exchange_time_ms=trace.exchange_time_ms,
            received_ns=now_ns,
        )
        self._wake()

    def _seen(self, trace: common.Trace) -> int:
        now_ns = self._clock.monotonic_ns()
        self._cause = Cause(trace.exchange_time_ms, trace.receive_time_ns, now_ns)
        return now_ns

    def on_market_data_lost(self, _reason: str) -> None:
        """The stream broke: its last state stays and ages."""
        self.feed_live = False
        self._forget_book_time()
        self._wake()

    def _forget_book_time(self) -> None:
        # After a break the first book counts, whatever its time; the one held here goes on ageing.
        if self.book is not None:
            self.book = replace(self.book, exchange_time_ms=0)

    def on_orders(self, message: orders.WatchResponse) -> None:
        """Take a snapshot or the next event; repetitions of what was seen are ignored."""
        kind = message.WhichOneof("event")
        sequence = message.trace.sequence
        if kind == "snapshot":
            self._on_snapshot(message.snapshot)
        elif not self.orders_known or 0 < sequence <= self._orders_sequence:
            return
        self._orders_sequence = sequence
        match kind:
            case "order":
                self._on_order(message.order)
            case "fill":
                self._fills.append(OwnFill(Side(message.fill.fill.side), self._clock.monotonic_ns()))
            case "standing":
                self._on_standing(message.standing)
            case "hold":
                self._on_hold(message.hold)
            case "refusal":
                self.shortage.on_refused(getattr(message.refusal, "class"), self._clock.monotonic_ns())
            case _:
                pass
        self._wake()

    def _on_snapshot(self, snapshot: orders.MarketSnapshot) -> None:
        live = (live_order(order) for order in snapshot.orders)
        self._orders = {order.cloid: order for order in live if order is not None}
        for cloid in self._orders:
            self._unseen.pop(cloid, None)
        self._on_standing(snapshot.standing)
        self._on_hold(snapshot.hold)
        self.newest_epoch = snapshot.epoch
        self.orders_known = True

    def _on_standing(self, standing: orders.Standing) -> None:
        self.position_e8 = standing.position.sz_e8
        self.possible_buys_e8 = standing.exposure.max_possible_bid_e8
        self.possible_sells_e8 = standing.exposure.max_possible_ask_e8

    def _on_order(self, order: common.Order) -> None:
        self._unseen.pop(order.cloid, None)
        live = live_order(order)
        if live is None:
            self._orders.pop(order.cloid, None)
            if order.state == common.ORDER_STATE_NEVER_LANDED:
                self.shortage.on_not_sent(order.cause, self._clock.monotonic_ns())
        else:
            self._orders[order.cloid] = live

    def _on_hold(self, hold: orders.Hold) -> None:
        self.held = hold.held
        self.hold_reasons = tuple(hold.reasons)

    def on_orders_lost(self, _reason: str) -> None:
        """The stream broke: what is held here may be wrong until the next snapshot."""
        self.orders_known = False
        self._wake()

    def on_permission(self, message: risk.WatchPermissionsResponse) -> None:
        """Take a permission."""
        before = self.permission
        self.permission = permission_of(message.permission, self._clock.monotonic_ns())
        # Renewals come often and say nothing new; a restriction must not wait for the next book.
        if before is None or _differs(before, self.permission):
            self._wake()

    def expect(self, order: LiveOrder, sent_ns: int) -> None:
        """Count an order as pending until order-state mentions it."""
        if order.cloid not in self._orders:
            self._unseen[order.cloid] = (order, sent_ns)

    def withdraw(self, cloid: str, *, is_backoff: bool = False) -> None:
        """Forget an expected order: order-state refused it, or has its side pause after refusals."""
        self._unseen.pop(cloid, None)
        if is_backoff:
            self.shortage.on_backoff(self._clock.monotonic_ns())

    def live_orders(self, now_ns: int) -> tuple[LiveOrder, ...]:
        """Every non-terminal order of this market, sent ones included."""
        if self._unseen:
            self._unseen = {cloid: entry for cloid, entry in self._unseen.items() if now_ns - entry[1] < UNSEEN_TTL_NS}
        return (*self._orders.values(), *(order for order, _ in self._unseen.values()))

    def resting_on(self, side: Side) -> int:
        """Number of orders in the book on a side; one that is being cancelled or replaced still is."""
        return sum(1 for o in self._orders.values() if o.side is side and o.remaining_e8 and o.state in _IN_BOOK)

    def take_trades(self) -> tuple[PublicTrade, ...]:
        """Public trades since the last call."""
        if not self._trades:
            return ()
        taken = tuple(self._trades)
        self._trades.clear()
        return taken

    def take_fills(self) -> tuple[OwnFill, ...]:
        """Own executions since the last call."""
        taken, self._fills = tuple(self._fills), []
        return taken

    def take_cause(self) -> Cause:
        """The newest market frame, if no cycle has reacted to it yet."""
        taken, self._cause = self._cause, NO_CAUSE
        return taken


def _differs(a: Permission, b: Permission) -> bool:
    """Whether anything but the time changed, or less time is left."""
    renewed = replace(a, received_ns=b.received_ns, valid_until_ms=b.valid_until_ms)
    return renewed != b or a.valid_until_ms > b.valid_until_ms
