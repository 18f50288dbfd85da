"""Conditions of a MarketMaker.

Ready names the first thing that stands in the way, in the order of PRIORITY: what ends or forbids trading, then what
fails, then what the trader chose.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.api.v1alpha1.marketmaker import Mode
from perpmaker.operator import names
from perpmaker.operator.conditions.findings import Finding, false, true, unknown
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.observe.values import MarketRiskFacts, QuoterAnswer, QuoterFacts, RiskAnswer, RiskFacts

_STALE_WORDS = frozenset({"stale_market_data", "no_market_data", "feed_down", "stale_data", "feed_lost"})
_LIMITED_WORD = "rate_limited"
_LIMITED = (
    "the account's requests are short; ask for fewer levels or rarer requotes, or raise spec.rateLimit of the account"
    " if it is that (mm_gateway_rate_limit_used_ratio and mm_gateway_address_budget_left tell)"
)
_SHADOW_WORD = "mode_shadow"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement made elsewhere: its reason and facts."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Configured:
    """How far the quoter is with its configuration."""

    wanted_generation: int
    rejection: str = ""
    """The service's own words; empty when it did not refuse."""


@dataclass(frozen=True, slots=True)
class MakerObserved:
    """Everything that the conditions of a MarketMaker are judged from."""

    mode: Mode
    market: str
    accepted: Verdict
    account: Verdict
    workload: Workload
    config: Configured
    quoter: QuoterAnswer
    risk: RiskAnswer
    kill_switch: Finding
    work: Verdict | None = None
    """What is being done; None when nothing is left to do."""
    stalled: Verdict | None = None
    """What only a person can help with."""
    is_terminating: bool = False
    is_frozen: bool = False
    """The trader has told the operator to leave the object alone."""


def judge(seen: MakerObserved) -> list[Finding]:
    """All conditions, Ready first."""
    accepted = _of_verdict(ConditionType.ACCEPTED, seen.accepted, Reason.VALID)
    account = _of_verdict(ConditionType.ACCOUNT_READY, seen.account, Reason.READY)
    workload = _of_verdict(
        ConditionType.WORKLOAD_AVAILABLE, Verdict(seen.workload.reason, seen.workload.message), Reason.AVAILABLE
    )
    config = _config(seen)
    quoting = _quoting(seen)
    ready = _ready(seen, accepted, account, workload, config, quoting)
    return [
        ready,
        accepted,
        account,
        workload,
        config,
        quoting,
        seen.kill_switch,
        reconciling(seen.work, is_frozen=seen.is_frozen),
        stalled(seen.stalled),
    ]


def reconciling(work: Verdict | None, *, is_frozen: bool = False) -> Finding:
    """Condition Reconciling."""
    if is_frozen:
        return false(
            ConditionType.RECONCILING,
            Reason.RECONCILIATION_PAUSED,
            f"annotation {names.RECONCILE} is {names.DISABLED}: nothing is changed until it goes; trading goes on",
        )
    if work is None:
        return false(ConditionType.RECONCILING, Reason.AS_WANTED, "nothing is left to do")
    return true(ConditionType.RECONCILING, work.reason, work.message)


def stalled(problem: Verdict | None) -> Finding:
    """Condition Stalled."""
    if problem is None:
        return false(ConditionType.STALLED, Reason.AS_WANTED, "nothing needs a person")
    return true(ConditionType.STALLED, problem.reason, problem.message)


def _of_verdict(type_: ConditionType, verdict: Verdict, good: Reason) -> Finding:
    if verdict.reason is good:
        return true(type_, verdict.reason, verdict.message)
    if verdict.reason is Reason.UNKNOWN:
        return unknown(type_, verdict.reason, verdict.message)
    return false(type_, verdict.reason, verdict.message)


def _config(seen: MakerObserved) -> Finding:
    type_, wanted = ConditionType.CONFIG_APPLIED, seen.config.wanted_generation
    if seen.config.rejection:
        return false(type_, Reason.REJECTED, f"the services refuse generation {wanted}: {seen.config.rejection}")
    if not isinstance(seen.quoter, QuoterFacts):
        return unknown(type_, Reason.UNKNOWN, f"generation {wanted} is wanted; the quoter: {seen.quoter}")
    applied = seen.quoter.applied_generation
    if applied != wanted:
        return false(type_, Reason.PENDING, f"the quoter uses generation {applied}, {wanted} is wanted")
    return true(type_, Reason.APPLIED, f"the quoter uses generation {wanted}")


