"""What order-state holds in memory: per market the orders, the newest session, pauses and holds; the ledger for all.

A market that was ever seen stays known: its ledger goes on with every fill, and its session epochs never repeat. The
markets whose orders are looked after are those configured, and any other for as long as an order of it is not over.

Nothing here is changed but by installing a batch that is durable (or queued for a store that is down), and by the
shell's own condition (holds, drift).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from perpmaker.common import cloid as cloids
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.order_state.core.audit import Mismatch, Snapshot
from perpmaker.order_state.core.backoff import Backoff
from perpmaker.order_state.core.exposure import Exposure, exposure_of
from perpmaker.order_state.core.ledger import Ledger, Position
from perpmaker.order_state.core.orders import TrackedOrder

HELD_STARTING = "starting"
HELD_GAP = "gap"
HELD_STORE = "store"
HELD_GATEWAY = "gateway"
HELD_DRAIN = "drain"
HELD_DRIFT = "drift"
HELD_STOPPING = "stopping"
HELD_OPENING = "opening"
"""The market's rules or the beginning of its ledger are not known yet."""
HELD_REMOVED = "removed"
"""The market is not configured any more."""


@dataclass(slots=True)
class Drift:
    """Difference between the exchange's position and the ledger's, and since when (local ms; 0: none)."""

    amount_e8: int = 0
    since_ms: int = 0


@dataclass(slots=True)
class Book:
    """One market."""

    market: str
    tag: int
    epoch: int = 0
    orders: dict[str, TrackedOrder] = field(default_factory=dict)
    """Orders that are not over, and those that were until a short while ago."""
    by_oid: dict[int, str] = field(default_factory=dict)
    rules: InstrumentRules | None = None
    buys: Backoff = field(default_factory=Backoff)
    sells: Backoff = field(default_factory=Backoff)
    drift: Drift = field(default_factory=Drift)
    holds: set[str] = field(default_factory=lambda: {HELD_OPENING})
    mismatches: set[tuple[Mismatch, str]] = field(default_factory=set)
    """Differences to the exchange's book that last."""

    def exposure(self, now_ms: int) -> Exposure:
        """What the orders can still do."""
        return exposure_of(self.orders.values(), now_ms)

    def live(self) -> Iterable[TrackedOrder]:
        """Orders that are not over."""
        return [order for order in self.orders.values() if not order.is_terminal]

    @property
    def is_settled(self) -> bool:
        """Whether nothing more can come of its orders: all are over, and no execution is awaited."""
        return all(order.is_terminal and not order.expected_fill_e8 for order in self.orders.values())

    @property
    def lot_e8(self) -> int:
        """Smallest size step; one unit while the rules are not known."""
        return self.rules.lot_e8 if self.rules is not None else 1


class Truth:
    """One account."""

    def __init__(self, account: str, markets: Iterable[str], left_alone: Iterable[str] = ()) -> None:
        self.account = account
        self.configured: tuple[str, ...] = ()
        self.left_alone = frozenset(left_alone)
        """Markets whose orders the trader wants left in the book, whoever has gone."""
        self.known: dict[str, Book] = {}
        """Every market ever seen."""
        self.books: Mapping[str, Book] = {}
        """Markets whose orders are looked after; replaced as a whole, so that a loop over it may wait."""
        self.tags: dict[int, str] = {}
        self.ledger = Ledger()
        self.holds: set[str] = {HELD_STARTING, HELD_GATEWAY, HELD_GAP}
        self.totals: dict[str, int] = {}
        self.highest_nonce = 0
        self.newest_book: Snapshot | None = None
        """Newest list of open orders of the account, pushed or asked for."""
        self.fills_read_as_of_ms = 0
        """Exchange time up to which all fills were read by question."""
        self.serve(markets)

    def serve(self, markets: Iterable[str]) -> None:
        """Look after these markets, and after any other whose orders are not over."""
        self.configured = tuple(markets)
        wanted = {market: self.know(market) for market in self.configured}
        self.books = wanted | {market: book for market, book in self.known.items() if not book.is_settled}

    def know(self, market: str) -> Book:
        """A market's book, a new one when it was never seen."""
        book = self.known.get(market)
        if book is None:
            book = self.known[market] = Book(market, cloids.market_tag(self.account, market))
            self.tags[book.tag] = market
        return book

    def find(self, cloid: str) -> TrackedOrder | None:
        """An order by its client id."""
        for book in self.known.values():
            order = book.orders.get(cloid)
            if order is not None:
                return order
        return None

    def find_by_oid(self, market: str, oid: int) -> TrackedOrder | None:
        """An order by the exchange's id."""
        book = self.known.get(market)
        return None if book is None else book.orders.get(book.by_oid.get(oid, ""))

    def position(self, market: str) -> Position:
        """Totals of a market."""
        return self.ledger.position(market)

    def hold_reasons(self, market: str) -> tuple[str, ...]:
        """Why new orders of a market are held back; empty when they are not."""
        return tuple(sorted(self.holds | self.known[market].holds))

    def total(self, market: str, what: str) -> int:
        """A counter of a market since its ledger began."""
        return self.totals.get(total_name(market, what), 0)

    def put(self, order: TrackedOrder) -> None:
        """Hold an order in its newest version."""
        book = self.known[order.market]
        book.orders[order.cloid] = order
        if order.oid:
            book.by_oid[order.oid] = order.cloid

    def drop(self, order: TrackedOrder) -> None:
        """Forget an order that is over and archived."""
        book = self.known[order.market]
        book.orders.pop(order.cloid, None)
        if book.by_oid.get(order.oid) == order.cloid:
            del book.by_oid[order.oid]


def total_name(market: str, what: str) -> str:
    """Name of a counter in the store."""
    return f"{market}|{what}"
