"""What one holds who believes the gateway and nobody else, and forgets nothing without evidence.

Intent comes first: an order counts in full from before it is sent. It stops counting when the exchange is said to have
refused it, ended it or never seen it; what it is said to have executed counts until trade ids account for it. Only
trade ids move the position.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from perpmaker.hyperliquid.statuses import StatusMeaning, meaning_of
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@dataclass(slots=True)
class Leg:
    """One order at the exchange, or one that may be there. Sizes in 1e-8."""

    cloid: str
    market: str
    is_buy: bool
    sz_e8: int
    reduce_only: bool = False
    oid: int = 0
    filled_e8: int = 0
    executed_e8: int | None = None
    """What it executed in all, once it is known to be over."""

    @property
    def is_over(self) -> bool:
        return self.executed_e8 is not None

    @property
    def possible_e8(self) -> int:
        """Size that may still reach the position."""
        total = self.sz_e8 if self.executed_e8 is None else self.executed_e8
        return max(0, total - self.filled_e8)

    def end(self, executed_e8: int) -> None:
        self.executed_e8 = max(executed_e8, self.executed_e8 or 0)


@dataclass(slots=True)
class Belief:
    """Orders and positions as the gateway's messages tell them."""

    legs: list[Leg] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    newest_book: pb.OpenOrders = field(default_factory=pb.OpenOrders)
    in_gap: bool = False
    _tids: set[tuple[int, int]] = field(default_factory=set)
    _known_at_gap: list[Leg] = field(default_factory=list)

    def intend(self, market: str, order: pb.PlaceOrder) -> None:
        """An order is about to be sent."""
        is_buy = order.side == common.SIDE_BUY
        self.legs.append(Leg(order.cloid, market, is_buy, order.sz_e8, order.reduce_only))

    def proven_dead(self, cloid: str) -> None:
        """An order has been proven never to have lived."""
        for leg in self._unseen(cloid):
            leg.end(0)

    def worst_case(self, market: str) -> tuple[int, int]:
        """Largest long and largest short position that may come of it."""
        legs = [leg for leg in self.legs if leg.market == market]
        position = self.positions.get(market, 0)
        buys = sum(leg.possible_e8 for leg in legs if leg.is_buy)
        sells = sum(leg.possible_e8 for leg in legs if not leg.is_buy)
        return max(0, position + buys), max(0, sells - position)

    def open_oids(self) -> dict[int, int]:
        """What is left of every order not known to be over."""
        return {leg.oid: leg.possible_e8 for leg in self.legs if not leg.is_over}

    def executed(self, told: pb.ExecuteResponse) -> None:
        """Hear an answer to a plan."""
        if told.HasField("outcomes") and told.outcomes.action != pb.ACTION_KIND_CANCEL:
            for outcome in told.outcomes.items:
                self._outcome(outcome)

    def happened(self, told: pb.AccountServiceSubscribeResponse) -> None:
        """Hear an event of the account."""
        match told.WhichOneof("event"):
            case "gap_opened":
                self.in_gap = True
                self._known_at_gap = [leg for leg in self.legs if leg.oid and not leg.is_over]
            case "order_update":
                self._update(told.trace.market, told.order_update)
            case "fill":
                self._fill(told.fill)
            case "open_orders":
                self._book(told.open_orders)
            case "gap_closed":
                self._close_gap()
            case _:
                pass

    def _outcome(self, outcome: pb.Outcome) -> None:
        match outcome.WhichOneof("result"):
            case "rejected" | "not_sent":
                self.proven_dead(outcome.cloid)
            case "resting":
                self._seen(outcome.cloid, outcome.resting.oid)
            case "filled":
                self._seen(outcome.cloid, outcome.filled.oid)
            case _:
                pass

    def _update(self, market: str, update: pb.OrderUpdate) -> None:
        leg = self._seen(update.cloid, update.oid)
        if leg is None:
            is_buy = update.side == common.SIDE_BUY
            leg = Leg(update.cloid, market, is_buy, update.orig_sz_e8, oid=update.oid)
            self.legs.append(leg)
        match meaning_of(update.status):
            case StatusMeaning.REJECTED:
                leg.end(0)
            case StatusMeaning.FILLED | StatusMeaning.CANCELLED:
                # A reduce-only order is also cut without executing, so what is left of it tells nothing.
                leg.end(leg.filled_e8 if leg.reduce_only else update.orig_sz_e8 - update.remaining_e8)
            case _:
                pass

    def _fill(self, fill: common.Fill) -> None:
        if (fill.tid, fill.oid) in self._tids:
            return
        self._tids.add((fill.tid, fill.oid))
        signed_e8 = fill.sz_e8 if fill.side == common.SIDE_BUY else -fill.sz_e8
        self.positions[fill.market] = self.positions.get(fill.market, 0) + signed_e8
        leg = self._seen(fill.cloid, fill.oid)
        if leg is not None:
            leg.filled_e8 += fill.sz_e8

    def _book(self, book: pb.OpenOrders) -> None:
        self.newest_book = book
        for order in book.orders:
            leg = self._seen(order.cloid, order.oid)
            if leg is not None and leg.reduce_only and not leg.is_over:
                leg.sz_e8 = min(leg.sz_e8, leg.filled_e8 + order.remaining_e8)

    def _close_gap(self) -> None:
        """Orders that were in the book before the gap and are not now are over: fills were read after the book."""
        self.in_gap = False
        there = {order.oid for order in self.newest_book.orders}
        for leg in self._known_at_gap:
            if leg.oid not in there and not leg.is_over:
                leg.end(leg.filled_e8)

    def _unseen(self, cloid: str) -> Iterator[Leg]:
        return (leg for leg in self.legs if leg.cloid == cloid and not leg.oid)

    def _seen(self, cloid: str, oid: int) -> Leg | None:
        """The leg with an order id, or the one of the client id that has none yet."""
        leg = next((leg for leg in self.legs if oid and leg.oid == oid), None)
        if leg is None and cloid:
            leg = next(self._unseen(cloid), None)
            if leg is not None:
                leg.oid = oid
        return leg
