"""The longer an order's outcome is not known, the less is quoted on top of it."""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.risk.finding import Action, Finding, Severity, warned
from perpmaker.risk.state import RiskState

WARN_AFTER_MS = 5_000
DEGRADE_AFTER_MS = 15_000
REDUCE_ONLY_AFTER_MS = 60_000

DEGRADED_SIZE_PPM = 500_000
DEGRADED_SPREAD_PPM = 1_500_000


def check(state: RiskState, _limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Age of the oldest order in state UNKNOWN."""
    age_ms = state.pending.oldest_unknown_age_ms
    if age_ms is None or age_ms < WARN_AFTER_MS:
        return ()
    detail = f"an order's outcome is not known for {age_ms} ms"
    if age_ms >= REDUCE_ONLY_AFTER_MS:
        return (
            Finding(
                "unknown_orders",
                "unknown_order",
                Severity.HIGH,
                Action.REDUCE_ONLY,
                detail,
                size_factor_ppm=DEGRADED_SIZE_PPM,
                spread_factor_ppm=DEGRADED_SPREAD_PPM,
            ),
        )
    if age_ms >= DEGRADE_AFTER_MS:
        return (
            Finding(
                "unknown_orders",
                "unknown_order",
                Severity.MEDIUM,
                detail=detail,
                size_factor_ppm=DEGRADED_SIZE_PPM,
                spread_factor_ppm=DEGRADED_SPREAD_PPM,
            ),
        )
    return (warned("unknown_orders", "unknown_order", detail),)
