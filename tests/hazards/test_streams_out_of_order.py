"""Streams that repeat, reorder, delay, hold back or lose what they say: what is told is a set, not a story."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import MARKET, Desk, at_desk

from perpmaker.common.decimals import parse_e8
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


async def _live_a_little(desk: Desk) -> None:
    """Orders rest, move, are filled in part, in full and not at all, and are cancelled."""
    first, second, third = desk.buy(1), desk.buy(2, below=1_010, sz="0.003"), desk.sell(3)
    await desk.place(first, second, third)
    await desk.modify(third, desk.sell(4, above=1_010))
    await desk.trade("A", "0.002")
    await desk.cancel(second)
    await desk.place(desk.buy(5, below=1_020), desk.sell(6, above=1_020))
    await desk.cancel(desk.buy(5))
    await desk.trade("B")


@proves(Hazard.DUPLICATE_STREAM_ITEMS, by="duplicate")
async def test_items_told_three_times_count_once(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.throw("duplicate", channel="ws_user", copies=2)
        await _live_a_little(desk)
        await desk.agree()
        fills = [event.fill.tid for event in desk.account.messages if event.HasField("fill")]
        assert len(fills) == 3 * len(set(fills)) == 9
        assert desk.statuses(desk.gateway.cloid(1)).count("filled") == 3
        assert "gap_opened" not in desk.kinds(after=1)


@proves(Hazard.REORDERED_STREAM_ITEMS, by="shuffle")
async def test_items_of_two_seconds_may_come_in_any_order(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.throw("shuffle", channel="orderUpdates", window_ms=2_000)
        await desk.throw("shuffle", channel="userFills", window_ms=2_000)
        await _live_a_little(desk)
        await desk.fill(desk.gateway.cloid(1))
        await desk.fill(desk.gateway.cloid(2))
        assert "gap_opened" not in desk.kinds(after=1)


@proves(Hazard.FILL_BEFORE_OPEN, by="delay")
async def test_a_fill_told_before_its_order_is_attributed_to_it(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.throw("delay", channel="orderUpdates", ms=1_000)
        await desk.throw("delay", channel="ack", ms=1_000)
        order = desk.buy(1, sz="0.003")
        number = await desk.begin(order)
        await desk.account.until(lambda event: len(event.open_orders.orders) == 1)
        await desk.trade("A")
        filled = await desk.fill(order.cloid)
        assert desk.statuses(order.cloid) == []
        assert desk.gateway.told(number).outcomes_of(order.cloid) == []
        opened = await desk.update(order.cloid, "open")
        assert (filled.oid, filled.sz_e8) == (opened.oid, parse_e8("0.001"))
        await desk.gateway.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        assert desk.gateway.told(number).outcome_of(order.cloid).resting.oid == opened.oid


@proves(Hazard.LATENCY, by="freeze")
async def test_a_stream_that_stood_still_tells_everything_when_it_moves_again(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.throw("freeze", channel="userFills")
        await desk.throw("freeze", channel="orderUpdates")
        await _live_a_little(desk)
        await desk.account.until(lambda event: len(event.open_orders.orders) == 1)
        assert desk.kinds().count("fill") == desk.kinds().count("order_update") == 0
        await desk.calm()
        await desk.update(desk.gateway.cloid(1), "filled")


@proves(Hazard.LATENCY, by="delay_action")
async def test_a_cancel_may_reach_the_exchange_before_its_order(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1)
        await desk.throw("delay_action", kind="alo", ms=1_000, n=1)
        number = await desk.begin(order)
        early = await desk.cancel(order)
        assert getattr(early.rejected, "class") == pb.REJECTION_CLASS_ORDER_GONE
        desk.look_now()
        assert desk.belief.worst_case(MARKET) == (order.sz_e8, 0)
        await desk.gateway.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        assert desk.gateway.told(number).outcome_of(order.cloid).HasField("resting")
        assert (await desk.cancel(order)).HasField("cancelled")
        await desk.update(order.cloid, "canceled")


@proves(Hazard.LATENCY, by="drop_messages")
async def test_an_end_that_the_stream_lost_is_in_the_list_and_in_the_status(tmp_path: Path) -> None:
    """No gap can be told of what was lost without a trace; the list of open orders does not lose it."""
    async with at_desk(tmp_path, agrees=False) as desk:
        order = desk.buy(1)
        await desk.rest(order)
        await desk.throw("drop_messages", channel="orderUpdates", n=1)
        listed = await desk.account.until(lambda event: len(event.open_orders.orders) == 1)
        await desk.trade("A")
        await desk.fill(order.cloid)
        await desk.account.until(
            lambda event: event.HasField("open_orders") and not event.open_orders.orders,
            after=desk.account.messages.index(listed),
        )
        found = await desk.gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=order.cloid))
        assert (found.update.status, found.update.remaining_e8) == ("filled", 0)
        assert desk.statuses(order.cloid) == ["open"]
        assert desk.understated == []
