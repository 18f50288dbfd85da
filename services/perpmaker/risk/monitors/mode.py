"""The mode the trader chose: reduce-only lets the position shrink and nothing else."""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.risk.finding import Action, Finding, Severity
from perpmaker.risk.state import RiskState


def check(_state: RiskState, limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Asked for, so nothing anybody need look at: the severity is low."""
    if not limits.reduce_only:
        return ()
    return (Finding("mode", "reduce_only_mode", Severity.LOW, Action.REDUCE_ONLY, "reduce-only mode is configured"),)
