"""What an operator of the venue may choose about liquidations.

Defaults are the exchange's. Source: Hyperliquid documentation, "Liquidations".
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.venue.units import E8


@dataclass(frozen=True, slots=True)
class LiquidationRules:
    """Positions above `partial_above_e8` (quote) are sent to the book in parts of `partial_percent`.

    After such a part everything is sent at once for `full_after_partial_ms`. `bound_percent` is how far from the mark
    a liquidation order may pay; the exchange does not say, so this is the venue's choice.
    """

    is_on: bool = True
    partial_above_e8: int = 100_000 * E8
    partial_percent: int = 20
    full_after_partial_ms: int = 30_000
    bound_percent: int = 10


TESTNET = LiquidationRules(partial_above_e8=10_000 * E8)
