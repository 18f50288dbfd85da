"""A missing source adds no risk: no position, no account, no rules, no store means nothing is quoted."""

from __future__ import annotations

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.risk.finding import Action, Finding, demanded
from perpmaker.risk.state import AccountRisk, RiskState

ACCOUNT_MAX_AGE_MS = 60_000


def check_market(state: RiskState, _limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Sources of one market."""
    missing = []
    if not state.order_state_live or state.standing_age_ms is None:
        missing.append(("order_state", "position and live orders are not known"))
    if state.instrument is None:
        missing.append(("instrument_unknown", "lot size is not known"))
    if state.trade_limits is None:
        missing.append(("trade_limits_unknown", "the exchange's trade limits are not known"))
    return tuple(demanded("sources", reason, Action.HOLD, detail) for reason, detail in missing)


def check_account(account: AccountRisk, _limits: AccountRiskPart) -> tuple[Finding, ...]:
    """Sources of the account."""
    missing = []
    if not account.store_live:
        missing.append(("store", "the store of the kill latch does not answer"))
    if not account.verified_fresh:
        missing.append(("starting", "not yet proven that no latch was lost"))
    if account.account_age_ms is None:
        missing.append(("account_unknown", "equity and margin are not known"))
    elif account.account_age_ms > ACCOUNT_MAX_AGE_MS:
        missing.append(("account_stale", f"equity and margin are {account.account_age_ms} ms old"))
    if account.gap_open:
        missing.append(("gap", "the account stream has a hole"))
    return tuple(demanded("sources", reason, Action.HOLD, detail) for reason, detail in missing)
