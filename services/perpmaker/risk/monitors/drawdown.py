"""The fall from the day's best P&L stays below its limit, where one is set; from 70 % it warns."""

from __future__ import annotations

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.risk.finding import Finding
from perpmaker.risk.monitors.daily_loss import judge_loss
from perpmaker.risk.state import AccountRisk, RiskState

WARN_AT_PPM = 700_000


def check_market(state: RiskState, limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Fall of one market's P&L."""
    if limits.max_drawdown_e8 is None:
        return ()
    return (judge_loss("drawdown", state.drawdown_e8, limits.max_drawdown_e8, limits.on_breach, WARN_AT_PPM),)


def check_account(account: AccountRisk, limits: AccountRiskPart) -> tuple[Finding, ...]:
    """Fall of the P&L over all markets."""
    if limits.max_drawdown_e8 is None:
        return ()
    name = "account_drawdown"
    return (judge_loss(name, account.drawdown_e8, limits.max_drawdown_e8, limits.on_breach, WARN_AT_PPM),)
