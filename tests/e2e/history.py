"""What the exchange remembers of an account's orders, held against what must never have been so.

Asked afterwards, it misses nothing between two looks: every order the exchange ever took is there, with its lifetime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from perpmaker.common.cloid import Cloid, decode, market_tag

REPLACED_MS: Final = 5_000
"""For so long an order may rest beside those that replace it: until the exchange has said what became of it."""


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


def complaints(history: Sequence[Life], account: str, levels: int) -> list[str]:
    """What one writer for each market can never have done: empty unless two wrote, or an old one wrote late.

    A session takes over the orders of the one before and keeps those that stand where it wants them, so orders of two
    sessions may rest together; more of them than the `levels` of a ladder may not, on either side.
    """
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
        for is_buy in (True, False):
            side = [life for life in orders if life.cloid is not None and life.cloid.is_buy is is_buy]
            found += [
                f"{market}: for {crowded_ms} ms session {epoch} had a ladder on a side beside orders of older ones"
                for epoch, crowded_ms in _crowded_ms(side, levels).items()
                if crowded_ms > REPLACED_MS
            ]
    return found


def _crowded_ms(side: Sequence[Life], levels: int) -> dict[int, int]:
    """By session, how long more orders than a ladder has rested on a side, some of them of older sessions."""
    changes = sorted(
        [(life.placed_ms, 1, life.epoch) for life in side]
        + [(life.ended_ms, -1, life.epoch) for life in side if life.ended_ms is not None]
    )
    resting: Counter[int] = Counter()
    crowded_ms: Counter[int] = Counter()
    for (at_ms, change, epoch), (next_ms, _, _) in pairwise(changes):
        resting[epoch] += change
        sessions = +resting
        if len(sessions) > 1 and sessions.total() > levels:
            crowded_ms[max(sessions)] += next_ms - at_ms
    return crowded_ms
