"""What live orders can still do to a position.

`active` is the book as a trader sees it. `max_possible` is what the gate works with: every order that may still fill
counts with all of it that may, UNKNOWN and cancelling ones, both legs of an unresolved modify, and executions that were
announced but not yet confirmed by a trade id.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perpmaker.common.decimals import mul_e8
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import ACTIVE, State


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Exposure of one market; sizes in 1e-8 base units, notionals in 1e-8 quote units."""

    active_bid_e8: int = 0
    active_ask_e8: int = 0
    max_possible_bid_e8: int = 0
    max_possible_ask_e8: int = 0
    open_orders: int = 0
    unknown_orders: int = 0
    oldest_unknown_since_ms: int = 0
    bid_notional_e8: int = 0
    ask_notional_e8: int = 0

    @property
    def net_pending_e8(self) -> int:
        """Change of position if every active order fills."""
        return self.active_bid_e8 - self.active_ask_e8

    def worst_case(self, position_e8: int) -> tuple[int, int]:
        """Lowest and highest position that can result from orders alive now."""
        return position_e8 - self.max_possible_ask_e8, position_e8 + self.max_possible_bid_e8


def exposure_of(orders: Iterable[TrackedOrder], now_ms: int) -> Exposure:
    """Sum up the orders of one market."""
    active = [0, 0]
    possible = [0, 0]
    notional = [0, 0]
    open_orders = unknown = oldest = 0
    for order in orders:
        side = 0 if order.is_buy else 1
        possible[side] += order.possible_fill_e8(now_ms)
        if order.is_terminal:
            continue
        open_orders += 1
        if order.state in ACTIVE:
            remaining = order.remaining_e8
            active[side] += remaining
            notional[side] += mul_e8(remaining, order.px_e8)
        elif order.state is State.UNKNOWN:
            unknown += 1
            oldest = min(oldest, order.state_time_ms) if oldest else order.state_time_ms
    return Exposure(
        active_bid_e8=active[0],
        active_ask_e8=active[1],
        max_possible_bid_e8=possible[0],
        max_possible_ask_e8=possible[1],
        open_orders=open_orders,
        unknown_orders=unknown,
        oldest_unknown_since_ms=oldest,
        bid_notional_e8=notional[0],
        ask_notional_e8=notional[1],
    )