def _quoting(seen: MakerObserved) -> Finding:
    type_, quoter = ConditionType.QUOTING, seen.quoter
    if not isinstance(quoter, QuoterFacts):
        return unknown(type_, Reason.UNKNOWN, f"the quoter: {quoter}")
    words = set(quoter.reasons)
    why = ", ".join(quoter.reasons) or "no order is live yet"
    if not quoter.is_quoting:
        if words & _STALE_WORDS:
            return false(type_, Reason.STALE_MARKET_DATA, f"market data is too old or missing: {why}")
        return false(type_, Reason.NO_QUOTES, f"nothing is quoted: {why}")
    is_limited = _LIMITED_WORD in words
    if quoter.was_two_sided_lately:
        late = f", requotes come late: {_LIMITED}" if is_limited else ""
        return true(type_, Reason.TWO_SIDED, f"orders are live on both sides{late}")
    if is_limited:
        return false(type_, Reason.RATE_LIMITED, f"{_resting(quoter)}: {_LIMITED}")
    if quoter.live_bids or quoter.live_asks:
        risk = _market(seen)
        limits = f"; risk: {', '.join(risk.reasons)}" if risk is not None and risk.reasons else ""
        return false(type_, Reason.ONE_SIDED, f"{_resting(quoter)}{limits}")
    return false(type_, Reason.NO_QUOTES, f"{_resting(quoter)}: {why}")


def _resting(quoter: QuoterFacts) -> str:
    if quoter.is_two_sided:
        return "orders are live on both sides"
    if quoter.live_bids or quoter.live_asks:
        return f"only {'bids' if quoter.live_bids else 'asks'} are live"
    return "no order is live"


def _market(seen: MakerObserved) -> MarketRiskFacts | None:
    return seen.risk.markets.get(seen.market) if isinstance(seen.risk, RiskFacts) else None


def _is_shadowing(quoter: QuoterAnswer) -> bool:
    return isinstance(quoter, QuoterFacts) and set(quoter.reasons) == {_SHADOW_WORD} and quoter.has_ladder


def _ready(
    seen: MakerObserved, accepted: Finding, account: Finding, workload: Finding, config: Finding, quoting: Finding
) -> Finding:
    type_ = ConditionType.READY
    if seen.is_terminating:
        return false(type_, Reason.TERMINATING, "it is being deleted")
    if not accepted.holds:
        return false(type_, Reason.INVALID, accepted.message)
    if seen.kill_switch.holds:
        return false(type_, Reason.KILL_SWITCH_TRIPPED, seen.kill_switch.message)
    for part, reason in (
        (account, Reason.ACCOUNT_NOT_READY),
        (workload, Reason.WORKLOAD_UNAVAILABLE),
        (config, Reason.CONFIG_PENDING),
    ):
        if not part.holds:
            return false(type_, reason, part.message)
    match seen.mode:
        case Mode.PAUSED:
            return false(type_, Reason.PAUSED, _paused(seen))
        case Mode.SHADOW if _is_shadowing(seen.quoter):
            return true(type_, Reason.SHADOWING, "quotes are computed and not sent")
        case Mode.REDUCE_ONLY:
            return false(type_, Reason.REDUCE_ONLY, "mode is ReduceOnly: the position may only shrink")
        case _:
            pass
    market = _market(seen)
    if market is not None and market.reduce_only:
        why = ", ".join(market.reasons)
        return false(type_, Reason.REDUCE_ONLY, f"risk lets the position only shrink: {why}")
    if not quoting.holds:
        return false(type_, Reason.NOT_QUOTING, quoting.message)
    return true(type_, Reason.QUOTING, "orders are live on both sides")


def _paused(seen: MakerObserved) -> str:
    market = _market(seen)
    if market is not None and market.is_closed:
        return "mode is Paused: orders are cancelled, the position is kept"
    return "mode is Paused; risk has not confirmed yet that the market is closed"
