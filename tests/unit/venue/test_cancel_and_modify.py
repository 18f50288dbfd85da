"""Cancels say little, modifies are cancel-replace, and a failed one can cost the old order."""

from __future__ import annotations

from tests.support.venue_core import ALICE, BOB, bench, limit, oid_of

from perpmaker.venue.engine.actions import Modification, ModifyOrders, ScheduleCancel, UpdateLeverage
from perpmaker.venue.engine.execute import Err, Ok
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8

CLOID = "0x" + "7" * 32
NOT_MODIFIABLE = {"error": "Cannot modify canceled or filled order"}


def test_a_cancel_by_cloid_hits_the_newest_open_order_of_that_name() -> None:
    venue = bench()
    older = oid_of(venue.place(ALICE, limit("179", cloid=CLOID)))
    newer = oid_of(venue.place(ALICE, limit("178", cloid=CLOID)))
    assert venue.cancel(ALICE, CLOID) == "success"
    assert (venue.status(ALICE, older), venue.status(ALICE, newer)) == ("open", "canceled")


def test_a_modify_gives_a_new_oid_and_loses_the_place_in_the_queue() -> None:
    venue = bench()
    old = oid_of(venue.place(ALICE, limit("180", "1", buy=False, cloid=CLOID)))
    venue.place(BOB, limit("180", "1", buy=False))
    new = oid_of(venue.modify(ALICE, CLOID, limit("180", "1", buy=False, tif=Tif.ALO, cloid=CLOID)))
    assert new != old
    assert (venue.status(ALICE, old), venue.status(ALICE, CLOID)) == ("canceled", "open")
    venue.place("0x" + "d" * 40, limit("180", "1", tif=Tif.IOC))
    assert (venue.position(ALICE), venue.position(BOB)) == (0, -E8)


def test_a_refused_replacement_has_already_cost_the_old_order() -> None:
    venue = bench()
    venue.place(BOB, limit("180", buy=False))
    oid = oid_of(venue.place(ALICE, limit("179")))
    status = venue.modify(ALICE, oid, limit("181", tif=Tif.ALO))
    assert status["error"].startswith("Error placing new order during modify: Post only order would have")
    assert venue.status(ALICE, oid) == "canceled"
    assert venue.opened(ALICE) == []


def test_a_gtc_replacement_is_made_post_only() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    new = oid_of(venue.modify(ALICE, oid, limit("178", tif=Tif.GTC)))
    assert venue.state.accounts[ALICE].find(new).tif is Tif.ALO


def test_a_static_error_or_a_taking_replacement_leaves_the_old_order_alone() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    assert venue.modify(ALICE, oid, limit("178.001")) == {"error": "Price must be divisible by tick size. asset=0"}
    assert "error" in venue.modify(ALICE, oid, limit("178", tif=Tif.IOC))
    assert venue.status(ALICE, oid) == "open"


def test_always_place_on_a_gone_order_adds_exposure() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    venue.cancel(ALICE, oid)
    assert "resting" in venue.modify(ALICE, oid, limit("178", tif=Tif.ALO), always=True)


def test_a_single_modify_answers_without_an_oid_or_as_a_whole() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    replace = ModifyOrders((Modification(oid, limit("178", tif=Tif.ALO)),), is_single=True)
    assert venue.run(ALICE, replace) == Ok({"type": "default"})
    assert venue.run(ALICE, replace) == Err(NOT_MODIFIABLE["error"])


def test_a_scheduled_cancel_fires_once_and_says_why() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    assert venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000)) == Ok({"type": "default"})
    venue.step(5_000)
    assert venue.status(ALICE, oid) == "open"
    block = venue.step(2_000)
    assert venue.status(ALICE, oid) == "scheduledCancel"
    assert [order.oid for order in block.events.engine_cancels] == [oid]
    later = oid_of(venue.place(ALICE, limit("179")))
    venue.step(10_000)
    assert venue.status(ALICE, later) == "open"


def test_a_scheduled_cancel_can_be_taken_back_and_must_lie_five_seconds_ahead() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("179")))
    assert isinstance(venue.run(ALICE, ScheduleCancel(venue.now_ms + 4_000)), Err)
    venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000))
    venue.run(ALICE, ScheduleCancel(None))
    venue.step(20_000)
    assert venue.status(ALICE, oid) == "open"


def test_a_scheduled_cancel_fires_at_most_ten_times_a_day() -> None:
    venue = bench()
    for _ in range(10):
        assert isinstance(venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000)), Ok)
        venue.step(7_000)
    assert isinstance(venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000)), Err)
    venue.step(86_400_000)
    assert isinstance(venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000)), Ok)


def test_leverage_stays_within_the_market_and_the_margin() -> None:
    venue = bench(faucet=100)
    assert venue.run(ALICE, UpdateLeverage(0, True, 21)) == Err("Invalid leverage value.")
    assert venue.run(ALICE, UpdateLeverage(0, True, 10)) == Ok({"type": "default"})
    assert "error" in venue.place(ALICE, limit("180", "6"))
    venue.place(ALICE, limit("180", "5"))
    assert isinstance(venue.run(ALICE, UpdateLeverage(0, True, 5)), Err)
