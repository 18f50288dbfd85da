"""Who may place orders: the newest session of a market, while the market and the account are armed and the gateway is
not about to end.

Cancels are no concern of this file: they go from any session, armed or not. A gateway starts armed, since its caller
shows a permission's expiry with every plan, and knows no epoch until the first plan of a market.
"""

from __future__ import annotations

from typing import Literal

Refusal = Literal[
    "fenced",
    "disarmed",
    "permission_expired",
    "clock",
    "unknown_market",
    "budget",
    "invalid",
    "price_band",
    "notional",
    "not_connected",
    "stopping",
]
"""Why placements of a plan were not sent: the words of the contract."""

MAX_CLOCK_OFFSET_MS = 1_000
"""From this offset to the exchange on, no new orders."""


class Fence:
    """Newest epoch per market and what has been disarmed."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}
        self._disarmed: dict[str, str] = {}
        self.is_closed = False

    def observe(self, market: str, epoch: int) -> None:
        """Learn of a session; older ones of the market are fenced from now on."""
        self._epochs[market] = max(epoch, self._epochs.get(market, 0))

    def is_fenced(self, market: str, epoch: int) -> bool:
        """Whether a newer session of the market has been seen."""
        return epoch < self._epochs.get(market, 0)

    def disarm(self, market: str, reason: str) -> None:
        """Refuse placements of a market, or of all when it is empty."""
        self._disarmed[market] = reason

    def arm(self, market: str) -> None:
        """Undo a disarm of the same scope: arming the account leaves a disarmed market disarmed."""
        self._disarmed.pop(market, None)

    def close(self) -> None:
        """Refuse every placement from now on, whatever is armed later."""
        self.is_closed = True

    def is_disarmed(self, market: str) -> bool:
        """Whether the market or the account is disarmed."""
        return market in self._disarmed or "" in self._disarmed


def refusal(
    fence: Fence,
    market: str,
    epoch: int,
    *,
    not_after_ms: int,
    now_ms: int,
    clock_offset_ms: int,
    is_clock_doubted: bool = False,
) -> Refusal | None:
    """Why placements and modifies of a plan may not be signed now, or None."""
    if fence.is_closed:
        return "stopping"
    if fence.is_fenced(market, epoch):
        return "fenced"
    if fence.is_disarmed(market):
        return "disarmed"
    if not_after_ms and now_ms > not_after_ms:
        return "permission_expired"
    if is_clock_doubted or abs(clock_offset_ms) >= MAX_CLOCK_OFFSET_MS:
        return "clock"
    return None


def expiry_ms(*, now_ms: int, not_after_ms: int, clock_offset_ms: int, expires_in_ms: int) -> int:
    """`expiresAfter` of an action signed now, in exchange time.

    Counted from signing, and from no later than the end of its permission (`not_after_ms`, 0 for none), however long
    the action waited since it was admitted: order-state takes it for proof that after that no placement can land.
    """
    signed_ms = min(now_ms, not_after_ms) if not_after_ms else now_ms
    return signed_ms + clock_offset_ms + expires_in_ms
