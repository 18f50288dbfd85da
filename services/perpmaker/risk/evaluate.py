"""One evaluation: facts, limits and latches in; permissions, kills and pulls out. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.risk.aggregate import Verdict, aggregate
from perpmaker.risk.finding import Action, Finding
from perpmaker.risk.latch import ACCOUNT
from perpmaker.risk.monitors import ACCOUNT_MONITORS, MARKET_MONITORS
from perpmaker.risk.permission import Permission, permit
from perpmaker.risk.record import Record
from perpmaker.risk.sizing import SideScales, side_scales
from perpmaker.risk.state import AccountRisk, RiskState


@dataclass(frozen=True, slots=True)
class Kill:
    """A latch that the checks demand; the empty market is the account."""

    market: str
    reason: str


@dataclass(frozen=True, slots=True)
class MarketEvaluation:
    """What was decided about one market and from what."""

    state: RiskState
    findings: tuple[Finding, ...]
    verdict: Verdict
    scales: SideScales
    permission: Permission


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was decided about the account."""

    markets: Mapping[str, MarketEvaluation]
    account: AccountRisk
    account_findings: tuple[Finding, ...]
    kills: tuple[Kill, ...]
    pulls: frozenset[str]
    """Markets whose book is to be emptied without a latch."""


def evaluate(
    states: Mapping[str, RiskState],
    account: AccountRisk,
    account_limits: AccountRiskPart,
    market_limits: Mapping[str, MarketRiskPart],
    record: Record,
    previous_scales: Mapping[str, SideScales],
) -> Evaluation:
    """Run every check and derive every permission. A kill is listed only while its latch is not set yet."""
    account_findings = tuple(f for monitor in ACCOUNT_MONITORS for f in monitor(account, account_limits))
    account_verdict = aggregate(account_findings)
    kills: list[Kill] = []
    if account_verdict.kill and not record.latch(ACCOUNT).is_latched:
        kills.append(Kill(ACCOUNT, ",".join(account_verdict.kill_reasons)))
    markets: dict[str, MarketEvaluation] = {}
    pulls: set[str] = set()
    for market, state in states.items():
        limits = market_limits[market]
        findings = tuple(f for monitor in MARKET_MONITORS for f in monitor(state, limits))
        own = aggregate(findings)
        if own.kill and not record.latch(market).is_latched:
            kills.append(Kill(market, ",".join(own.kill_reasons)))
        verdict = aggregate(account_findings + findings)
        if verdict.action is Action.PULL:
            pulls.add(market)
        scales = side_scales(state, previous_scales.get(market, SideScales()))
        permission = permit(
            state,
            account,
            account_limits,
            verdict,
            scales,
            trip_id=record.trip_id_for(market),
            closed=market in record.closed,
        )
        markets[market] = MarketEvaluation(state, findings, verdict, scales, permission)
    return Evaluation(markets, account, account_findings, tuple(kills), frozenset(pulls))
