"""Inventory skew: how far both quotes move against the inventory.

Guarantees: opposite in sign to the inventory's distance from its target; linear in it, so at half the limit
the shift is at least half of the half-spread and at the limit at least all of it, whatever the model says;
never more than two half-spreads. The side that reduces is never priced through the fair price by skew alone
(`distances`).
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.quoter.model.spread import positive

MAX_IN_HALF_SPREADS = 2.0


@dataclass(frozen=True, slots=True)
class Distances:
    """Distance of the best bid below and of the best ask above the fair price, bps, neither negative."""

    bid_bps: float
    ask_bps: float


def inventory_share(position: float, target: float, limit: float) -> float:
    """Inventory relative to its target as a share of the limit, within -1..1 (same unit for all three)."""
    return min(max((position - target) / positive("inventory limit", limit), -1.0), 1.0)


def skew_bps(share: float, half_spread_bps: float, skew_at_limit_bps: float) -> float:
    """Shift of both quotes, bps; negative (both lower) when long."""
    at_limit = min(max(skew_at_limit_bps, half_spread_bps), MAX_IN_HALF_SPREADS * half_spread_bps)
    return -share * at_limit


def distances(half_spread_bps: float, skew: float) -> Distances:
    """Where the best quotes go for a half-spread and a skew."""
    return Distances(bid_bps=max(0.0, half_spread_bps - skew), ask_bps=max(0.0, half_spread_bps + skew))
