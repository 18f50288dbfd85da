"""The quoter's nouns: what it sees (book, orders, permission) and what it wants (target levels).

Values only, immutable, without I/O. Prices, sizes and amounts are exact integers scaled by 1e8; `_ns` is this
process's monotonic clock, `_ms` wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from perpmaker.hyperliquid.rules import InstrumentRules


class Side(IntEnum):
    """Side of an order; the numbers are those of the wire."""

    BUY = 1
    SELL = 2

    @property
    def sign(self) -> int:
        """What a fill does to the position: +1 or -1."""
        return 1 if self is Side.BUY else -1


SIDES = (Side.BUY, Side.SELL)


class LiveState(Enum):
    """What may be done about a non-terminal order."""

    WORKING = "working"
    """In the book: may be cancelled or replaced."""
    PENDING = "pending"
    """Sent, not answered."""
    CANCELLING = "cancelling"
    """Cancel sent, not answered; may still fill."""
    UNKNOWN = "unknown"
    """Outcome not known; may be in the book."""


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """A non-terminal order of this market, of any session."""

    cloid: str
    side: Side
    level: int
    px_e8: int
    remaining_e8: int
    state: LiveState
    immediate: bool = False
    """Executes at once or not at all: it never rests."""


@dataclass(frozen=True, slots=True)
class TargetLevel:
    """One order that should be in the book."""

    side: Side
    level: int
    px_e8: int
    sz_e8: int
    reduce_only: bool = False
    immediate: bool = False
    """Immediate-or-cancel instead of post-only."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the exchange says of the market itself."""

    rules: InstrumentRules
    delisted: bool = False
    """It is traded no longer."""


PriceLevel = tuple[int, int]
"""Price and total size."""


@dataclass(frozen=True, slots=True)
class BookView:
    """The newest book, best first, our own orders included."""

    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]
    exchange_time_ms: int
    received_ns: int

    @property
    def touch_e8(self) -> tuple[int, int] | None:
        """Best bid and best ask; None while a side is empty."""
        return (self.bids[0][0], self.asks[0][0]) if self.bids and self.asks else None


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade of the market, used for the distance at which takers trade."""

    px_e8: int
    sz_e8: int


@dataclass(frozen=True, slots=True)
class OwnFill:
    """An execution of ours, as far as the burst guard cares."""

    side: Side
    received_ns: int


@dataclass(frozen=True, slots=True)
class Permission:
    """What risk allows until `valid_until_ms`, and at most two seconds from receipt."""

    min_position_e8: int
    max_position_e8: int
    valid_until_ms: int
    received_ns: int
    reduce_only: bool = False
    spread_factor_ppm: int = 1_000_000
    size_factor_ppm: int = 1_000_000
    bid_size_factor_ppm: int = 1_000_000
    ask_size_factor_ppm: int = 1_000_000
    killed: bool = False
    closed: bool = False
