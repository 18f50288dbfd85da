"""Request budgets: what may still be sent without the exchange refusing, with a part only cancels may use.

Guarantees: a cancel is never refused here; nothing else ever touches the cancels' reserve. All state is explicit and
time is passed in. Source: Hyperliquid docs, "Rate limits and user limits" (1200 weight and 2000 socket messages a
minute per IP, 100 posts in flight, one action per address for each unit of quote traded beyond the first 10,000).
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

IP_WEIGHT_PER_MINUTE = 1200
SOCKET_MESSAGES_PER_MINUTE = 2000
POSTS_IN_FLIGHT = 100
CONNECTS_PER_MINUTE = 30
INITIAL_ADDRESS_ACTIONS = 10_000

EXPIRED_COST = 5
"""Actions that an action costs which the exchange refuses as expired."""

FORECAST_WINDOW_S = 3600.0

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

    def admits(self, amount: float, now_s: float, floor: float | None = None) -> bool:
        """Whether the unprivileged may take this much, leaving the reserve or another floor."""
        return self.level(now_s) - amount >= (self.reserve if floor is None else floor)

    def take(self, amount: float, now_s: float, floor: float | None = None) -> bool:
        """Take this much for the unprivileged, all or nothing."""
        if not self.admits(amount, now_s, floor):
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

    __slots__ = ("_cap", "_history", "_used")

    def __init__(self) -> None:
        self._cap = INITIAL_ADDRESS_ACTIONS
        self._used = 0
        self._history: deque[tuple[float, int]] = deque()

    def observe(self, cap: int, used: int, now_s: float | None = None) -> None:
        """Take over what `userRateLimit` says; with a time it counts for the forecast."""
        self._cap = cap
        self._used = used
        if now_s is not None:
            self._history.append((now_s, self.left))
            while self._history[0][0] < now_s - FORECAST_WINDOW_S:
                self._history.popleft()

    def spend(self, items: int) -> None:
        """Count items sent."""
        self._used += items

    @property
    def left(self) -> int:
        """Actions left before the exchange slows the account down."""
        return self._cap - self._used

    @property
    def hours_left(self) -> float:
        """How long the actions left last, going on as in the last hour; infinite when they do not shrink.

        Volume traded gives actions back, so only the figures of the exchange tell.
        """
        if len(self._history) < 2:
            return math.inf
        (since_s, before), (until_s, after) = self._history[0], self._history[-1]
        spent, hours = before - after, (until_s - since_s) / 3600
        return max(0, self.left) * hours / spent if spent > 0 else math.inf

    def admits(self, items: int, headroom: int = _ADDRESS_HEADROOM) -> bool:
        """Whether this many items that are no cancels may be sent, one part in `headroom` of the limit left."""
        return self.left - items >= self._cap // headroom


class Priority(enum.Enum):
    """What an order is for; what comes first here is refused last. Cancels come before all and are never refused."""

    REDUCE_ONLY = enum.auto()
    REQUOTE = enum.auto()
    """Another price for what is quoted."""
    ADD_LEVEL = enum.auto()
    """More than is quoted."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What orders of a priority leave to those before them."""

    reserve_share: float
    """Part of the cancels' reserve."""
    headroom_share: float
    """Part of a whole budget, beyond that."""
    own_one_in: int
    """One part in this many of the own ceiling."""
    address_one_in: int
    """One part in this many of the address limit."""


_KEPT: Mapping[Priority, _Kept] = {
    Priority.REDUCE_ONLY: _Kept(0.5, 0.0, 1_000_000, 2 * _ADDRESS_HEADROOM),
    Priority.REQUOTE: _Kept(1.0, 0.0, 40, _ADDRESS_HEADROOM),
    Priority.ADD_LEVEL: _Kept(1.0, 0.1, 10, _ADDRESS_HEADROOM // 2),
}


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
        self._share = share

    def apply(self, settings: BudgetSettings, now_s: float) -> None:
        """Work by other settings from now on; what was used stays used."""
        share = settings.reserved_for_cancels_percent / 100
        ceiling = settings.max_actions_per_minute
        for bucket, per_minute in ((self.ip_weight, IP_WEIGHT_PER_MINUTE), (self.messages, SOCKET_MESSAGES_PER_MINUTE)):
            bucket.resize(per_minute, per_minute / 60, per_minute * share, now_s)
        self._own.resize(ceiling, ceiling / 60, 0, now_s)
        self._share = share

    def admit_orders(
        self, items: int, in_flight: int, now_s: float, priority: Priority = Priority.REQUOTE
    ) -> Shortage | None:
        """Take what one action of this many placements or modifies costs, or name the budget that forbids it."""
        kept = _KEPT[priority]
        if in_flight >= _flight_limit(self._share * kept.reserve_share + kept.headroom_share):
            return "in_flight"
        if not self.address.admits(items, kept.address_one_in):
            return "address"
        floor = self.messages.reserve * kept.reserve_share + self.messages.capacity * kept.headroom_share
        if not self.messages.admits(1, now_s, floor):
            return "messages"
        if not self._own.take(items, now_s, self._own.capacity // kept.own_one_in):
            return "own_ceiling"
        self.messages.take(1, now_s, floor)
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

    def shares_used(self, in_flight: int, now_s: float) -> dict[str, float]:
        """How full each budget is, by its name: 0 for unused, 1 for spent."""
        buckets = {"ip_weight": self.ip_weight, "messages": self.messages, "own_ceiling": self._own}
        shares = {name: 1 - max(0.0, bucket.level(now_s)) / bucket.capacity for name, bucket in buckets.items()}
        return shares | {"in_flight": in_flight / POSTS_IN_FLIGHT}

    def ip_weight_used(self, now_s: float) -> int:
        """Weight used and not yet refilled."""
        return round(IP_WEIGHT_PER_MINUTE - self.ip_weight.level(now_s))


def _flight_limit(share: float) -> int:
    """Posts in flight at which those who leave this share to others stop."""
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
