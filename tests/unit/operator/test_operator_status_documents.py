"""Status that is worth writing, and acceptance at the edges of a market's rules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.children import maker

from perpmaker.operator import acceptance, status, times
from perpmaker.operator.acceptance import Claim, judge_maker, winner
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.observe.values import Instrument
from perpmaker.operator.reconcile.rollouts import STUCK_S, Slot

E8 = 10**8
NOW_MS = 1_760_000_000_000
OLD = {"positionNotional": "1000", "openOrders": 6, "dayPnl": "12.5", "asOf": times.from_ms(NOW_MS - 60_000)}


def figures(**changes: Any) -> dict[str, Any]:
    return {**{key: value for key, value in OLD.items() if key != "asOf"}, **changes}


def write(fresh: dict[str, Any], age_s: int = 60) -> bool:
    before = {**OLD, "asOf": times.from_ms(NOW_MS - age_s * 1000)}
    return status.settled_summary(fresh, before, now_ms=NOW_MS, every_s=30.0) != before


@pytest.mark.parametrize(
    ("fresh", "age_s", "expected"),
    [
        (figures(), 60, False),
        (figures(positionNotional="1004"), 60, False),
        (figures(positionNotional="1006"), 60, True),
        (figures(positionNotional="2000"), 10, False),
        (figures(openOrders=5), 60, True),
        (figures(dayPnl="12.55"), 60, False),
        (figures(dayPnl="-3"), 60, True),
        (figures(quoteUptime="99.8%"), 5, True),
        ({}, 60, False),
    ],
)
def test_figures_are_written_when_old_enough_and_moved_enough(
    fresh: dict[str, Any], age_s: int, expected: bool
) -> None:
    assert write(fresh, age_s) is expected


def test_a_figure_that_is_not_known_never_gets_the_time_of_those_that_are() -> None:
    partial = {"openOrders": 0, "dayPnl": "-3"}
    assert not write(partial, age_s=10)
    settled = status.settled_summary(partial, OLD, now_ms=NOW_MS, every_s=30.0)
    assert settled == {**partial, "asOf": times.from_ms(NOW_MS)}
    known_again = figures(positionNotional="7")
    assert status.settled_summary(known_again, settled, now_ms=NOW_MS + 1, every_s=30.0)["positionNotional"] == "7"


@pytest.mark.parametrize(("age_s", "due_s"), [(0, 30.0), (28, 2.0), (30, None), (90, None)])
def test_the_look_that_writes_figures_comes_when_they_are_due_and_not_a_resync_later(
    age_s: int, due_s: float | None
) -> None:
    shown = {"asOf": times.from_ms(NOW_MS - age_s * 1000)}
    assert status.summary_due_s(shown, now_ms=NOW_MS, every_s=30.0) == due_s


def test_no_look_is_due_for_an_object_without_figures() -> None:
    assert status.summary_due_s({}, now_ms=NOW_MS, every_s=30.0) is None


def test_a_heartbeat_alone_is_not_written() -> None:
    live = {"status": {"observedGeneration": 1, "quoter": {"podName": "p", "lastHeartbeatTime": "T1"}}}
    fresh = {"observedGeneration": 1, "quoter": {"podName": "p", "lastHeartbeatTime": "T2"}, "summary": {}}
    assert not status.differs(fresh, live)
    assert status.differs({**fresh, "observedGeneration": 2}, live)


@pytest.mark.parametrize(
    ("ppm", "text"), [(998_000, "99.8%"), (1_000_000, "100%"), (0, "0%"), (999_960, "100%"), (123_456, "12.3%")]
)
def test_a_share_is_told_in_percent(ppm: int, text: str) -> None:
    assert status.percent(ppm) == text


@pytest.mark.parametrize(
    ("amount_e8", "text"), [(123 * E8, "123"), (-1_005_000_000, "-10.05"), (499_999, "0"), (500_000, "0.01")]
)
def test_money_is_told_to_the_cent(amount_e8: int, text: str) -> None:
    assert status.cents(amount_e8) == text


def judged(changes: dict[str, Any] | None = None, **facts: Any) -> Reason:
    subject = maker(changes or {})
    claim = Claim("T1", subject.metadata.name, subject.metadata.uid or "")
    told = {
        "refused_symbol": "",
        "refused_leverage": "",
        "instrument": Instrument(1, 4, 25, 10 * E8),
        "mark_px_e8": 4_000 * E8,
        **facts,
    }
    claims = told.pop("claims", [claim])
    return judge_maker(subject, claims, **told).reason


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({}, {}, Reason.VALID),
        ({}, {"instrument": None}, Reason.VALID),
        ({"spec.leverage": {"value": 25}}, {}, Reason.VALID),
        ({"spec.leverage": {"value": 26}}, {}, Reason.LEVERAGE_TOO_HIGH),
        ({"spec.quoting.orderNotional": "10"}, {"mark_px_e8": 150_000 * E8}, Reason.BELOW_TICK_OR_LOT),
        ({"spec.quoting.orderNotional": "10"}, {"mark_px_e8": 0}, Reason.VALID),
        ({}, {"instrument": Instrument(1, 0, 25, 10 * E8)}, Reason.BELOW_TICK_OR_LOT),
        ({}, {"refused_symbol": "market 'ETH' does not exist"}, Reason.UNKNOWN_SYMBOL),
        ({"spec.market.kind": "Spot"}, {}, Reason.NOT_SUPPORTED),
        ({"spec.rollout": {"strategy": "Handover"}}, {}, Reason.NOT_SUPPORTED),
        ({"spec.pod": {"hostNetwork": True}}, {}, Reason.INVALID_POD_OVERRIDE),
        ({}, {"claims": [Claim("T0", "older", "u")]}, Reason.DUPLICATE_MARKET),
    ],
)
def test_acceptance(changes: dict[str, Any], facts: dict[str, Any], reason: Reason) -> None:
    assert judged(changes, **facts) is reason


def test_the_oldest_has_the_market_and_of_equals_the_first_by_name() -> None:
    claims = [Claim("T2", "a", "1"), Claim("T1", "c", "2"), Claim("T1", "b", "3")]
    assert winner(claims).name == "b"


def test_what_is_wrong_is_told_without_the_value() -> None:
    body = maker().model_dump(mode="json", by_alias=True, exclude_none=True)
    body["spec"]["quoting"]["orderNotional"] = "my secret"
    verdict = acceptance.parse_maker(body)
    assert isinstance(verdict, acceptance.Verdict)
    assert "spec.quoting.orderNotional" in verdict.message
    assert "my secret" not in verdict.message


class Hand:
    """A clock moved by hand."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * 1e9)

    def now_ms(self) -> int:
        return int(self.now_s * 1e3)


