"""What the exchange remembers of an account's orders, held against what must never have been so.

Asked afterwards, it misses nothing between two looks: every order the exchange ever took is there, with its lifetime.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from perpmaker.common.cloid import Cloid, decode, market_tag


@dataclass(frozen=True, slots=True)
class Life:
    """One order from its acceptance to its end."""

    market: str
    oid: int
    cloid: Cloid | None
    placed_ms: int
    ended_ms: int | None
    """None while it rests."""
    status: str = "open"
    """What the exchange says became of it."""

    @property
    def epoch(self) -> int:
        """Session that placed it; 0 for an order that is none of ours."""
        return self.cloid.epoch if self.cloid is not None else 0


def lives(records: Iterable[dict[str, Any]]) -> list[Life]:
    """The answer of `historicalOrders`, oldest first."""
    found = []
    for record in records:
        order, rests = record["order"], record["status"] == "open"
        found.append(
            Life(
                market=order["coin"],
                oid=order["oid"],
                cloid=decode(order["cloid"] or ""),
                placed_ms=order["timestamp"],
                ended_ms=None if rests else record["statusTimestamp"],
                status=record["status"],
            )
        )
    return sorted(found, key=lambda life: life.oid)


def complaints(history: Sequence[Life], account: str) -> list[str]:
    """What one writer for each market can never have done: empty unless two wrote, or an old one wrote late."""
    found = []
    for market in sorted({life.market for life in history}):
        orders = [life for life in history if life.market == market]
        tag = market_tag(account, market)
        found += [f"{life} is not ours" for life in orders if life.cloid is None or life.cloid.tag != tag]
        found += [
            f"{later} came from an older session than {earlier}"
            for earlier, later in pairwise(orders)
            if later.epoch < earlier.epoch
        ]
        for epoch in sorted({life.epoch for life in orders})[1:]:
            began_ms = min(life.placed_ms for life in orders if life.epoch == epoch)
            found += [
                f"{life} rested when session {epoch} placed its first order at {began_ms}"
                for life in orders
                if life.epoch < epoch and (life.ended_ms is None or life.ended_ms > began_ms)
            ]
    return found
