"""The checks, one file each: a function from facts and limits to findings.

A new check is a function in a file of its own and a line in one of the two lists.
"""

from __future__ import annotations

from collections.abc import Callable

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.risk.finding import Finding
from perpmaker.risk.monitors import (
    account_limits,
    daily_loss,
    drawdown,
    drift,
    liquidation,
    listing,
    mode,
    position,
    sources,
    stale_data,
    unknown_orders,
)
from perpmaker.risk.state import AccountRisk, RiskState

MarketMonitor = Callable[[RiskState, MarketRiskPart], tuple[Finding, ...]]
AccountMonitor = Callable[[AccountRisk, AccountRiskPart], tuple[Finding, ...]]

MARKET_MONITORS: tuple[MarketMonitor, ...] = (
    sources.check_market,
    stale_data.check,
    position.check,
    daily_loss.check_market,
    drawdown.check_market,
    mode.check,
    liquidation.check,
    listing.check,
    drift.check,
    unknown_orders.check,
)

ACCOUNT_MONITORS: tuple[AccountMonitor, ...] = (
    sources.check_account,
    daily_loss.check_account,
    drawdown.check_account,
    account_limits.check,
)
