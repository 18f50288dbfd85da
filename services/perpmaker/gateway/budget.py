"""Request budgets: what may still be sent without the exchange refusing, with a part only cancels may use.

Guarantees: a cancel is never refused here; nothing else ever touches the cancels' reserve. All state is explicit and
time is passed in. Source: Hyperliquid docs, "Rate limits and user limits" (1200 weight and 2000 socket messages a
minute per IP, 100 posts in flight, one action per address for each unit of quote traded beyond the first 10,000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

IP_WEIGHT_PER_MINUTE = 1200
SOCKET_MESSAGES_PER_MINUTE = 2000
POSTS_IN_FLIGHT = 100
CONNECTS_PER_MINUTE = 30
INITIAL_ADDRESS_ACTIONS = 10_000

_ADDRESS_HEADROOM = 100
"""Non-cancels stop at one part in this many below the address limit; cancels have the exchange's own extra limit."""

Shortage = Literal["address", "own_ceiling", "in_flight", "messages"]


class TokenBucket:
    """A quantity that refills steadily up to a capacity, the lowest part of it reserved for the privileged."""

    __slots__ = ("_at_s", "_level", "_per_s", "capacity", "reserve")

    def __init__(self, capacity: float, per_s: float, reserve: float, now_s: float) -> None:
        self.capacity = capacity
        self.reserve = reserve
        self._per_s = per_s
        self._level = capacity
        self._at_s = now_s

    def resize(self, capacity: float, per_s: float, reserve: float, now_s: float) -> None:
        """Change its size from now on; what was used stays used."""
        self._level = min(capacity, self.level(now_s) + capacity - self.capacity)
        self.capacity = capacity
        self.reserve = reserve
        self._per_s = per_s

    def level(self, now_s: float) -> float:
        """What is left, the reserve included; negative while the privileged have overdrawn it."""
        self._level = min(self.capacity, self._level + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = max(self._at_s, now_s)
        return self._level

    def admits(self, amount: float, now_s: float) -> bool:
        """Whether the unprivileged may take this much."""
        return self.level(now_s) - amount >= self.reserve

    def take(self, amount: float, now_s: float) -> bool:
        """Take this much for the unprivileged, all or nothing."""
        if not self.admits(amount, now_s):
            return False
        self._level -= amount
        return True

    def take_privileged(self, amount: float, now_s: float) -> None:
        """Take this much whatever is left; the debt is bounded by one capacity."""
        self._level = max(self.level(now_s) - amount, -self.capacity)

    def reserve_s(self, amount: float, now_s: float) -> float:
        """Take this much now and return how long to wait before using it; callers queue up behind each other."""
        self.take_privileged(amount, now_s)
        return max(0.0, -self._level) / self._per_s

    def give_back(self, amount: float) -> None:
        """Return what was taken in advance and not used."""
        self._level = min(self.capacity, self._level + amount)

    def wait_s(self, amount: float, now_s: float) -> float:
        """How long until the unprivileged may take this much; infinite when never."""
        if amount > self.capacity - self.reserve:
            return math.inf
        return max(0.0, (amount + self.reserve - self.level(now_s)) / self._per_s)


class AddressBudget:
    """Lifetime actions of the account: the exchange's figures, advanced by what was sent since they were read."""

    __slots__ = ("_cap", "_used")

    def __init__(self) -> None:
        self._cap = INITIAL_ADDRESS_ACTIONS
        self._used = 0

    def observe(self, cap: int, used: int) -> None:
        """Take over what `userRateLimit` says."""
        self._cap = cap
        self._used = used

    def spend(self, items: int) -> None:
        """Count items sent."""
        self._used += items

    @property
    def left(self) -> int:
        """Actions left before the exchange slows the account down."""
        return self._cap - self._used

    def admits(self, items: int) -> bool:
        """Whether this many items that are no cancels may be sent."""
        return self.left - items >= self._cap // _ADDRESS_HEADROOM


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """Own ceiling and the cancels' share."""

    max_actions_per_minute: int
    reserved_for_cancels_percent: int


class Budgets:
    """Every budget of one gateway."""

    def __init__(self, settings: BudgetSettings, now_s: float) -> None:
        share = settings.reserved_for_cancels_percent / 100
        ceiling = settings.max_actions_per_minute
        self.address = AddressBudget()
        self.ip_weight = TokenBucket(
            IP_WEIGHT_PER_MINUTE, IP_WEIGHT_PER_MINUTE / 60, IP_WEIGHT_PER_MINUTE * share, now_s
        )
        self.messages = TokenBucket(
            SOCKET_MESSAGES_PER_MINUTE, SOCKET_MESSAGES_PER_MINUTE / 60, SOCKET_MESSAGES_PER_MINUTE * share, now_s
        )
        # Half as burst and half as refill, so that no minute whatsoever sees more than the limit.
        self.connects = TokenBucket(CONNECTS_PER_MINUTE / 2, CONNECTS_PER_MINUTE / 120, 0, now_s)
        self._own = TokenBucket(ceiling, ceiling / 60, 0, now_s)
        self._flight_limit = _flight_limit(share)

    def apply(self, settings: BudgetSettings, now_s: float) -> None:
        """Work by other settings from now on; what was used stays used."""
        share = settings.reserved_for_cancels_percent / 100
        ceiling = settings.max_actions_per_minute
        for bucket, per_minute in ((self.ip_weight, IP_WEIGHT_PER_MINUTE), (self.messages, SOCKET_MESSAGES_PER_MINUTE)):
            bucket.resize(per_minute, per_minute / 60, per_minute * share, now_s)
        self._own.resize(ceiling, ceiling / 60, 0, now_s)
        self._flight_limit = _flight_limit(share)

    def admit_orders(self, items: int, in_flight: int, now_s: float) -> Shortage | None:
        """Take what one action of this many placements or modifies costs, or name the budget that forbids it."""
        if in_flight >= self._flight_limit:
            return "in_flight"
        if not self.address.admits(items):
            return "address"
        if not self.messages.admits(1, now_s):
            return "messages"
        if not self._own.take(items, now_s):
            return "own_ceiling"
        self.messages.take(1, now_s)
        self.address.spend(items)
        return None

    def record_cancels(self, items: int, now_s: float) -> None:
        """Count one action of this many cancels; there is nothing to refuse."""
        self.messages.take_privileged(1, now_s)
        self.address.spend(items)

    def share_used(self, now_s: float) -> float:
        """How full the fullest of the per-minute budgets is, the cancels' reserve included: 0 for unused, 1 for spent.

        The address budget is no part of it: it is a balance over the account's life, not a rate.
        """
        return max(
            1 - max(0.0, bucket.level(now_s)) / bucket.capacity for bucket in (self.ip_weight, self.messages, self._own)
        )

    def ip_weight_used(self, now_s: float) -> int:
        """Weight used and not yet refilled."""
        return round(IP_WEIGHT_PER_MINUTE - self.ip_weight.level(now_s))


def _flight_limit(share: float) -> int:
    return POSTS_IN_FLIGHT - math.ceil(POSTS_IN_FLIGHT * share)


def exchange_weight(items: int) -> int:
    """IP weight of one REST action."""
    return 1 + items // 40


_INFO_WEIGHT = {
    "l2Book": 2,
    "allMids": 2,
    "clearinghouseState": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}


_FULL_PAGE_ITEMS = {"userFillsByTime": 2000, "userFills": 2000, "historicalOrders": 2000}
_ITEMS_PER_WEIGHT = 20


def info_weight(kind: str, items: int | None = None) -> int:
    """IP weight of one info request that returned this many items; of a full page while the number is not known."""
    page = _FULL_PAGE_ITEMS.get(kind, 0)
    counted = min(page, page if items is None else items)
    return _INFO_WEIGHT.get(kind, 20) + counted // _ITEMS_PER_WEIGHT
