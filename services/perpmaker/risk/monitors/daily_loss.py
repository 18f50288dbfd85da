"""The loss of the UTC day stays below its limit; at the limit the market halts or only reduces, from 80 % it warns."""

from __future__ import annotations

from typing import Final, Literal

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.common.decimals import format_e8
from perpmaker.risk.finding import Action, Finding, demanded, passed, warned
from perpmaker.risk.shares import share_ppm
from perpmaker.risk.state import AccountRisk, RiskState

WARN_AT_PPM = 800_000

OnBreach = Literal["Halt", "ReduceOnly"]

ACTION_ON_BREACH: Final[dict[OnBreach, Action]] = {"Halt": Action.KILL, "ReduceOnly": Action.REDUCE_ONLY}


def check_market(state: RiskState, limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Loss of one market."""
    return (judge_loss("daily_loss", -state.day_pnl_e8, limits.max_daily_loss_e8, limits.on_breach, WARN_AT_PPM),)


def check_account(account: AccountRisk, limits: AccountRiskPart) -> tuple[Finding, ...]:
    """Loss over all markets."""
    name = "account_daily_loss"
    return (judge_loss(name, -account.day_pnl_e8, limits.max_daily_loss_e8, limits.on_breach, WARN_AT_PPM),)


def judge_loss(check: str, loss_e8: int, limit_e8: int, on_breach: OnBreach, warn_at_ppm: int) -> Finding:
    """Compare a loss (positive: lost) with its limit, quote units of 1e-8. A loss of zero never breaches."""
    used = share_ppm(loss_e8, limit_e8)
    detail = f"{format_e8(loss_e8)} lost, limit {format_e8(limit_e8)}"
    if loss_e8 > 0 and loss_e8 >= limit_e8:
        return demanded(check, check, ACTION_ON_BREACH[on_breach], detail, used)
    if used >= warn_at_ppm:
        return warned(check, check, detail, used)
    return passed(check, used)
