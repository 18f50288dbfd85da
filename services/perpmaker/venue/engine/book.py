"""One market's resting orders in price-time priority.

Better price first; at one price, first come first served. An order keeps its place until it is filled or
removed; shrinking it does not lose the place.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from perpmaker.venue.engine.orders import Order


@dataclass(slots=True)
class Level:
    """Orders at one price in order of arrival, and their total size."""

    px_e8: int
    sz_e8: int = 0
    queue: dict[int, Order] = field(default_factory=dict)


def _passed_by(level: Level, order: Order, after_ms: int) -> list[Order]:
    """The end of the queue that a paying order goes ahead of, in its present order."""
    tail: list[Order] = []
    for queued in reversed(level.queue.values()):
        if queued.rested_ms <= after_ms or queued.priority_e8 >= order.priority_e8:
            break
        tail.append(queued)
    return tail[::-1]


class BookSide:
    """One side of a book, best price first."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, *, is_buy: bool) -> None:
        self._sign = -1 if is_buy else 1
        self._keys: list[int] = []
        self._levels: dict[int, Level] = {}

    def __iter__(self) -> Iterator[Level]:
        return (self._levels[key] for key in self._keys)

    def best(self) -> Level | None:
        return self._levels[self._keys[0]] if self._keys else None

    def level(self, px_e8: int) -> Level | None:
        """Who queues at a price."""
        return self._levels.get(self._sign * px_e8)

    def add(self, order: Order, *, jumps_after_ms: int = 0) -> None:
        """Queue an order at its price. One that pays goes ahead of cheaper ones that joined after the time given."""
        key = self._sign * order.px_e8
        if (level := self._levels.get(key)) is None:
            level = self._levels[key] = Level(order.px_e8)
            insort(self._keys, key)
        passed = _passed_by(level, order, jumps_after_ms) if order.priority_e8 else []
        for later in passed:
            del level.queue[later.oid]
        level.queue[order.oid] = order
        for later in passed:
            level.queue[later.oid] = later
        level.sz_e8 += order.sz_e8

    def remove(self, order: Order) -> None:
        key = self._sign * order.px_e8
        level = self._levels[key]
        del level.queue[order.oid]
        level.sz_e8 -= order.sz_e8
        if not level.queue:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]

    def shrink(self, order: Order, by_e8: int) -> None:
        """Take size off a resting order that keeps some; it stays where it is in the queue."""
        order.sz_e8 -= by_e8
        self._levels[self._sign * order.px_e8].sz_e8 -= by_e8

    def reaches(self, limit_px_e8: int) -> bool:
        """Whether an incoming order limited at this price would meet the best order of this side."""
        return bool(self._keys) and self._keys[0] <= self._sign * limit_px_e8


class Book:
    """Both sides of one market."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(is_buy=True)
        self.asks = BookSide(is_buy=False)

    def side(self, is_buy: bool) -> BookSide:
        return self.bids if is_buy else self.asks

    def against(self, is_buy: bool) -> BookSide:
        """The side an incoming order trades with."""
        return self.asks if is_buy else self.bids

    def best_bid(self) -> int | None:
        return level.px_e8 if (level := self.bids.best()) else None

    def best_ask(self) -> int | None:
        return level.px_e8 if (level := self.asks.best()) else None

    def mid_e8(self) -> int | None:
        """Half way between the best prices, or None when a side is empty."""
        bid, ask = self.best_bid(), self.best_ask()
        return None if bid is None or ask is None else (bid + ask) // 2

    def impact_px(self, is_buy: bool, notional_e8: int) -> int | None:
        """Average price of a taker spending this notional, or None when the side is too thin."""
        left, paid, bought = notional_e8, 0, 0
        for level in self.against(is_buy):
            value = level.px_e8 * level.sz_e8 // 10**8
            take = min(left, value)
            paid += take
            bought += take * 10**8 // level.px_e8
            left -= take
            if not left:
                return paid * 10**8 // bought
        return None
