"""Orders that change while somebody else changes them: modifies that lose, races a taker wins, shared client ids."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import GTC, MARKET, at_desk, rejection
from tests.support.venue import order_wire

from perpmaker.common.decimals import parse_e8
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@proves(Hazard.REFUSED_MODIFY_CANCELS_OLD_LEG)
async def test_a_refused_modify_leaves_neither_leg(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        old, new = desk.buy(1), desk.buy(2, below=-100)
        await (await desk.maker()).place(MARKET, is_buy=False, px=str(desk.mid), sz="1")
        await desk.rest(old)
        outcome = await desk.modify(old, new)
        assert rejection(outcome) == pb.REJECTION_CLASS_MODIFY_LOST_ORDER, outcome
        await desk.update(old.cloid, "canceled")
        await desk.update(new.cloid, "badAloPxRejected")


@proves(Hazard.MODIFY_OF_FILLED_ORDER, by="fill_race")
async def test_a_modify_of_an_order_that_was_just_filled_brings_no_second_one(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        old, new = desk.buy(1), desk.buy(2, below=1_010)
        await desk.rest(old)
        await desk.throw("fill_race", n=1, address=desk.address)
        outcome = await desk.modify(old, new)
        assert rejection(outcome) == pb.REJECTION_CLASS_ORDER_GONE, outcome
        assert (await desk.fill(old.cloid)).sz_e8 == old.sz_e8
        await desk.update(old.cloid, "filled")
        assert desk.statuses(new.cloid) == []


@proves(Hazard.ALWAYS_PLACE_ON_FILLED_ORDER, by="fill_race")
async def test_a_modify_that_always_places_doubles_exposure_and_both_halves_are_told(tmp_path: Path) -> None:
    """The gateway never asks for it; another hand on the account may."""
    async with at_desk(tmp_path) as desk:
        old, new = desk.buy(1), desk.buy(2, below=1_010)
        await desk.rest(old)
        await desk.throw("fill_race", n=1, address=desk.address)
        desk.belief.intend(MARKET, new)
        hand = desk.other_hand()
        order = order_wire(hand.asset(MARKET), is_buy=True, px=str(desk.mid - 1_010), sz="0.001", cloid=new.cloid)
        answer = await hand.exchange({"type": "modify", "oid": old.cloid, "order": order, "a": True})
        assert answer["status"] == "ok"
        assert (await desk.fill(old.cloid)).sz_e8 == old.sz_e8
        await desk.update(new.cloid, "open")
        await desk.agree()
        assert desk.belief.worst_case(MARKET) == (2 * old.sz_e8, 0)


@proves(Hazard.GTC_PARTIAL_WITH_LIVE_REMAINDER)
async def test_what_a_partial_fill_at_once_leaves_over_is_tracked_under_its_oid(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await (await desk.maker()).place(MARKET, is_buy=False, px=str(desk.mid), sz="0.001")
        order = desk.buy(1, below=0, sz="0.003", time_in_force=GTC)
        outcome = (await desk.place(order)).outcome_of(order.cloid)
        assert outcome.filled.total_sz_e8 == parse_e8("0.001")
        assert (await desk.fill(order.cloid)).sz_e8 == parse_e8("0.001")
        await desk.agree()
        assert desk.belief.open_oids() == {outcome.filled.oid: parse_e8("0.002")}
        await desk.trade("A", "0.002")
        await desk.update(order.cloid, "filled")


@proves(Hazard.CANCEL_FILL_RACE, by="fill_race")
async def test_a_cancel_that_comes_too_late_says_so_and_the_fill_is_told(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1)
        await desk.rest(order)
        await desk.throw("fill_race", n=1, address=desk.address)
        outcome = await desk.cancel(order)
        assert rejection(outcome) == pb.REJECTION_CLASS_ORDER_GONE, outcome
        assert (await desk.fill(order.cloid)).sz_e8 == order.sz_e8
        assert await desk.update(order.cloid, "filled")


@proves(Hazard.CANCEL_FILL_RACE, by="delay")
async def test_a_part_filled_before_its_cancel_counts_though_its_fill_is_told_last(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1, sz="0.003")
        await desk.rest(order)
        await desk.throw("delay", channel="userFills", ms=700)
        await desk.trade("A", "0.001")
        assert (await desk.cancel(order)).HasField("cancelled")
        ended = await desk.update(order.cloid, "canceled")
        assert (ended.orig_sz_e8, ended.remaining_e8) == (parse_e8("0.003"), parse_e8("0.002"))
        assert "fill" not in desk.kinds()
        desk.look_now()
        assert desk.belief.worst_case(MARKET) == (parse_e8("0.001"), 0)
        await desk.fill(order.cloid)


@proves(Hazard.CLOID_SHARED_BY_TWO_OIDS)
async def test_two_oids_that_share_a_client_id_are_told_apart(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        old = desk.buy(1)
        new = desk.buy(1, below=1_010, sz="0.002")
        await desk.rest(old)
        first = await desk.update(old.cloid, "open")
        outcome = await desk.modify(old, new)
        assert outcome.HasField("resting"), outcome
        ended = await desk.update(old.cloid, "canceled")
        assert (ended.oid, ended.orig_sz_e8) == (first.oid, old.sz_e8)
        await desk.agree()
        assert desk.belief.open_oids() == {outcome.resting.oid: new.sz_e8}
        assert outcome.resting.oid != first.oid


@proves(Hazard.NEW_OPEN_AFTER_OLD_CANCEL)
async def test_either_leg_of_a_modify_may_be_told_first(tmp_path: Path) -> None:
    for rule in ("0", "1"):
        where = tmp_path / rule
        where.mkdir()
        async with at_desk(where, venue={"answers": f"new_before_old_on_modify={rule}"}) as desk:
            old, new = desk.buy(1), desk.buy(2, below=1_010)
            await desk.rest(old)
            assert (await desk.modify(old, new)).HasField("resting")
            await desk.update(new.cloid, "open")
            await desk.update(old.cloid, "canceled")
            told = [event.order_update for event in desk.account.messages if event.HasField("order_update")]
            cloids = [update.cloid for update in told[1:]]
            assert cloids == ([new.cloid, old.cloid] if rule == "1" else [old.cloid, new.cloid])


@proves(Hazard.WAITING_FOR_TRIGGER_WITHOUT_OID)
async def test_an_order_that_waits_for_its_trigger_is_found_by_its_client_id(tmp_path: Path) -> None:
    """Its acceptance names no oid. The gateway sends none such; another hand on the account may."""
    async with at_desk(tmp_path) as desk:
        stop = desk.buy(1, below=-200)
        desk.belief.intend(MARKET, stop)
        hand = desk.other_hand()
        trigger = {"isMarket": False, "triggerPx": str(desk.mid + 100), "tpsl": "sl"}
        wire = order_wire(hand.asset(MARKET), is_buy=True, px=str(desk.mid + 200), sz="0.001", cloid=stop.cloid)
        action = {"type": "order", "orders": [wire | {"t": {"trigger": trigger}}], "grouping": "na"}
        answer = await hand.exchange(action)
        assert answer["response"]["data"]["statuses"] == ["waitingForTrigger"]
        found = await desk.gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=stop.cloid))
        assert found.found and found.update.oid
        await desk.agree()
        assert desk.belief.open_oids() == {found.update.oid: stop.sz_e8}
        assert (await desk.cancel(stop)).HasField("cancelled")
