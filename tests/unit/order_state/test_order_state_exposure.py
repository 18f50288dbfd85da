"""What live orders can still do to a position."""

from __future__ import annotations

import pytest
from tests.support.order_state import T0, e8, order, resting

from perpmaker.order_state.core.exposure import Exposure, exposure_of
from perpmaker.order_state.core.transitions import State


def test_no_orders_no_exposure():
    assert exposure_of([], T0) == Exposure()


def test_sides_are_summed_apart():
    got = exposure_of([resting(1), resting(2, is_buy=False, sz_e8=e8("2"))], T0)
    assert (got.active_bid_e8, got.active_ask_e8, got.net_pending_e8) == (e8("1"), e8("2"), -e8("1"))
    assert (got.bid_notional_e8, got.ask_notional_e8, got.open_orders) == (e8("100"), e8("200"), 2)


def test_only_the_remainder_of_a_partly_filled_order_counts():
    got = exposure_of([resting(1, state=State.PARTIALLY_FILLED, filled_e8=e8("0.4"))], T0)
    assert (got.active_bid_e8, got.max_possible_bid_e8) == (e8("0.6"), e8("0.6"))


@pytest.mark.parametrize("state", [State.PENDING, State.CANCEL_PENDING, State.UNKNOWN])
def test_orders_in_between_are_possible_but_not_active(state):
    got = exposure_of([order(1, state=state)], T0)
    assert (got.active_bid_e8, got.max_possible_bid_e8, got.open_orders) == (0, e8("1"), 1)


def test_the_oldest_doubt_is_dated():
    doubts = [order(n, state=State.UNKNOWN, state_time_ms=T0 + n) for n in (3, 1, 2)]
    got = exposure_of(doubts, T0)
    assert (got.unknown_orders, got.oldest_unknown_since_ms) == (3, T0 + 1)


@pytest.mark.parametrize("state", [State.FILLED, State.REJECTED, State.NEVER_LANDED])
def test_orders_that_are_over_are_nothing(state):
    assert exposure_of([order(1, state=state)], T0) == Exposure()


def test_the_worst_cases_span_what_can_happen():
    got = exposure_of([resting(1), resting(2, is_buy=False, sz_e8=e8("2"))], T0)
    assert got.worst_case(e8("5")) == (e8("3"), e8("6"))
