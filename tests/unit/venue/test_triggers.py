"""Trigger orders and groups: when they start to wait, when they fire, and who goes with whom.

Exchange documentation: "Take profit and stop loss orders".
"""

from __future__ import annotations

import pytest
from tests.support.venue_core import ALICE, BOB, Bench, bench, limit, oid_of, trigger

from perpmaker.venue.engine.actions import CancelOrders
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Grouping, Order, Tif, Wait
from perpmaker.venue.engine.resting import cancel_all, drop
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.units import E8, parse_e8
from perpmaker.venue.views.orders import frontend_open_orders, order_record

STOP, PROFIT, PARENT = ("0x" + digit * 32 for digit in "123")


def order_of(venue: Bench, cloid: str, who: str = ALICE) -> Order:
    order = venue.state.accounts[who].find(cloid)
    assert isinstance(order, Order)
    return order


def with_position(sz: str = "1", **rules: object) -> Bench:
    venue = bench(**rules)  # type: ignore[arg-type]
    venue.place(BOB, limit("180", sz, buy=False))
    venue.place(ALICE, limit("180", sz, tif=Tif.IOC))
    return venue


def bracket() -> Bench:
    """Alice's bid at 179 with a stop below and a take-profit above it, nothing filled."""
    venue = bench()
    placed = venue.place_group(
        ALICE,
        Grouping.NORMAL_TPSL,
        limit("179", "2", cloid=PARENT),
        trigger("175", "170", "2", cloid=STOP),
        trigger("190", "185", "2", take_profit=True, cloid=PROFIT),
    )
    assert placed[1:] == ["waitingForFill", "waitingForFill"]
    return venue


def test_an_accepted_trigger_order_is_answered_without_an_oid_and_stands_in_no_book() -> None:
    venue = with_position()
    assert venue.place(ALICE, trigger("175", cloid=STOP)) == "waitingForTrigger"
    order = order_of(venue, STOP)
    assert order.is_open
    assert venue.state.book(0).best_ask() is None
    assert venue.state.accounts[ALICE].exposure(0).sell_quote_e8 == 0


@pytest.mark.parametrize(
    ("buy", "take_profit", "at", "fires_at", "waits_at"),
    [
        (False, False, "175", "175", "175.01"),
        (False, True, "185", "185", "184.99"),
        (True, False, "185", "185", "184.99"),
        (True, True, "175", "175", "175.01"),
    ],
)
def test_stops_follow_the_mark_and_take_profits_meet_it(
    buy: bool, take_profit: bool, at: str, fires_at: str, waits_at: str
) -> None:
    venue = bench()
    order = trigger(at, buy=buy, take_profit=take_profit, reduce_only=False, market=False, cloid=STOP)
    assert venue.place(ALICE, order) == "waitingForTrigger"
    venue.move_mark(waits_at)
    assert order_of(venue, STOP).wait is Wait.TRIGGER
    venue.move_mark(fires_at)
    assert order_of(venue, STOP).wait is Wait.NOTHING
    assert order_of(venue, STOP).status is Status.OPEN


@pytest.mark.parametrize(
    ("buy", "take_profit", "at"), [(False, False, "181"), (True, True, "181"), (True, False, "179")]
)
def test_a_trigger_that_is_already_reached_is_refused_with_a_record(buy: bool, take_profit: bool, at: str) -> None:
    venue = with_position()
    status = venue.place(ALICE, trigger(at, buy=buy, take_profit=take_profit, cloid=STOP))
    assert status == {"error": "Invalid TP/SL price. asset=0"}
    assert venue.status(ALICE, STOP) == "badTriggerPxRejected"


def test_the_limit_of_a_trigger_order_must_reach_its_trigger() -> None:
    short_of_it = trigger("175", "176", market=False)
    assert with_position().place(ALICE, short_of_it) == {"error": "Invalid TP/SL price. asset=0"}
    lenient = with_position(orders=OrderRules(trigger_limit_reaches=False))
    assert lenient.place(ALICE, short_of_it) == "waitingForTrigger"


def test_a_market_trigger_takes_what_its_bound_allows_and_drops_the_rest() -> None:
    venue = with_position("2")
    venue.place(BOB, limit("174", "0.5"), limit("169", "5"))
    venue.place(ALICE, trigger("175", "170", "2", cloid=STOP))
    block = venue.move_mark("174.5")
    told = [update.status for update in block.events.updates if update.order is order_of(venue, STOP)]
    assert told == [Status.TRIGGERED, Status.FILLED]
    assert venue.position(ALICE) == 3 * E8 // 2


def test_a_fired_limit_order_rests_under_its_oid() -> None:
    venue = with_position()
    venue.place(ALICE, trigger("175", "174", market=False, cloid=STOP))
    before = order_of(venue, STOP).oid
    block = venue.move_mark("175")
    assert [update.status for update in block.events.updates] == [Status.TRIGGERED, Status.OPEN]
    assert venue.opened(ALICE) == [(174 * E8, E8)]
    assert order_of(venue, STOP).oid == before