def ref(name: str) -> Ref:
    return Ref(kinds.MARKET_MAKER, "trading", name)


def ask_all(slot: Slot, clock: Hand, asking: dict[str, int], seconds: float) -> list[str]:
    """Everybody asks twice a second; who was granted in this time, in order."""
    granted: list[str] = []
    for _ in range(int(seconds * 2)):
        clock.now_s += 0.5
        granted += [name for name, rank in asking.items() if name not in granted and slot.take(ref(name), rank)]
    return granted


def test_the_slot_goes_to_the_least_risk_first_and_pauses_in_between() -> None:
    clock = Hand()
    slot = Slot(clock, 5.0)
    assert ask_all(slot, clock, {"active": 1, "paused": 0}, 3) == ["paused"]
    assert slot.done(ref("paused"))
    assert ask_all(slot, clock, {"active": 1}, 4) == []
    assert ask_all(slot, clock, {"active": 1}, 2) == ["active"]


def test_a_replacement_that_hangs_does_not_hold_the_others_for_ever() -> None:
    clock = Hand()
    slot = Slot(clock, 0.0)
    assert ask_all(slot, clock, {"broken": 1}, 3) == ["broken"]
    assert ask_all(slot, clock, {"next": 1}, 3) == []
    clock.now_s += STUCK_S
    assert ask_all(slot, clock, {"next": 1}, 3) == ["next"]


def test_who_went_away_waits_no_more() -> None:
    clock = Hand()
    slot = Slot(clock, 0.0)
    slot.take(ref("a-gone"), 0)
    clock.now_s += 10
    assert ask_all(slot, clock, {"b-here": 1}, 3) == ["b-here"]
