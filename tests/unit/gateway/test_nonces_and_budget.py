"""Nonces and budgets, by a clock that moves when told."""

from __future__ import annotations

import pytest

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.budget import (
    Budgets,
    BudgetSettings,
    Priority,
    TokenBucket,
    exchange_weight,
    info_weight,
)
from perpmaker.gateway.nonces import FARTHEST_FLOOR_MS, MAX_LEAD_MS, REMEMBERED, Nonces


def _budgets(ceiling: int = 600, reserved: int = 30) -> Budgets:
    return Budgets(BudgetSettings(ceiling, reserved), 0.0)


def test_nonce_is_the_clock_in_milliseconds() -> None:
    clock = ManualClock(1_760_000_000_000)
    assert Nonces(clock, 0).take() == 1_760_000_000_000


def test_two_nonces_of_one_millisecond_differ() -> None:
    nonces = Nonces(ManualClock(), 0)
    assert nonces.take() + 1 == nonces.take()


def test_nonces_are_lifted_above_all_that_the_exchange_may_remember_and_never_back() -> None:
    clock = ManualClock()
    floor = clock.now_ms() + 1_000
    nonces = Nonces(clock, 0)
    nonces.lift(floor)
    assert nonces.take() == floor + REMEMBERED
    nonces.lift(floor - 500)
    assert nonces.take() == floor + REMEMBERED + 1
    nonces.lift(clock.now_ms() + FARTHEST_FLOOR_MS + 1)
    assert nonces.take() == floor + REMEMBERED + 2, "no exchange means that"


def test_nonces_begin_above_the_highest_recorded() -> None:
    clock = ManualClock(1_000)
    assert Nonces(clock, 5_000).take() == 5_001


def test_lead_over_the_clock_is_known() -> None:
    clock = ManualClock(1_000)
    assert Nonces(clock, 1_000 + MAX_LEAD_MS).lead_ms() > MAX_LEAD_MS
    assert Nonces(clock, 10).lead_ms() == 0


def test_bucket_keeps_its_reserve_from_the_unprivileged() -> None:
    bucket = TokenBucket(100, 1, 30, 0.0)
    assert bucket.take(70, 0.0)
    assert not bucket.take(1, 0.0)
    bucket.take_privileged(30, 0.0)
    assert bucket.level(0.0) == 0


def test_bucket_refills_with_time_and_says_how_long() -> None:
    bucket = TokenBucket(100, 10, 0, 0.0)
    bucket.take(100, 0.0)
    assert bucket.wait_s(50, 0.0) == pytest.approx(5.0)
    assert not bucket.take(50, 4.9)
    assert bucket.take(50, 5.0)


def test_a_resized_bucket_remembers_what_was_used() -> None:
    bucket = TokenBucket(100, 1, 0, 0.0)
    bucket.take(60, 0.0)
    bucket.resize(200, 2, 50, 0.0)
    assert bucket.level(0.0) == 140
    bucket.resize(50, 1, 0, 0.0)
    assert bucket.level(0.0) == -10
    assert bucket.level(10.0) == 0


def test_other_settings_hold_from_the_next_order_on() -> None:
    budgets = _budgets(ceiling=10, reserved=30)
    assert budgets.admit_orders(10, 0, 0.0) is None
    budgets.apply(BudgetSettings(20, 90), 0.0)
    assert budgets.admit_orders(11, 0, 0.0) == "own_ceiling"
    assert budgets.admit_orders(10, 0, 0.0) is None
    assert budgets.admit_orders(1, 10, 60.0) == "in_flight"


def test_bucket_ignores_a_clock_that_goes_back() -> None:
    bucket = TokenBucket(10, 1, 0, 100.0)
    bucket.take(10, 100.0)
    assert bucket.level(50.0) == 0
    assert bucket.level(101.0) == 1


def test_more_than_the_bucket_can_hold_never_comes() -> None:
    assert TokenBucket(10, 1, 5, 0.0).wait_s(6, 0.0) == float("inf")


