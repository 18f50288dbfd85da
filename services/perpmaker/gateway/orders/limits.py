"""Bounds that no order of ours passes, whoever asks for it: price and value, checked again where the key is.

They are the exchange's own, so an order beyond them could only be refused there, with the whole action it came in.
Source: Hyperliquid documentation, "Order types" (maximum order value) and "Error responses" (price bands).
"""

from __future__ import annotations

import functools
from typing import Final, Literal

from perpmaker.common.decimals import E8

Excess = Literal["price_band", "notional"]

_BAND: Final = 20
"""Farthest price from the reference, as a factor: 95 % below, twenty times above."""
_LARGEST_MARKET_ORDERS: Final = ((25, 30_000_000), (20, 5_000_000), (10, 2_000_000), (0, 500_000))
"""By largest leverage: value of the largest market order, quote units."""
_LIMIT_TO_MARKET: Final = 10


@functools.cache
def largest_value_e8(max_leverage: int) -> int:
    """Value of the largest limit order of a market, 1e-8 quote units."""
    value = next(value for leverage, value in _LARGEST_MARKET_ORDERS if max_leverage >= leverage)
    return value * _LIMIT_TO_MARKET * E8


def excess(px_e8: int, sz_e8: int, *, reference_px_e8: int, max_leverage: int) -> Excess | None:
    """The bound that an order breaks, or None. Without a reference (0) only its value is bounded."""
    if reference_px_e8 and not reference_px_e8 < px_e8 * _BAND <= reference_px_e8 * _BAND * _BAND:
        return "price_band"
    if px_e8 * sz_e8 > largest_value_e8(max_leverage) * E8:
        return "notional"
    return None
