"""Every row of a MarketMaker's conditions, and which of them Ready names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perpmaker.api.v1alpha1.marketmaker import Mode
from perpmaker.operator.conditions import findings, kill_switch
from perpmaker.operator.conditions.findings import Finding
from perpmaker.operator.conditions.maker import Configured, MakerObserved, Verdict, judge
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.observe.values import (
    NOT_YET,
    MarketRiskFacts,
    QuoterFacts,
    RiskFacts,
    TripFacts,
    Unreachable,
    Why,
)

QUOTER = QuoterFacts(
    is_quoting=True, reasons=(), applied_generation=4, epoch=1, live_bids=1, live_asks=1, has_ladder=True,
    two_sided_ppm=998_000, is_flat=False, heard_ms=0, two_sided_age_s=0.0,
)  # fmt: skip
MARKET = MarketRiskFacts(
    is_killed=False, is_closed=False, reduce_only=False, trip_id="", reasons=(), day_pnl_e8=0, mark_px_e8=1
)
RISK = RiskFacts(
    is_ready=True, applied_revision=1, equity_e8=0, day_pnl_e8=0, gross_notional_e8=0, margin_usage_ppm=0,
    last_rearmed_trip_id="", trips=(), markets={"ETH": MARKET},
)  # fmt: skip
TRIP = TripFacts("t-1", "ETH", "daily_loss", 1_760_000_000_000, executed=True)
SILENT = Unreachable(Why.UNAVAILABLE, "UNAVAILABLE: connection refused")


def seen(**changes: Any) -> MakerObserved:
    risk = changes.get("risk", RISK)
    whole = {
        "mode": Mode.ACTIVE,
        "market": "ETH",
        "accepted": Verdict(Reason.VALID, "it can be run"),
        "account": Verdict(Reason.READY, "ready"),
        "workload": Workload(Reason.AVAILABLE, "pod eth-quoter-0 runs"),
        "config": Configured(4),
        "quoter": QUOTER,
        "risk": risk,
        "kill_switch": kill_switch.judge(risk, "ETH", changes.pop("latch_before", {})),
    }
    return MakerObserved(**{**whole, **changes})


def found(type_: ConditionType, **changes: Any) -> tuple[str, str]:
    finding = next(item for item in judge(seen(**changes)) if item.type is type_)
    return finding.status.value, finding.reason.value


def test_a_maker_that_quotes_both_sides_is_ready() -> None:
    assert found(ConditionType.READY) == ("True", "Quoting")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_terminating": True}, "Terminating"),
        ({"accepted": Verdict(Reason.DUPLICATE_MARKET, "eth has it")}, "Invalid"),
        ({"risk": replace(RISK, trips=(TRIP,))}, "KillSwitchTripped"),
        ({"account": Verdict(Reason.NOT_FOUND, "none")}, "AccountNotReady"),
        ({"workload": Workload(Reason.CRASH_LOOPING, "ended")}, "WorkloadUnavailable"),
        ({"config": Configured(5)}, "ConfigPending"),
        ({"config": Configured(4, "too many levels")}, "ConfigPending"),
        ({"mode": Mode.PAUSED}, "Paused"),
        ({"mode": Mode.REDUCE_ONLY}, "ReduceOnly"),
        ({"risk": replace(RISK, markets={"ETH": replace(MARKET, reduce_only=True)})}, "ReduceOnly"),
        ({"quoter": replace(QUOTER, is_quoting=False, reasons=("held",))}, "NotQuoting"),
    ],
)
def test_ready_says_what_stands_in_the_way(changes: dict[str, Any], reason: str) -> None:
    assert found(ConditionType.READY, **changes) == ("False", reason)


def test_of_many_obstacles_the_gravest_is_named() -> None:
    worst_last = [
        {"quoter": replace(QUOTER, is_quoting=False, reasons=("held",))},
        {"mode": Mode.PAUSED},
        {"config": Configured(5)},
        {"workload": Workload(Reason.UNSCHEDULABLE, "no node")},
        {"account": Verdict(Reason.NOT_READY, "starting")},
        {"risk": replace(RISK, trips=(TRIP,))},
        {"accepted": Verdict(Reason.INVALID, "levels")},
        {"is_terminating": True},
    ]
    expected = [
        "NotQuoting", "Paused", "ConfigPending", "WorkloadUnavailable", "AccountNotReady", "KillSwitchTripped",
        "Invalid", "Terminating",
    ]  # fmt: skip
    changes: dict[str, Any] = {}
    for more, reason in zip(worst_last, expected, strict=True):
        changes |= more
        assert found(ConditionType.READY, **changes)[1] == reason


def test_shadowing_is_ready_when_quotes_are_computed() -> None:
    shadow = replace(QUOTER, is_quoting=False, reasons=("mode_shadow",), live_bids=0, live_asks=0)
    assert found(ConditionType.READY, mode=Mode.SHADOW, quoter=shadow) == ("True", "Shadowing")
    blind = replace(shadow, reasons=("mode_shadow", "stale_market_data"))
    assert found(ConditionType.READY, mode=Mode.SHADOW, quoter=blind) == ("False", "NotQuoting")


@pytest.mark.parametrize(
    ("quoter", "expected"),
    [
        (QUOTER, ("True", "TwoSided")),
        (replace(QUOTER, live_asks=0, two_sided_age_s=3.0), ("True", "TwoSided")),
        (replace(QUOTER, live_asks=0, two_sided_age_s=60.0), ("False", "OneSided")),
        (replace(QUOTER, live_asks=0, live_bids=0, two_sided_age_s=60.0), ("False", "NoQuotes")),
        (replace(QUOTER, is_quoting=False, reasons=("killed",)), ("False", "NoQuotes")),
        (replace(QUOTER, is_quoting=False, reasons=("stale_market_data",)), ("False", "StaleMarketData")),
        (replace(QUOTER, is_quoting=False, reasons=("feed_down", "held")), ("False", "StaleMarketData")),
        (replace(QUOTER, is_quoting=False, reasons=("held", "rate_limited")), ("False", "NoQuotes")),
        (replace(QUOTER, reasons=("rate_limited",)), ("True", "TwoSided")),
        (replace(QUOTER, live_asks=0, two_sided_age_s=60.0, reasons=("rate_limited",)), ("False", "RateLimited")),
        (
            replace(QUOTER, live_asks=0, live_bids=0, two_sided_age_s=60.0, reasons=("rate_limited", "backoff")),
            ("False", "RateLimited"),
        ),
        (replace(QUOTER, live_asks=0, live_bids=0, two_sided_age_s=60.0, reasons=("backoff",)), ("False", "NoQuotes")),
        (SILENT, ("Unknown", "Unknown")),
        (NOT_YET, ("Unknown", "Unknown")),
    ],
)
def test_quoting(quoter: Any, expected: tuple[str, str]) -> None:
    assert found(ConditionType.QUOTING, quoter=quoter) == expected


@pytest.mark.parametrize("live", [(1, 1, 0.0), (1, 0, 60.0), (0, 0, 60.0)], ids=["both", "one side", "none"])
def test_a_shortage_of_requests_is_told_with_its_remedy(live: tuple[int, int, float]) -> None:
    bids, asks, age_s = live
    short = replace(QUOTER, live_bids=bids, live_asks=asks, two_sided_age_s=age_s, reasons=("rate_limited",))
    (quoting,) = [item for item in judge(seen(quoter=short)) if item.type is ConditionType.QUOTING]
    assert "spec.rateLimit" in quoting.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("True", "Applied")),
        ({"config": Configured(5)}, ("False", "Pending")),
        ({"config": Configured(5, "tick")}, ("False", "Rejected")),
        ({"quoter": SILENT}, ("Unknown", "Unknown")),
    ],
)
def test_config_applied(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(ConditionType.CONFIG_APPLIED, **changes) == expected


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("spec.killSwitch.engaged", "ManualEngaged"),
        ("daily_loss", "DailyLoss"),
        ("drawdown,stale_data", "Drawdown"),
        ("stale_data", "StaleData"),
        ("reject_burst", "RejectBurst"),
        ("runaway", "PositionLimit"),
        ("position_limit", "PositionLimit"),
        ("latch_lost", "LatchLost"),
        ("because I say so", "Other"),
    ],
)
def test_a_trip_is_named_by_its_cause(cause: str, reason: str) -> None:
    risk = replace(RISK, trips=(replace(TRIP, reason=cause),))
    assert found(ConditionType.KILL_SWITCH_TRIPPED, risk=risk) == ("True", reason)


def test_the_accounts_trip_covers_the_market_and_comes_first() -> None:
    risk = replace(RISK, trips=(TRIP, replace(TRIP, market="", trip_id="t-0")))
    assert found(ConditionType.KILL_SWITCH_TRIPPED, risk=risk) == ("True", "AccountTripped")
    assert kill_switch.mirror(risk, "ETH", {})["tripID"] == "t-0"
    assert kill_switch.mirror(risk, "ETH", {})["scope"] == "Account"


def test_not_knowing_is_no_release() -> None:
    before = {"state": "Tripped", "tripID": "t-1", "reason": "DailyLoss"}
    assert found(ConditionType.KILL_SWITCH_TRIPPED, risk=SILENT, latch_before=before) == ("True", "DailyLoss")
    assert kill_switch.mirror(SILENT, "ETH", before) == before
    assert found(ConditionType.KILL_SWITCH_TRIPPED, risk=SILENT) == ("Unknown", "Unknown")
    assert found(ConditionType.KILL_SWITCH_TRIPPED) == ("False", "Armed")


def test_only_a_change_of_status_moves_the_transition_time() -> None:
    ready = ConditionType.READY
    first = findings.conditions([findings.true(ready, Reason.QUOTING, "a")], [], generation=1, now="T1")
    second = findings.conditions([findings.true(ready, Reason.SHADOWING, "b")], first, generation=2, now="T2")
    third = findings.conditions([findings.false(ready, Reason.PAUSED, "c")], second, generation=2, now="T3")
    assert [item[0]["lastTransitionTime"] for item in (first, second, third)] == ["T1", "T1", "T3"]
    assert second[0]["observedGeneration"] == 2


def test_the_order_and_number_of_conditions_never_change() -> None:
    def types(items: list[Finding]) -> list[str]:
        return [item.type.value for item in items]

    whole = types(judge(seen()))
    assert types(judge(seen(quoter=SILENT, risk=SILENT, is_terminating=True))) == whole
    assert len(set(whole)) == 9
