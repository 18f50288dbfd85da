"""Tick, lot and minimum-value rules of one perpetual, in exact integers.

A price has at most five significant figures and at most `6 - sz_decimals` decimals; whole numbers are always valid. A
size is a multiple of `10^-sz_decimals`. An order is worth at least `min_notional_e8`. Source: Hyperliquid docs, "Tick
and lot size".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perpmaker.common.decimals import E8

MIN_NOTIONAL_E8 = 10 * E8
"""Smallest value of an order, quote units."""

_SIGNIFICANT = 5
_MAX_DECIMALS = 6

Violation = Literal["price_not_positive", "price_off_tick", "size_not_positive", "size_off_lot", "below_min_notional"]


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """Rules of one market; sizes and prices are integers scaled by 1e8."""

    market: str
    asset_id: int
    sz_decimals: int
    max_leverage: int
    min_notional_e8: int = MIN_NOTIONAL_E8

    @property
    def lot_e8(self) -> int:
        """Smallest size step."""
        return int(10 ** (8 - self.sz_decimals))

    @property
    def finest_tick_e8(self) -> int:
        """Price step below which no price of this market ever goes."""
        return int(10 ** (8 - (_MAX_DECIMALS - self.sz_decimals)))

    def tick_e8(self, px_e8: int) -> int:
        """Price step at a price: five significant figures, never finer than the market's decimals nor above one."""
        digits = len(str(px_e8))
        return min(max(self.finest_tick_e8, int(10 ** max(0, digits - _SIGNIFICANT))), E8)

    def round_down(self, px_e8: int) -> int:
        """Highest valid price not above (0 when there is none)."""
        if px_e8 <= 0:
            return 0
        return px_e8 - px_e8 % self.tick_e8(px_e8)

    def round_up(self, px_e8: int) -> int:
        """Lowest valid price not below."""
        if px_e8 <= 0:
            return self.finest_tick_e8
        tick = self.tick_e8(px_e8)
        # Rounding up may reach a power of ten, which is valid under the coarser tick that begins there.
        return -(-px_e8 // tick) * tick

    def tick_below(self, px_e8: int) -> int:
        """Next valid price strictly below (0 when there is none)."""
        return self.round_down(px_e8 - 1)

    def tick_above(self, px_e8: int) -> int:
        """Next valid price strictly above."""
        return self.round_up(px_e8 + 1)

    def is_valid_price(self, px_e8: int) -> bool:
        """Whether the exchange accepts the price."""
        return px_e8 > 0 and px_e8 % self.tick_e8(px_e8) == 0

    def round_size_down(self, sz_e8: int) -> int:
        """Largest whole number of lots not above."""
        return sz_e8 - sz_e8 % self.lot_e8 if sz_e8 > 0 else 0

    def smallest_size(self, px_e8: int) -> int:
        """Smallest whole number of lots worth the minimum at a price, without a safety margin."""
        per_lot = px_e8 * self.lot_e8
        lots = -(-self.min_notional_e8 * E8 // per_lot)
        return int(max(lots, 1) * self.lot_e8)

    def violation(self, px_e8: int, sz_e8: int, *, closes_position: bool = False) -> Violation | None:
        """First rule the order breaks, or None. `closes_position` exempts a full close from the minimum value."""
        if sz_e8 <= 0:
            return "size_not_positive"
        if sz_e8 % self.lot_e8:
            return "size_off_lot"
        if px_e8 <= 0:
            return "price_not_positive"
        if not self.is_valid_price(px_e8):
            return "price_off_tick"
        if not closes_position and px_e8 * sz_e8 < self.min_notional_e8 * E8:
            return "below_min_notional"
        return None
