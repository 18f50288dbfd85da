"""Gross and net notional, equity and margin of the account stay inside their limits.

The net limit is kept by the ranges of the permissions, since reducing a hedge would make it worse; here it only warns.
"""

from __future__ import annotations

from perpmaker.api.parts import AccountRiskPart
from perpmaker.common.decimals import format_e8
from perpmaker.risk.finding import Action, Finding, demanded, passed, warned
from perpmaker.risk.monitors.daily_loss import ACTION_ON_BREACH
from perpmaker.risk.shares import ONE_PPM, share_ppm
from perpmaker.risk.state import AccountRisk

MARGIN_WARN_PPM = 900_000


def check(account: AccountRisk, limits: AccountRiskPart) -> tuple[Finding, ...]:
    """Gross, net, then equity and margin once they were seen."""
    findings = [_check_gross(account, limits)]
    if limits.max_net_notional_e8 is not None:
        findings.append(_check_net(account, limits.max_net_notional_e8))
    if account.account_age_ms is not None:
        findings += [_check_equity(account, limits), _check_margin(account, limits)]
    return tuple(findings)


def _check_gross(account: AccountRisk, limits: AccountRiskPart) -> Finding:
    used = share_ppm(account.gross_notional_e8, limits.max_gross_notional_e8)
    if account.gross_notional_e8 <= limits.max_gross_notional_e8:
        return passed("gross_notional", used)
    detail = f"gross {format_e8(account.gross_notional_e8)}, limit {format_e8(limits.max_gross_notional_e8)}"
    return demanded("gross_notional", "gross_notional", Action.REDUCE_ONLY, detail, used)


def _check_net(account: AccountRisk, limit_e8: int) -> Finding:
    used = share_ppm(abs(account.net_notional_e8), limit_e8)
    if abs(account.net_notional_e8) <= limit_e8:
        return passed("net_notional", used)
    detail = f"net {format_e8(account.net_notional_e8)}, limit {format_e8(limit_e8)}"
    return warned("net_notional", "net_notional", detail, used)


def _check_equity(account: AccountRisk, limits: AccountRiskPart) -> Finding:
    if account.equity_e8 >= limits.min_equity_e8:
        return passed("min_equity", share_ppm(limits.min_equity_e8, account.equity_e8))
    detail = f"equity {format_e8(account.equity_e8)}, at least {format_e8(limits.min_equity_e8)}"
    used = share_ppm(limits.min_equity_e8, account.equity_e8)
    return demanded("min_equity", "min_equity", ACTION_ON_BREACH[limits.on_breach], detail, used)


def _check_margin(account: AccountRisk, limits: AccountRiskPart) -> Finding:
    ratio_ppm = share_ppm(account.margin_used_e8, account.equity_e8)
    used = share_ppm(ratio_ppm, limits.max_margin_usage_ppm)
    detail = f"margin use {ratio_ppm / 10_000:.2f} %, limit {limits.max_margin_usage_ppm / 10_000:.2f} %"
    if used > ONE_PPM:
        return demanded("margin_usage", "margin_usage", Action.REDUCE_ONLY, detail, used)
    if used >= MARGIN_WARN_PPM:
        return warned("margin_usage", "margin_usage", detail, used)
    return passed("margin_usage", used)
