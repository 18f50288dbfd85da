"""The fair price: the mid, moved toward the heavier side of the touch by a bounded amount.

Guarantees: the result lies between the foreign best bid and ask; it exists only for a two-sided, uncrossed,
finite book; small imbalances (inside the dead band) move nothing, so quotes do not follow every flicker of
the touch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from perpmaker.quoter.values import PriceLevel

MICROPRICE_WEIGHT = 0.5
DEAD_BAND_BPS = 0.2
MIN_TOUCH_NOTIONAL_E8_E8 = 1_000 * 10**16
"""Below this value on either side (px_e8 x sz_e8) the sizes say nothing and the mid is used."""

NoFairPrice = Literal["no_book", "one_sided_book", "crossed_book", "not_a_number"]


@dataclass(frozen=True, slots=True)
class FairPrice:
    """Mid and fair price, in units of 1e-8 quote."""

    mid: float
    fair: float


def microprice(bid: PriceLevel, ask: PriceLevel) -> float:
    """Mid weighted by the opposite sizes."""
    return (bid[0] * ask[1] + ask[0] * bid[1]) / (bid[1] + ask[1])


def fair_price(bid: PriceLevel | None, ask: PriceLevel | None) -> FairPrice | NoFairPrice:
    """Fair price from the touch of everybody else, or why there is none."""
    if bid is None and ask is None:
        return "no_book"
    if bid is None or ask is None:
        return "one_sided_book"
    if not all(math.isfinite(value) and value > 0 for value in (*bid, *ask)):
        return "not_a_number"
    if bid[0] >= ask[0]:
        return "crossed_book"
    mid = (bid[0] + ask[0]) / 2
    if min(bid[0] * bid[1], ask[0] * ask[1]) < MIN_TOUCH_NOTIONAL_E8_E8:
        return FairPrice(mid, mid)
    offset = MICROPRICE_WEIGHT * (microprice(bid, ask) - mid)
    excess = max(0.0, abs(offset) - DEAD_BAND_BPS * mid / 1e4)
    return FairPrice(mid, mid + math.copysign(excess, offset))
