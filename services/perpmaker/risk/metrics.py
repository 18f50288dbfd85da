"""What risk exports. Money leaves here as floats, in quote units; positions and exposure are order-state's to tell."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from perpmaker.common.decimals import E8
from perpmaker.risk.evaluate import Evaluation
from perpmaker.risk.finding import Severity
from perpmaker.risk.latch import ACCOUNT
from perpmaker.risk.record import Record
from perpmaker.risk.shares import ONE_PPM

_KILLED = Gauge("mm_kill_switch_triggered", "1 while the market may not trade because of a latched trip.", ["market"])
_TRIPPED = Gauge("mm_risk_kill_switch_tripped", "1 while the latch of this scope is set.", ["scope", "market"])
TRIPS = Counter("mm_risk_trips_total", "Latches set, by first cause.", ["scope", "reason"])
KILL_SECONDS = Histogram(
    "mm_risk_kill_seconds",
    "Trip to the last market proven empty.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
CHECKS = Counter("mm_risk_checks_total", "Changes of a check's severity.", ["result", "rule"])
_UTILIZATION = Gauge("mm_risk_limit_utilization_ratio", "Used share of a limit.", ["limit", "market"])
_EQUITY = Gauge("mm_risk_equity_quote", "Account value.")
_DRAWDOWN = Gauge(
    "mm_risk_drawdown_quote", "Fall from the day's best P&L; the empty market is the account.", ["market"]
)
_NOTIONAL = Gauge("mm_risk_position_notional_quote", "Value of the position at the mark.", ["market"])
_DAILY_PNL = Gauge("mm_daily_pnl", "P&L of the UTC day; the empty market is the account.", ["market"])
_INVENTORY = Gauge("mm_inventory_utilization", "Position as a share of the limit, 0 to 1 and beyond.", ["market"])
_STALENESS = Gauge("mm_data_staleness_secs", "Age of the newest book.", ["market"])
_REDUCE_ONLY = Gauge("mm_risk_reduce_only", "1 while the market may only shrink its position.", ["market"])
STORE_UP = Gauge("mm_risk_store_up", "1 while the store of the latch answers.")

_RESULT: Final = {
    Severity.NONE: "ok",
    Severity.LOW: "low",
    Severity.MEDIUM: "warn",
    Severity.HIGH: "restrict",
    Severity.CRITICAL: "kill",
}


def export(evaluation: Evaluation, record: Record) -> None:
    """Set every gauge from one evaluation."""
    _TRIPPED.labels("account", "").set(record.latch(ACCOUNT).is_latched)
    _EQUITY.set(evaluation.account.equity_e8 / E8)
    _DRAWDOWN.labels("").set(evaluation.account.drawdown_e8 / E8)
    _DAILY_PNL.labels("").set(evaluation.account.day_pnl_e8 / E8)
    for finding in evaluation.account_findings:
        if finding.utilization_ppm:
            _UTILIZATION.labels(finding.check, "").set(finding.utilization_ppm / ONE_PPM)
    for name, market in evaluation.markets.items():
        state = market.state
        _KILLED.labels(name).set(market.permission.killed)
        _TRIPPED.labels("market", name).set(record.latch(name).is_latched)
        _REDUCE_ONLY.labels(name).set(market.permission.reduce_only)
        _NOTIONAL.labels(name).set(state.notional_e8 / E8)
        _DRAWDOWN.labels(name).set(state.drawdown_e8 / E8)
        _DAILY_PNL.labels(name).set(state.day_pnl_e8 / E8)
        if state.max_position_e8:
            _INVENTORY.labels(name).set(abs(state.position_e8) / state.max_position_e8)
        if state.book_age_ms is not None:
            _STALENESS.labels(name).set(state.book_age_ms / 1000)
        for finding in market.findings:
            _UTILIZATION.labels(finding.check, name).set(finding.utilization_ppm / ONE_PPM)


def count_check(severity: Severity, rule: str) -> None:
    """A check has a new severity."""
    CHECKS.labels(_RESULT[severity], rule).inc()


def forget(market: str) -> None:
    """Drop the present state of a market that is not served any more; what was counted stays."""
    for gauge in (_KILLED, _DRAWDOWN, _NOTIONAL, _DAILY_PNL, _INVENTORY, _STALENESS, _REDUCE_ONLY):
        gauge.remove(market)
    _TRIPPED.remove("market", market)
    _UTILIZATION.remove_by_labels({"market": market})
