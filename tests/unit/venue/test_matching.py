"""Price-time priority, time in force, and what a placement is answered."""

from __future__ import annotations

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, bench, limit, oid_of, statuses

from perpmaker.venue.engine.actions import CancelOrders, PlaceOrders
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8


def test_the_better_price_is_served_first() -> None:
    venue = bench()
    venue.place(ALICE, limit("180.10", buy=False))
    venue.place(BOB, limit("180.05", buy=False))
    filled = venue.place(CAROL, limit("181", tif=Tif.IOC))
    assert filled["filled"]["avgPx"] == "180.05"
    assert venue.position(BOB) == -E8
    assert venue.position(ALICE) == 0


def test_at_one_price_the_earlier_order_is_served_first() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", buy=False))
    venue.place(BOB, limit("180", buy=False))
    venue.place(CAROL, limit("180", "1.5", tif=Tif.IOC))
    assert (venue.position(ALICE), venue.position(BOB)) == (-E8, -E8 // 2)


def test_a_partly_filled_order_keeps_its_place_in_the_queue() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "2", buy=False))
    venue.place(BOB, limit("180", "2", buy=False))
    venue.place(CAROL, limit("180", "1", tif=Tif.IOC))
    venue.place(CAROL, limit("180", "1", tif=Tif.IOC))
    assert (venue.position(ALICE), venue.position(BOB)) == (-2 * E8, 0)


def test_a_gtc_order_that_fills_in_part_answers_filled_and_rests_under_the_same_oid() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "1", buy=False))
    status = venue.place(BOB, limit("180", "3"))
    assert status["filled"]["totalSz"] == "1"
    assert venue.status(BOB, oid_of(status)) == "open"
    assert venue.opened(BOB) == [(180 * E8, 2 * E8)]


def test_an_ioc_remainder_vanishes_and_stays_in_the_record_as_its_size() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "1", buy=False))
    status = venue.place(BOB, limit("180", "3", tif=Tif.IOC))
    order = venue.state.accounts[BOB].find(oid_of(status))
    assert (order.status.value, order.recorded_sz_e8) == ("filled", 2 * E8)
    assert venue.opened(BOB) == []


def test_an_ioc_order_that_meets_nobody_is_refused_with_a_record() -> None:
    venue = bench()
    status = venue.place(BOB, limit("180", tif=Tif.IOC, cloid="0x" + "1" * 32))
    text = "Order could not immediately match against any resting orders. asset=0"
    assert status == {"error": text}
    assert venue.status(BOB, "0x" + "1" * 32) == "iocCancelRejected"


def test_a_post_only_order_that_would_trade_is_refused_with_the_best_prices() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", buy=False))
    status = venue.place(BOB, limit("180.5", tif=Tif.ALO, cloid="0x" + "2" * 32))
    bbo = "bbo was 0.0@180.0. asset=0"
    assert status == {"error": f"Post only order would have immediately matched, {bbo}"}
    assert venue.status(BOB, "0x" + "2" * 32) == "badAloPxRejected"


def test_a_partial_fill_of_a_resting_order_is_no_order_update() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "2", buy=False))
    venue.place(BOB, limit("180", "1", tif=Tif.IOC))
    assert venue.block is not None
    assert [u.order.address for u in venue.block.events.updates] == [BOB]


def test_a_meeting_with_oneself_cancels_the_resting_order_whole_and_trades_on() -> None:
    venue = bench()
    own = oid_of(venue.place(ALICE, limit("180", "5", buy=False)))
    venue.place(BOB, limit("180.1", "1", buy=False))
    status = venue.place(ALICE, limit("181", "1", tif=Tif.IOC))
    assert status["filled"]["avgPx"] == "180.1"
    assert venue.status(ALICE, own) == "selfTradeCanceled"
    assert venue.position(ALICE) == E8


def test_a_post_only_order_crossing_ones_own_quote_is_refused() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", buy=False))
    assert "Post only" in venue.place(ALICE, limit("180", tif=Tif.ALO))["error"]
    assert len(venue.opened(ALICE)) == 1


def test_fees_are_truncated_to_six_decimals() -> None:
    venue = bench(coins=("BTC",))
    venue.place(ALICE, limit("66653", "0.001", buy=False))
    venue.place(BOB, limit("66653", "0.001", tif=Tif.IOC))
    (fill,) = venue.state.accounts[ALICE].fills
    assert fill.fee_e8 == 999_700


def test_a_partial_close_realises_its_share_and_leaves_the_entry_price() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "3", buy=False))
    venue.place(BOB, limit("180", "3", tif=Tif.IOC))
    venue.place(ALICE, limit("181", "1"))
    venue.place(BOB, limit("181", "1", buy=False, tif=Tif.IOC))
    fill = venue.state.accounts[BOB].fills[-1]
    assert (fill.direction, fill.closed_pnl_e8) == ("Close Long", E8)
    assert venue.state.accounts[BOB].position(0).entry_px_e8 == 180 * E8


def test_a_flip_is_named_and_its_profit_is_that_of_the_closed_part() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "1", buy=False))
    venue.place(BOB, limit("180", "1", tif=Tif.IOC))
    venue.place(ALICE, limit("182", "3"))
    venue.place(BOB, limit("182", "3", buy=False, tif=Tif.IOC))
    fill = venue.state.accounts[BOB].fills[-1]
    assert (fill.direction, fill.closed_pnl_e8, fill.start_position_e8) == ("Long > Short", 2 * E8, E8)
    assert venue.state.accounts[BOB].position(0).entry_px_e8 == 182 * E8


def test_post_only_orders_and_cancels_run_before_takers_of_the_same_block() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("180", "1", buy=False)))
    taker = venue.send(BOB, PlaceOrders((limit("181", "1", tif=Tif.IOC),)))
    cancel = venue.send(ALICE, CancelOrders(((0, oid),)))
    better = venue.send(CAROL, PlaceOrders((limit("180.2", "1", buy=False, tif=Tif.ALO),)))
    venue.step()
    assert statuses(cancel[0], single=True) == "success"
    assert "resting" in statuses(better[0], single=True)
    assert statuses(taker[0], single=True)["filled"]["avgPx"] == "180.2"


def test_one_taking_order_sends_the_whole_batch_behind_the_cancels() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("180", "1", buy=False)))
    mixed = venue.send(BOB, PlaceOrders((limit("180", tif=Tif.ALO), limit("179", tif=Tif.GTC))))
    venue.send(ALICE, CancelOrders(((0, oid),)))
    venue.step()
    listed = statuses(mixed[0], single=False)
    assert ["resting" in status for status in listed] == [True, True]


def test_orders_of_a_batch_are_judged_one_by_one() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "1", buy=False))
    listed = venue.place(BOB, limit("180", tif=Tif.ALO), limit("179", tif=Tif.ALO))
    assert ["error" in status for status in listed] == [True, False]


@pytest.mark.parametrize("tif", [Tif.ALO, Tif.GTC])
def test_an_order_that_meets_nobody_rests(tif: Tif) -> None:
    venue = bench()
    assert "resting" in venue.place(ALICE, limit("179", tif=tif))
