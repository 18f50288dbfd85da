"""Answers that lag, forget or leave out: no single one of them ends an order."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import MARKET, Desk, at_desk
from tests.support.gateway import Told
from tests.support.venue import order_wire, orders_action

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.venue.engine.accounts import EXCHANGE_MEMORY

_BATCH = 200
"""The most orders of one action."""


async def _lost(desk: Desk, order: pb.PlaceOrder) -> Told:
    """Place an order of whose landing the gateway is told nothing."""
    await desk.throw("drop_after_commit", n=2)
    told = await desk.place(order)
    assert told.outcome_of(order.cloid).HasField("unknown")
    return told


async def _forget(desk: Desk) -> None:
    """Have so many later orders of the account end that the exchange forgets all that ended before."""
    hand = desk.other_hand()
    nobody = order_wire(hand.asset(MARKET), is_buy=True, px=str(desk.mid - 5_000), sz="0.001", tif="Ioc")
    for _ in range(EXCHANGE_MEMORY.orders // _BATCH + 1):
        answer = await hand.exchange(orders_action(*[nobody] * _BATCH))
        assert all("error" in status for status in answer["response"]["data"]["statuses"])


@proves(Hazard.UNKNOWN_OID_OF_NEW_ORDER, by="unknown_oid drop_after_commit")
async def test_an_order_too_new_for_the_index_is_asked_for_until_it_is_there(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        await desk.throw("unknown_oid", younger_than_ms=1_500)
        order = desk.buy(1)
        verdict = await desk.resolve(await _lost(desk, order), order)
        assert (verdict.resolution, verdict.proof, verdict.burn) == (
            pb.RESOLUTION_LANDED,
            "status",
            pb.BURN_RESULT_ALREADY_USED,
        )


@proves(Hazard.UNKNOWN_OID_OF_NEW_ORDER, by="unknown_oid drop_after_commit")
async def test_an_order_that_the_index_never_learns_of_is_found_in_the_book(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        await desk.throw("unknown_oid", younger_than_ms=3_600_000)
        order = desk.buy(1)
        verdict = await desk.resolve(await _lost(desk, order), order)
        assert (verdict.resolution, verdict.proof, verdict.market) == (pb.RESOLUTION_LANDED, "open_order", MARKET)


@proves(Hazard.UNKNOWN_OID_OF_OLD_ORDER, by="drop_after_commit")
async def test_a_filled_order_whose_record_is_gone_is_known_by_its_fill(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        order = desk.buy(1)
        told = await _lost(desk, order)
        await desk.trade("A")
        await _forget(desk)
        asked = await desk.gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=order.cloid))
        assert not asked.found
        verdict = await desk.resolve(told, order)
        assert (verdict.resolution, verdict.proof) == (pb.RESOLUTION_LANDED, "fill")


@proves(Hazard.UNKNOWN_OID_OF_OLD_ORDER)
async def test_an_open_order_is_never_forgotten_however_many_came_later(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1)
        await desk.rest(order)
        await _forget(desk)
        asked = await desk.gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=order.cloid))
        assert asked.update.status == "open"


@proves(Hazard.LAGGING_SNAPSHOT, by="stale_info unknown_oid drop_after_commit")
async def test_an_order_is_not_dead_while_all_that_is_asked_may_lag(tmp_path: Path) -> None:
    """Statuses and lists lag three seconds, both at once; two of them and more are left when the asking begins."""
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        await desk.throw("stale_info", for_ms=3_000)
        await desk.throw("unknown_oid", younger_than_ms=3_600_000, for_ms=3_000)
        order = desk.buy(1)
        told = await _lost(desk, order)
        assert not (await desk.gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders.orders
        verdict = await desk.resolve(told, order)
        assert (verdict.resolution, verdict.proof) == (pb.RESOLUTION_LANDED, "status")


@proves(Hazard.LAGGING_SNAPSHOT, by="omit_orders")
async def test_an_order_left_out_of_a_list_is_still_known_by_its_status(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1)
        await desk.rest(order)
        await desk.throw("omit_orders", n=1)
        assert not (await desk.gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders.orders
        asked = await desk.gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=order.cloid))
        assert asked.update.status == "open"


@proves(Hazard.LAGGING_SNAPSHOT, by="stale_info")
async def test_a_list_of_the_past_says_so_and_does_not_end_what_came_since(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.throw("stale_info", for_ms=60_000)
        order = desk.buy(1)
        await desk.rest(order)
        stale = (await desk.gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders
        assert not stale.orders
        await desk.calm()