@pytest.mark.parametrize(
    ("stays", "shown"),
    [(False, (False, "N/A", "0.0", "Gtc")), (True, (True, "Price below 175", "175.0", None))],
)
def test_a_fired_limit_order_is_shown_as_the_live_order_it_has_become(
    stays: bool, shown: tuple[bool, str, str, str | None]
) -> None:
    venue = with_position(orders=OrderRules(fired_stays_trigger=stays))
    venue.place(ALICE, trigger("175", "174", market=False, cloid=STOP))
    (waiting,) = frontend_open_orders(venue.state, venue.state.accounts[ALICE])
    assert (waiting["isTrigger"], waiting["tif"]) == (True, None)
    venue.move_mark("175")
    (live,) = frontend_open_orders(venue.state, venue.state.accounts[ALICE])
    assert (live["isTrigger"], live["triggerCondition"], live["triggerPx"], live["tif"]) == shown
    assert live["orderType"] == "Stop Limit"


def test_a_trigger_order_that_never_fired_is_recorded_as_one() -> None:
    venue = with_position()
    venue.place(ALICE, trigger("185", cloid=STOP))
    assert venue.status(ALICE, STOP) == "badTriggerPxRejected"
    assert order_record(venue.state, order_of(venue, STOP))["order"]["isTrigger"]


def test_a_fired_order_without_a_position_left_is_refused_as_reduce_only() -> None:
    venue = with_position()
    venue.place(ALICE, trigger("175", cloid=STOP))
    venue.place(BOB, limit("179"))
    venue.place(ALICE, limit("179", buy=False, tif=Tif.IOC))
    venue.move_mark("175")
    assert venue.status(ALICE, STOP) == "reduceOnlyRejected"


def test_a_cancel_of_the_same_block_beats_the_trigger() -> None:
    venue = with_position()
    venue.place(BOB, limit("170", "5"))
    venue.place(ALICE, trigger("175", "170", cloid=STOP))
    venue.state.marks[0].pin(parse_e8("174"))
    assert venue.cancel(ALICE, STOP) == "success"
    assert venue.position(ALICE) == E8


def test_children_wait_for_their_parent_and_watch_the_mark_once_it_is_filled() -> None:
    venue = bracket()
    venue.place(BOB, limit("179", "1", buy=False))
    assert order_of(venue, STOP).wait is Wait.FILL
    venue.place(BOB, limit("179", "1", buy=False))
    assert (order_of(venue, STOP).wait, order_of(venue, PROFIT).wait) == (Wait.TRIGGER, Wait.TRIGGER)


def test_children_of_an_order_that_fills_at_once_watch_the_mark_at_once() -> None:
    venue = bench()
    venue.place(BOB, limit("180", "1", buy=False))
    placed = venue.place_group(ALICE, Grouping.NORMAL_TPSL, limit("180"), trigger("175"))
    assert ("filled" in placed[0], placed[1]) == (True, "waitingForTrigger")


def test_an_unfilled_parent_does_not_let_its_children_fire() -> None:
    venue = bracket()
    venue.move_mark("174")
    assert order_of(venue, STOP).wait is Wait.FILL


@pytest.mark.parametrize("filled_first", [False, True])
def test_cancelling_the_parent_cancels_its_children_even_when_it_was_partly_filled(filled_first: bool) -> None:
    venue = bracket()
    if filled_first:
        venue.place(BOB, limit("179", "1", buy=False))
    venue.cancel(ALICE, PARENT)
    assert (venue.status(ALICE, STOP), venue.status(ALICE, PROFIT)) == ("canceled", "canceled")


def test_a_parent_cancelled_for_margin_after_a_part_leaves_its_children_watching() -> None:
    venue = bracket()
    venue.place(BOB, limit("179", "1", buy=False))
    drop(venue.venue.state, order_of(venue, PARENT), Status.MARGIN_CANCELED)
    venue.step()
    assert order_of(venue, STOP).wait is Wait.TRIGGER


def test_a_parent_cancelled_for_margin_before_any_fill_takes_its_children() -> None:
    venue = bracket()
    drop(venue.venue.state, order_of(venue, PARENT), Status.MARGIN_CANCELED)
    venue.step()
    assert venue.status(ALICE, STOP) == "canceled"


def test_a_refused_parent_refuses_its_children_without_a_record() -> None:
    venue = bench()
    placed = venue.place_group(ALICE, Grouping.NORMAL_TPSL, limit("180", tif=Tif.IOC), trigger("175", cloid=STOP))
    assert [list(status) for status in placed] == [["error"], ["error"]]
    assert venue.status(ALICE, STOP) is None


