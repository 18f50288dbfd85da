"""The ledger agrees with the exchange; a difference that lasts, or that is large, only lets the position shrink."""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.common.decimals import format_e8
from perpmaker.risk.finding import Action, Finding, Severity
from perpmaker.risk.state import DRIFT_GRACE_MS, RiskState

REDUCE_ONLY_AFTER_MS = 30_000
"""Two runs of the 15 s safety sync could not heal it."""
LARGE_PPM = 50_000
"""Five per cent of the largest position."""
SPREAD_WHILE_IN_DOUBT_PPM = 1_500_000


def check(state: RiskState, _limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Difference of the position to the exchange's, past the grace for fills in flight."""
    if state.drift_e8 == 0 or state.drift_age_ms < DRIFT_GRACE_MS:
        return ()
    detail = f"the exchange differs by {format_e8(state.drift_e8)} for {state.drift_age_ms} ms"
    large = abs(state.drift_e8) * 1_000_000 > LARGE_PPM * state.max_position_e8
    reduce_only = large or state.drift_age_ms >= REDUCE_ONLY_AFTER_MS
    return (
        Finding(
            "ledger_drift",
            "ledger_drift",
            Severity.HIGH if reduce_only else Severity.MEDIUM,
            Action.REDUCE_ONLY if reduce_only else Action.NONE,
            detail,
            spread_factor_ppm=SPREAD_WHILE_IN_DOUBT_PPM,
        ),
    )
