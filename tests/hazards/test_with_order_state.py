"""Hazards whose remedy is order-state's: it learns of them from the gateway alone and never allows for too little."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import MARKET
from tests.hazards.trading import trading
from tests.support.order_state_stack import until

from perpmaker.common.decimals import parse_e8
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_

SZ = "0.001"


@proves(Hazard.LOST_ACK_AFTER_COMMIT, Hazard.UNKNOWN_OID_OF_NEW_ORDER, by="drop_after_commit unknown_oid")
async def test_an_order_that_the_exchange_disowns_keeps_its_exposure_until_it_is_found(tmp_path: Path) -> None:
    async with trading(tmp_path, post_timeout_ms=200) as house:
        await house.venue.control("drop_messages", channel="orderUpdates", n=1)
        await house.throw("drop_after_commit", n=2)
        await house.throw("unknown_oid", younger_than_ms=1_500)
        order = house.session.order(px=house.px(-1_000), sz=SZ)
        assert await house.session.submit(places=[order]) == ["ACCEPTED"]
        await house.session.reaches(order.cloid, "RESTING")
        assert house.worst_case() == (0, order.sz_e8)


@proves(Hazard.ACK_LOST_BEFORE_COMMIT, by="drop_before_commit")
async def test_an_order_that_never_arrived_is_proven_never_to_have_landed(tmp_path: Path) -> None:
    async with trading(tmp_path, post_timeout_ms=200) as house:
        await house.throw("drop_before_commit", n=2)
        order = house.session.order(px=house.px(-1_000), sz=SZ)
        await house.session.submit(places=[order])
        await house.session.reaches(order.cloid, "UNKNOWN")
        assert house.worst_case() == (0, order.sz_e8)
        await house.session.reaches(order.cloid, "NEVER_LANDED")


@proves(Hazard.MARGIN_CANCELED, Hazard.LIQUIDATED_CANCELED, Hazard.OTHER_ENGINE_CANCEL, by="cancel_orders")
async def test_every_engine_cancel_clears_the_order_by_the_stream_alone(tmp_path: Path) -> None:
    words = ("marginCanceled", "selfTradeCanceled", "openInterestCapCanceled", "scheduledCancel", "liquidatedCanceled")
    async with trading(tmp_path) as house:
        orders = [await house.rest(px=house.px(-1_000 - n), sz=SZ, level=n) for n in range(len(words))]
        for word in words:
            await house.throw("cancel_orders", address=house.address, status=word, n=1)
        for order in orders:
            await house.session.reaches(order.cloid, "CANCELLED")


@proves(Hazard.REDUCE_ONLY_TRIM)
async def test_what_the_exchange_trims_off_a_reduce_only_order_is_read_again(tmp_path: Path) -> None:
    async with trading(tmp_path) as house:
        bought = await house.rest(px=house.px(-1_000), sz="0.003")
        await house.trade("A", "0.003")
        await house.session.reaches(bought.cloid, "FILLED")
        closing = await house.rest(buy=False, px=house.px(1_000), sz="0.003", reduce_only=True)
        selling = await house.rest(buy=False, level=1, px=house.px(500), sz="0.002")
        await house.trade("B", "0.002")
        await house.session.reaches(selling.cloid, "FILLED")
        await house.agree()
        assert house.worst_case() == (0, parse_e8(SZ))
        await house.trade("B", SZ)
        await house.session.reaches(closing.cloid, "FILLED")


@proves(Hazard.CANCEL_FILL_RACE, by="fill_race delay")
async def test_a_cancel_that_lost_its_race_leaves_the_inventory_right(tmp_path: Path) -> None:
    async with trading(tmp_path) as house:
        order = await house.rest(px=house.px(-1_000), sz=SZ)
        await house.throw("delay", channel="userFills", ms=1_000)
        await house.throw("fill_race", n=1, address=house.address)
        assert await house.session.submit(cancels=[order.cloid]) == ["ACCEPTED"]
        await house.session.reaches(order.cloid, "FILLED")
        await until(lambda: house.session.standing.position.sz_e8 == order.sz_e8, "the position")


@proves(Hazard.REFUSED_MODIFY_CANCELS_OLD_LEG)
async def test_a_side_whose_modify_was_refused_is_empty_and_may_be_quoted_again(tmp_path: Path) -> None:
    async with trading(tmp_path) as house:
        old = await house.rest(px=house.px(-1_000), sz=SZ)
        maker = house.venue.client(9)
        await house.venue.control("fund", address=maker.address, usdc=1_000_000)
        await maker.place(MARKET, is_buy=False, px=house.px(0), sz="1")
        new = house.session.order(px=house.px(100), sz=SZ)
        await house.session.submit(replaces=[os_.Replace(old_cloid=old.cloid, order=new)])
        await house.session.reaches(new.cloid, "REJECTED")
        await house.session.reaches(old.cloid, "CANCELLED")
        await house.rest(px=house.px(-1_000), sz=SZ)