def test_when_one_child_is_filled_its_sibling_goes() -> None:
    venue = bracket()
    venue.place(BOB, limit("179", "2", buy=False), limit("174", "9"))
    venue.move_mark("175")
    assert venue.status(ALICE, STOP) == "filled"
    assert venue.status(ALICE, PROFIT) == "siblingFilledCanceled"
    assert venue.position(ALICE) == 0


def test_orders_of_a_position_close_all_of_it_whatever_its_size_has_become() -> None:
    venue = with_position("1")
    venue.place_group(ALICE, Grouping.POSITION_TPSL, trigger("175", "170", "0", cloid=STOP))
    venue.place(BOB, limit("180", "2", buy=False))
    venue.place(ALICE, limit("180", "2", tif=Tif.IOC))
    venue.place(BOB, limit("171", "9"))
    venue.move_mark("175")
    assert venue.position(ALICE) == 0
    assert order_of(venue, STOP).orig_sz_e8 == 3 * E8


def test_orders_of_a_position_go_when_it_is_closed_by_something_else() -> None:
    venue = with_position()
    venue.place_group(ALICE, Grouping.POSITION_TPSL, trigger("175", sz="0", cloid=STOP))
    venue.place(BOB, limit("179"))
    venue.place(ALICE, limit("179", buy=False, tif=Tif.IOC))
    assert venue.status(ALICE, STOP) == "reduceOnlyCanceled"


@pytest.mark.parametrize(
    ("grouping", "orders", "text"),
    [
        (Grouping.NORMAL_TPSL, (limit("179"), trigger("175", reduce_only=False)), "TP/SL orders of a group"),
        (Grouping.NORMAL_TPSL, (limit("179"), limit("178")), "TP/SL group must be"),
        (Grouping.POSITION_TPSL, (limit("179"),), "TP/SL group must be"),
        (Grouping.NONE, (limit("179"), trigger("175", sz="0")), "Order has zero size."),
        (Grouping.NONE, (limit("179"), trigger("175.005", "175")), "Invalid TP/SL price. asset=0"),
        (Grouping.NONE, (limit("179"), trigger("0", "175")), "Invalid TP/SL price. asset=0"),
    ],
)
def test_a_group_of_the_wrong_shape_is_refused_as_a_whole(grouping: Grouping, orders: tuple, text: str) -> None:  # type: ignore[type-arg]
    venue = bench()
    (answer,) = venue.place_group(ALICE, grouping, *orders)
    assert answer["error"].startswith(text)
    assert venue.opened(ALICE) == []


def test_at_a_thousand_open_orders_trigger_orders_are_refused_too() -> None:
    venue = with_position(faucet=100_000_000)
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO) for _ in range(200)])
    venue.place(ALICE, trigger("175", cloid=STOP))
    assert venue.status(ALICE, STOP) == "tooManyOpenOrdersRejected"


def test_a_fast_cancel_does_not_take_trigger_orders_unless_the_rules_say_so() -> None:
    for allowed in (False, True):
        venue = with_position(orders=OrderRules(fast_cancels_triggers=allowed))
        venue.place(ALICE, trigger("175", cloid=STOP))
        venue.run(ALICE, CancelOrders(((0, STOP),), fast=True))
        assert venue.status(ALICE, STOP) == ("canceled" if allowed else "open")


def test_nothing_fires_while_only_post_only_orders_pass() -> None:
    venue = with_position()
    venue.place(BOB, limit("170", "5"))
    venue.place(ALICE, trigger("175", "170", cloid=STOP))
    venue.state.gates.post_only = True
    venue.move_mark("174")
    assert order_of(venue, STOP).wait is Wait.TRIGGER
    venue.state.gates.post_only = False
    venue.step()
    assert venue.status(ALICE, STOP) == "filled"


def test_cancelling_everything_takes_waiting_orders_with_it() -> None:
    venue = bracket()
    assert cancel_all(venue.venue.state, venue.state.accounts[ALICE], Status.LIQUIDATED_CANCELED) == 3
    venue.step()
    assert venue.status(ALICE, STOP) == "liquidatedCanceled"
    assert venue.state.waiting == {}


def test_a_modify_may_place_a_trigger_order_only_when_always_placing() -> None:
    venue = with_position()
    old = oid_of(venue.place(ALICE, limit("179")))
    refused = venue.modify(ALICE, old, trigger("175"))
    assert refused["error"].startswith("Replacement order must be Alo")
    assert venue.status(ALICE, old) == "open"
    assert venue.modify(ALICE, old, trigger("175"), always=True) == "waitingForTrigger"


def test_a_fired_order_does_not_take_its_client_id_back_from_a_newer_one() -> None:
    venue = with_position()
    venue.place(ALICE, trigger("175", "174", market=False, cloid=STOP))
    newer = oid_of(venue.place(ALICE, limit("170", cloid=STOP)))
    venue.move_mark("175")
    assert order_of(venue, STOP).oid == newer
