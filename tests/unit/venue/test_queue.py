"""Who is served first: priority fees, own orders in the way, client ids that come twice.

Exchange documentation: "Priority fees", "Self-trade prevention", "Order book" (transaction ordering).
"""

from __future__ import annotations

from dataclasses import replace

from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of

from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.units import E8

CLOID = "0x" + "7" * 32


def paying(order: NewOrder, fee_e8: int) -> NewOrder:
    return replace(order, priority_e8=fee_e8)


def queue(venue: Bench) -> list[str]:
    level = venue.venue.state.book(0).bids.best()
    assert level is not None
    return [order.address for order in level.queue.values()]


def test_a_paying_order_goes_ahead_of_those_that_joined_less_than_400_ms_ago() -> None:
    venue = bench()
    venue.place(BOB, limit("179", tif=Tif.ALO))
    venue.step(399)
    venue.place(CAROL, limit("179", tif=Tif.ALO))
    venue.place(ALICE, paying(limit("179", tif=Tif.ALO), 10_000))
    assert queue(venue) == [BOB, ALICE, CAROL]


def test_among_paying_orders_the_higher_fee_stands_ahead_and_equal_fees_wait_their_turn() -> None:
    venue = bench()
    for who, fee in ((ALICE, 10_000), (BOB, 20_000), (CAROL, 10_000)):
        venue.place(who, paying(limit("179", tif=Tif.ALO), fee))
    assert queue(venue) == [BOB, ALICE, CAROL]


def test_the_taker_who_pays_more_runs_first_in_a_block() -> None:
    venue = bench()
    venue.place(CAROL, limit("180", "1", buy=False))
    take = limit("180", "1", tif=Tif.IOC)
    cheap = venue.send(ALICE, PlaceOrders((take,)))
    dear = venue.send(BOB, PlaceOrders((paying(take, 80_000),)))
    venue.step()
    assert (venue.position(ALICE), venue.position(BOB)) == (0, E8)
    assert cheap and dear


def test_cancels_still_go_before_takers_who_pay() -> None:
    venue = bench()
    oid = oid_of(venue.place(CAROL, limit("180", "1", buy=False)))
    venue.send(ALICE, PlaceOrders((paying(limit("180", tif=Tif.IOC), 10**8),)))
    assert venue.cancel(CAROL, oid) == "success"
    assert venue.position(ALICE) == 0


def test_a_post_only_order_may_be_allowed_to_replace_own_orders_it_meets() -> None:
    venue = bench(orders=OrderRules(alo_meets_own=False))
    asked = oid_of(venue.place(ALICE, limit("180", buy=False)))
    assert "resting" in venue.place(ALICE, limit("181", tif=Tif.ALO))
    assert venue.status(ALICE, asked) == "selfTradeCanceled"


def test_a_post_only_order_that_also_meets_somebody_else_is_refused_all_the_same() -> None:
    venue = bench(orders=OrderRules(alo_meets_own=False))
    asked = oid_of(venue.place(ALICE, limit("180", buy=False)))
    venue.place(BOB, limit("181", buy=False))
    assert "error" in venue.place(ALICE, limit("181", tif=Tif.ALO))
    assert venue.status(ALICE, asked) == "open"


def test_two_open_orders_may_share_a_client_id_and_a_lookup_finds_the_newer() -> None:
    venue = bench()
    older, newer = (oid_of(venue.place(ALICE, limit(px, cloid=CLOID))) for px in ("179", "178"))
    venue.cancel(ALICE, CLOID)
    assert (venue.status(ALICE, older), venue.status(ALICE, newer)) == ("open", "canceled")
    assert venue.status(ALICE, CLOID) == "canceled"
    assert venue.cancel(ALICE, CLOID) == "success"


def test_a_client_id_is_free_again_when_its_order_has_ended() -> None:
    venue = bench(orders=OrderRules(cloid_reuse_while_open=False))
    venue.place(ALICE, limit("179", cloid=CLOID))
    venue.cancel(ALICE, CLOID)
    again = oid_of(venue.place(ALICE, limit("178", cloid=CLOID)))
    assert venue.status(ALICE, CLOID) == "open"
    assert venue.state.accounts[ALICE].find(CLOID).oid == again
