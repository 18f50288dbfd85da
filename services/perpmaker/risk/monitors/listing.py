"""A market that the exchange trades no longer is not quoted: every order would be refused."""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.risk.finding import Action, Finding, demanded, passed
from perpmaker.risk.state import RiskState


def check(state: RiskState, _limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Only with a listing; without one `sources` restricts."""
    if state.instrument is None:
        return ()
    if state.instrument.delisted:
        return (demanded("listing", "delisted", Action.HOLD, "the exchange has delisted this market"),)
    return (passed("listing"),)