def test_no_minute_sees_more_connects_than_allowed() -> None:
    budgets = _budgets()
    at_s, times = 0.0, []
    for _ in range(200):
        at_s += budgets.connects.reserve_s(1, at_s)
        times.append(at_s)
    for begin in times:
        assert sum(begin <= moment < begin + 60 for moment in times) <= 30


def test_orders_stop_at_the_own_ceiling_and_cancels_do_not() -> None:
    budgets = _budgets(ceiling=10)
    assert budgets.admit_orders(10, 0, 0.0) is None
    assert budgets.admit_orders(1, 0, 0.0) == "own_ceiling"
    budgets.record_cancels(50, 0.0)
    assert budgets.admit_orders(1, 0, 6.0) is None


def test_orders_stop_when_the_posts_left_belong_to_cancels() -> None:
    budgets = _budgets(reserved=30)
    assert budgets.admit_orders(1, 69, 0.0) is None
    assert budgets.admit_orders(1, 70, 0.0) == "in_flight"


def test_orders_stop_just_below_the_address_limit() -> None:
    budgets = _budgets()
    budgets.address.observe(cap=10_000, used=9_890)
    assert budgets.admit_orders(10, 0, 0.0) is None
    assert budgets.admit_orders(1, 0, 0.0) == "address"


def test_refused_orders_cost_nothing() -> None:
    budgets = _budgets(ceiling=5)
    left = budgets.address.left
    assert budgets.admit_orders(6, 0, 0.0) == "own_ceiling"
    assert budgets.address.left == left
    assert budgets.admit_orders(5, 0, 0.0) is None


@pytest.mark.parametrize(("items", "weight"), [(1, 1), (39, 1), (40, 2), (79, 2), (80, 3)])
def test_weight_of_a_batch_grows_every_forty_items(items: int, weight: int) -> None:
    assert exchange_weight(items) == weight


def test_weight_of_a_fill_page_is_a_full_page_until_counted() -> None:
    assert info_weight("userFillsByTime") == 120
    assert info_weight("userFillsByTime", 40) == 22
    assert info_weight("orderStatus") == 2
    assert info_weight("userRole") == 60
    assert info_weight("openOrders", 500) == 20


def test_what_comes_first_is_refused_last() -> None:
    budgets = _budgets(reserved=30)
    in_flight = {
        priority: next(n for n in range(101) if budgets.admit_orders(1, n, 0.0, priority) == "in_flight")
        for priority in Priority
    }
    assert in_flight == {Priority.REDUCE_ONLY: 85, Priority.REQUOTE: 70, Priority.ADD_LEVEL: 60}


def test_own_ceiling_keeps_a_part_for_requotes_and_reductions() -> None:
    def taken(priority: Priority) -> int:
        budgets = _budgets(ceiling=600)
        return next(n for n in range(601) if budgets.admit_orders(1, 0, 0.0, priority) is not None or n == 600)

    assert [taken(priority) for priority in Priority] == [600, 585, 540]


def test_address_limit_is_left_to_what_comes_first() -> None:
    budgets = _budgets()
    budgets.address.observe(cap=10_000, used=9_850)
    assert budgets.admit_orders(1, 0, 0.0, Priority.ADD_LEVEL) == "address"
    assert budgets.admit_orders(50, 0, 0.0, Priority.REQUOTE) is None
    assert budgets.admit_orders(1, 0, 0.0, Priority.REQUOTE) == "address"
    assert budgets.admit_orders(50, 0, 0.0, Priority.REDUCE_ONLY) is None
    assert budgets.admit_orders(1, 0, 0.0, Priority.REDUCE_ONLY) == "address"
    budgets.record_cancels(100, 0.0)


def test_forecast_goes_on_as_in_the_last_hour() -> None:
    address = _budgets().address
    assert address.hours_left == float("inf")
    address.observe(10_000, 0, 0.0)
    address.observe(10_000, 1_000, 1_800.0)
    assert address.hours_left == pytest.approx(4.5)
    # Volume gave back as much as was sent since, and the first half hour is forgotten.
    address.observe(12_000, 3_000, 5_400.0)
    assert address.hours_left == float("inf")
    address.observe(12_000, 12_500, 5_500.0)
    assert address.hours_left == 0
