"""The budget of requests per account. Documentation: "Rate limits and user limits", address-based limits."""

from __future__ import annotations

from typing import Any

from tests.support.venue_core import ALICE, BOB, Bench, bench

from perpmaker.venue.engine.account_actions import ReserveRequestWeight, UserSetAbstraction
from perpmaker.venue.engine.actions import CancelOrders, Noop, ScheduleCancel
from perpmaker.venue.engine.answers import Answer, Err, Ok
from perpmaker.venue.engine.limits.address import exhaust, surplus_of, used_by
from perpmaker.venue.engine.limits.rules import AddressRules, LimitRules
from perpmaker.venue.units import E8
from perpmaker.venue.views.accounts import user_rate_limit

OK = Ok({"type": "default"})
NOTHING = CancelOrders(((0, 1),))


def limited(base: int, **rules: Any) -> Bench:
    return bench(limits=LimitRules(address=AddressRules(base_requests=base, **rules)))


def is_over(answer: Answer) -> bool:
    return isinstance(answer, Err) and answer.text.startswith("Too many cumulative requests sent")


def test_over_the_budget_one_action_passes_in_ten_seconds_and_refused_ones_change_nothing() -> None:
    venue = limited(1)
    assert venue.run(ALICE, Noop()) == OK
    assert venue.run(ALICE, Noop()) == OK, "the first one beyond passes at once"
    passed_ms = venue.now_ms
    for _ in range(5):
        venue.step(1_500)
        assert is_over(venue.run(ALICE, Noop()))
    assert venue.state.accounts[ALICE].requests == 2
    venue.step(passed_ms + 9_900 - venue.now_ms)
    assert is_over(venue.run(ALICE, Noop()))
    venue.step(passed_ms + 9_999 - venue.now_ms)
    assert venue.run(ALICE, Noop()) == OK
    assert venue.state.accounts[ALICE].requests == 3


def test_a_limited_maker_can_still_cancel_until_twice_the_budget() -> None:
    venue = limited(3)
    for _ in range(3):
        venue.run(ALICE, Noop())
    venue.run(ALICE, Noop())
    assert is_over(venue.run(ALICE, Noop()))
    for _ in range(2):
        assert isinstance(venue.run(ALICE, NOTHING), Ok)
    assert is_over(venue.run(ALICE, NOTHING))


def test_the_dead_mans_switch_is_no_cancel_to_the_budget() -> None:
    venue = limited(1)
    venue.run(ALICE, Noop())
    venue.run(ALICE, Noop())
    assert is_over(venue.run(ALICE, ScheduleCancel(None)))


def test_bought_requests_cost_money_and_are_shown_as_surplus() -> None:
    venue = bench()
    venue.run(ALICE, Noop())
    account = venue.state.accounts[ALICE]
    before, fees = account.raw_e8, venue.state.pool.fees_e8
    assert venue.run(ALICE, ReserveRequestWeight(100, None)) == OK
    assert before - account.raw_e8 == venue.state.pool.fees_e8 - fees == 100 * 50_000
    shown = user_rate_limit(venue.state, account)
    assert (shown["nRequestsUsed"], shown["nRequestsSurplus"], shown["nRequestsCap"]) == (0, 98, 10_000)
    assert (used_by(account), surplus_of(account)) == (0, 98)


def test_requests_nobody_can_pay_for_are_not_sold() -> None:
    venue = bench()
    venue.run(ALICE, Noop())
    assert venue.run(ALICE, ReserveRequestWeight(10**12, None)) == Err("Insufficient balance for token transfer")
    assert venue.state.accounts[ALICE].requests_reserved == 0


def test_bought_requests_may_be_for_somebody_else() -> None:
    venue = bench()
    venue.run(BOB, Noop())
    assert venue.run(ALICE, ReserveRequestWeight(10, BOB)) == OK
    assert venue.state.accounts[BOB].requests_reserved == 10


def test_without_limits_everything_passes_and_is_still_counted() -> None:
    venue = limited(0, enforced=False)
    for _ in range(5):
        assert venue.run(ALICE, Noop()) == OK
    assert venue.state.accounts[ALICE].requests == 5


def test_an_exhausted_account_waits_for_its_first_passage_too() -> None:
    venue = limited(10_000)
    venue.run(ALICE, Noop())
    exhaust(venue.state.accounts[ALICE], venue.state.rules.limits.address, venue.now_ms)
    assert is_over(venue.run(ALICE, Noop())) and is_over(venue.run(ALICE, NOTHING))
    venue.step(10_000)
    assert venue.run(ALICE, Noop()) == OK


def test_a_unified_account_has_a_number_of_actions_a_day() -> None:
    venue = limited(10_000, unified_daily_actions=3)
    nonce = venue.now_ms
    assert venue.run(ALICE, UserSetAbstraction(ALICE, "unifiedAccount", nonce), nonce=nonce) == OK
    assert venue.run(ALICE, Noop()) == OK and venue.run(ALICE, Noop()) == OK
    assert venue.run(ALICE, Noop()) == Err("Too many actions today with unified account. Limit is 3")
    venue.step(86_400_000)
    assert venue.run(ALICE, Noop(), nonce=venue.now_ms) == OK


def test_in_congestion_an_account_has_twice_its_share_of_yesterdays_making() -> None:
    venue = limited(10_000, congested_actions_per_minute=10)
    yesterday = venue.now_ms // 86_400_000 - 1
    for address, made in ((ALICE, 1), (BOB, 4)):
        venue.run(address, Noop())
        venue.state.accounts[address].volume_by_day[yesterday] = (0, made * E8)
    venue.step(60_000)
    venue.state.gates.congested = True
    answers = [venue.run(ALICE, Noop()) for _ in range(5)]
    assert answers == [OK] * 4 + [Err("Too many actions during congestion. Limit is 4 per minute")]
    venue.state.gates.congested = False
    assert venue.run(ALICE, Noop()) == OK
