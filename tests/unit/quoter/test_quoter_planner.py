"""Golden plans: skip, replace, cancel, place, and every deferral."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.quoter import PX, carry_out, order, target

from perpmaker.common.decimals import E8
from perpmaker.quoter.plan import Cancel, Placement, Plan, Reason, Replacement, Skip
from perpmaker.quoter.planner import Room, cancel_all, drift_bps, plan_ladder, restrain, tolerance_bps, within_count
from perpmaker.quoter.values import LiveOrder, LiveState, Side, TargetLevel

BUY, SELL = Side.BUY, Side.SELL
WIDE = Room(E8, E8)
BID = target(BUY, PX - 30 * E8)
BID_1 = target(BUY, PX - 42 * E8, level=1)
ASK = target(SELL, PX + 30 * E8)
IN_DOUBT = [LiveState.PENDING, LiveState.CANCELLING, LiveState.UNKNOWN]


def plan(targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...], **changes: Any) -> Plan:
    wanted: dict[str, Any] = {"tolerance": 0.5, "room": WIDE} | changes
    return plan_ladder(targets, orders, **wanted)


def test_an_empty_book_gets_every_target() -> None:
    assert plan((BID, ASK), ()) == Plan(places=(Placement(BID, Reason.NEW_LEVEL), Placement(ASK, Reason.NEW_LEVEL)))


def test_an_order_within_tolerance_is_left_alone() -> None:
    live = order(BUY, BID.px_e8 - 2 * E8)
    assert plan((BID,), (live,)) == Plan(skips=(Skip(BUY, 0, Reason.WITHIN_TOLERANCE),))


def test_an_order_beyond_tolerance_is_replaced() -> None:
    live = order(BUY, BID.px_e8 - 4 * E8)
    assert plan((BID,), (live,)).replaces == (Replacement(live, BID, Reason.PRICE),)


@pytest.mark.parametrize(("share", "changes"), [(0.4, True), (0.6, False), (1.2, False), (1.3, True)])
def test_only_large_size_differences_are_worth_a_request(share: float, changes: bool) -> None:
    live = order(BUY, BID.px_e8, sz_e8=int(BID.sz_e8 * share))
    assert bool(plan((BID,), (live,)).replaces) is changes


def test_an_order_whose_level_is_gone_serves_the_nearest_free_target() -> None:
    live = order(BUY, BID_1.px_e8, level=2)
    assert plan((BID, BID_1), (live,)) == Plan(
        replaces=(Replacement(live, BID_1, Reason.RELEVEL),), places=(Placement(BID, Reason.NEW_LEVEL),)
    )


def test_an_order_without_a_target_is_cancelled() -> None:
    live = order(SELL, PX + 30 * E8)
    assert plan((BID,), (live,)).cancels == (Cancel(live, Reason.NO_TARGET),)


def test_of_two_orders_for_one_level_the_nearer_stays() -> None:
    near, far = order(BUY, BID.px_e8), order(BUY, BID.px_e8 - 5 * E8)
    done = plan((BID,), (far, near))
    assert done.cancels == (Cancel(far, Reason.NO_TARGET),)
    assert not done.adds


@pytest.mark.parametrize("state", IN_DOUBT)
def test_a_level_in_doubt_gets_no_second_order(state: LiveState) -> None:
    live = order(BUY, BID.px_e8, state=state)
    assert plan((BID,), (live,)) == Plan(skips=(Skip(BUY, 0, Reason.IN_DOUBT),))


@pytest.mark.parametrize("state", IN_DOUBT)
def test_a_level_in_doubt_is_not_given_to_an_order_of_another_level(state: LiveState) -> None:
    doubtful, other = order(BUY, BID.px_e8, state=state), order(BUY, BID.px_e8 - 3 * E8, level=3)
    done = plan((BID,), (doubtful, other))
    assert not done.adds
    assert done.cancels == (Cancel(other, Reason.NO_TARGET),)


def test_a_new_order_stays_while_the_one_it_replaced_is_still_leaving() -> None:
    leaving, new = order(BUY, BID.px_e8 - 9 * E8, state=LiveState.CANCELLING), order(BUY, BID.px_e8)
    assert plan((BID,), (leaving, new)).is_empty


def test_an_order_that_has_to_move_waits_for_its_predecessor_to_leave() -> None:
    leaving, new = order(BUY, BID.px_e8, state=LiveState.CANCELLING), order(BUY, BID.px_e8 - 9 * E8)
    assert plan((BID,), (leaving, new)) == Plan(skips=(Skip(BUY, 0, Reason.IN_DOUBT),))


def test_an_order_that_has_to_move_beside_an_unknown_one_is_cancelled() -> None:
    unknown, live = order(BUY, BID.px_e8, state=LiveState.UNKNOWN), order(BUY, BID.px_e8 - 9 * E8)
    assert plan((BID,), (unknown, live)).cancels == (Cancel(live, Reason.IN_DOUBT),)


def test_drift_beyond_a_hundred_bps_cancels_everything_and_places_nothing() -> None:
    far, ask = order(BUY, int(BID.px_e8 * 0.988)), order(SELL, ASK.px_e8)
    assert plan((BID, ASK), (far, ask)) == Plan(cancels=(Cancel(far, Reason.DRIFT), Cancel(ask, Reason.DRIFT)))


def test_nothing_is_placed_until_drifted_orders_have_left() -> None:
    leaving = order(BUY, int(BID.px_e8 * 0.988), state=LiveState.CANCELLING)
    assert plan((BID, ASK), (leaving,)).is_empty
    assert len(plan((BID, ASK), ()).places) == 2


def test_ninety_nine_bps_are_an_ordinary_replacement() -> None:
    live = order(BUY, int(BID.px_e8 * 0.9901))
    assert plan((BID,), (live,)).replaces == (Replacement(live, BID, Reason.PRICE),)


def test_drift_is_zero_without_orders_or_without_targets() -> None:
    assert drift_bps((), (BID,), BUY) == 0.0
    assert drift_bps((order(BUY, 1),), (), BUY) == 0.0
    assert drift_bps((order(BUY, 1, state=LiveState.UNKNOWN),), (BID,), BUY) == 0.0


def test_a_bid_waits_for_our_own_ask_in_its_way() -> None:
    ask = order(SELL, BID.px_e8)
    first = plan((BID, ASK), (ask,))
    assert first.skips == (Skip(BUY, 0, Reason.OWN_CROSS),)
    assert plan((BID, ASK), carry_out(first, (ask,))).places == (Placement(BID, Reason.NEW_LEVEL),)


def test_an_ask_to_be_moved_onto_our_own_bid_waits() -> None:
    bid, ask = order(BUY, ASK.px_e8, level=0), order(SELL, ASK.px_e8 + 20 * E8)
    assert Skip(SELL, 0, Reason.OWN_CROSS) in plan((BID, ASK), (bid, ask)).skips


def test_an_order_within_tolerance_still_makes_room_for_the_other_side() -> None:
    bid, ask = target(BUY, PX - E8), target(SELL, PX + E8)
    live = order(BUY, ask.px_e8)
    first = plan((bid, ask), (live,), tolerance=1.0)
    assert first.replaces == (Replacement(live, bid, Reason.PRICE),)
    assert plan((bid, ask), carry_out(first, (live,)), tolerance=1.0).places == (Placement(ask, Reason.NEW_LEVEL),)


def test_a_cancelled_order_counts_against_the_room_until_it_has_left() -> None:
    leaving = order(BUY, BID.px_e8, level=3, sz_e8=BID.sz_e8, state=LiveState.CANCELLING)
    tight = Room(BID.sz_e8, E8)
    assert plan((BID,), (leaving,), room=tight).skips == (Skip(BUY, 0, Reason.EXPOSURE),)
    assert plan((BID,), (), room=tight).places == (Placement(BID, Reason.NEW_LEVEL),)


def test_a_replacement_counts_with_both_legs_and_becomes_a_cancel_where_they_do_not_fit() -> None:
    live = order(BUY, BID.px_e8 - 9 * E8, sz_e8=BID.sz_e8)
    assert plan((BID,), (live,), room=Room(2 * BID.sz_e8, E8)).replaces == (Replacement(live, BID, Reason.PRICE),)
    assert plan((BID,), (live,), room=Room(2 * BID.sz_e8 - 1, E8)).cancels == (Cancel(live, Reason.EXPOSURE),)


def test_a_remnant_gives_way_when_the_whole_order_fits_in_its_place() -> None:
    live = order(BUY, BID.px_e8, sz_e8=BID.sz_e8 // 4)
    assert plan((BID,), (live,), room=Room(BID.sz_e8, E8)).cancels == (Cancel(live, Reason.EXPOSURE),)


def test_a_remnant_stays_while_an_order_in_doubt_takes_the_room_it_would_need() -> None:
    live = order(BUY, BID.px_e8, sz_e8=BID.sz_e8 // 4)
    doubtful = order(BUY, BID_1.px_e8, level=1, sz_e8=BID.sz_e8, state=LiveState.UNKNOWN)
    done = plan((BID,), (live, doubtful), room=Room(BID.sz_e8, E8))
    assert done == Plan(skips=(Skip(BUY, 0, Reason.EXPOSURE),))


def test_a_tolerated_excess_is_taken_back_where_it_keeps_another_level_out() -> None:
    live = order(BUY, BID.px_e8, sz_e8=BID.sz_e8 + 1_000)
    assert plan((BID, BID_1), (live,), room=Room(2 * BID.sz_e8, E8)).cancels == (Cancel(live, Reason.EXPOSURE),)


def test_an_order_whose_replacement_was_refused_is_cancelled_instead() -> None:
    live = order(BUY, BID.px_e8 - 9 * E8)
    done = plan((BID,), (live,), not_replaceable=frozenset({live.cloid}))
    assert done.cancels == (Cancel(live, Reason.REFUSED),)


def test_cancel_all_asks_for_orders_in_doubt_but_not_twice_for_those_leaving() -> None:
    orders = tuple(order(BUY, BID.px_e8, state=state) for state in LiveState)
    assert len(cancel_all(orders, Reason.PULL).cancels) == 3


def test_a_restrained_plan_keeps_quotes_except_those_on_the_wrong_side_of_fair() -> None:
    good, stale = order(BUY, PX - 9 * E8), order(SELL, PX - 5 * E8)
    wanted = Plan(
        replaces=(Replacement(good, BID, Reason.PRICE), Replacement(stale, ASK, Reason.PRICE)),
        places=(Placement(BID_1, Reason.NEW_LEVEL),),
    )
    assert restrain(wanted, Reason.HELD, fair=float(PX)) == Plan(
        cancels=(Cancel(stale, Reason.STALE),),
        skips=(Skip(BUY, 0, Reason.HELD), Skip(BUY, 1, Reason.HELD)),
    )


def test_a_restrained_plan_may_fill_an_empty_side() -> None:
    wanted = Plan(places=(Placement(BID, Reason.NEW_LEVEL), Placement(ASK, Reason.NEW_LEVEL)))
    assert restrain(wanted, Reason.THROTTLED, fair=float(PX), may_fill=frozenset({SELL})) == Plan(
        places=(Placement(ASK, Reason.NEW_LEVEL),), skips=(Skip(BUY, 0, Reason.THROTTLED),)
    )


@pytest.mark.parametrize(
    ("configured", "half", "tick", "expected"),
    [(0.5, 2.0, 0.1, 0.5), (0.5, 20.0, 0.1, 2.0), (5.0, 4.0, 0.1, 2.0), (0.5, 2.0, 8.0, 8.0)],
)
def test_tolerance_follows_half_spread_and_tick(configured: float, half: float, tick: float, expected: float) -> None:
    assert tolerance_bps(configured, half, tick) == expected


def test_new_orders_stop_at_the_number_of_live_orders_and_replacements_come_first() -> None:
    far = order(SELL, ASK.px_e8 + 4 * E8)
    wanted = plan((BID, ASK), (far,))
    assert (len(wanted.replaces), len(wanted.places)) == (1, 1)
    assert within_count(wanted, live=1, limit=3) == wanted
    tight = within_count(wanted, live=1, limit=2)
    assert (tight.replaces, tight.places) == (wanted.replaces, ())
    assert tight.skips == (Skip(BUY, 0, Reason.TOO_MANY),)
    full = within_count(wanted, live=3, limit=2)
    assert not full.adds
    assert {skip.reason for skip in full.skips} == {Reason.TOO_MANY}
