"""The end of the process: its successor knows all that was known, and doubts what was under way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc import aio
from tests.support.order_state import e8
from tests.support.order_state_stack import Stack, until
from tests.support.waiting import HANG_S

from perpmaker.order_state.store.redis_store import DisownedError
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


async def test_a_crash_loses_nothing(running: Stack) -> None:
    """I49: orders, fills, positions, epochs, totals and nonce are those of before."""
    quoter = await running.quoter()
    orders = [quoter.order(level=level) for level in range(3)]
    await quoter.submit(places=orders)
    await quoter.reaches(orders[2].cloid, "RESTING")
    running.exchange.fill(orders[0].cloid, "0.4")
    running.exchange.fill(orders[1].cloid, "1")
    await quoter.reaches(orders[1].cloid, "FILLED")
    await until(lambda: quoter.standing.position.sz_e8 == e8("1.4"), "position")
    before = await quoter.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    nonce = (await quoter.stub.GetHighestNonce(os_.GetHighestNonceRequest(), timeout=HANG_S)).nonce
    held = {cloid: (o.state, o.oid, o.filled_e8, o.fill_value_e8) for cloid, o in quoter.orders.items()}
    await running.crash()
    await running.start()
    again = await running.quoter()
    after = await again.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    assert after.markets[0].standing.position == before.markets[0].standing.position
    assert after.markets[0].placed == before.markets[0].placed == 3
    assert (await again.stub.GetHighestNonce(os_.GetHighestNonceRequest(), timeout=HANG_S)).nonce == nonce > 0
    listed = await again.stub.ListOrders(os_.ListOrdersRequest(include_terminal=True), timeout=HANG_S)
    assert {o.cloid: (o.state, o.oid, o.filled_e8, o.fill_value_e8) for o in listed.orders} == held
    assert again.epoch == quoter.epoch + 1
    await running.ready()
    assert await again.submit(cancels=[orders[0].cloid, orders[2].cloid]) == ["ACCEPTED", "ACCEPTED"]
    await again.reaches(orders[2].cloid, "CANCELLED")


async def test_what_was_under_way_at_a_crash_is_in_doubt_after_it(running: Stack) -> None:
    quoter = await running.quoter()
    resting = await quoter.rests()
    running.exchange.on_place = lambda _order: "silent"
    running.exchange.on_cancel = lambda _cloid: "silent"
    running.exchange.expire_orders_ms = -3_000
    waiting = quoter.order(level=1)
    await quoter.submit(places=[waiting], cancels=[resting.cloid])
    await until(lambda: len(running.exchange.requests) == 2, "the plan at the exchange")
    await running.crash()
    running.exchange.on_cancel = lambda _cloid: "cancel"
    # Past every expiry that the lost placement can have had, its nonce being on record or not.
    running.clock.skip(15_000)
    await running.start()
    again = await running.quoter()
    await again.reaches(waiting.cloid, "NEVER_LANDED")
    await again.reaches(resting.cloid, "CANCELLED")
    told = await again.stub.Explain(os_.ExplainRequest(cloid=waiting.cloid), timeout=HANG_S)
    assert [entry.event for entry in told.entries] == ["intent", "outcome_lost", "proven_absent"]


async def test_an_order_that_landed_while_nobody_listened_is_found_after_a_crash(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.quiet = True
    running.exchange.on_place = lambda _order: "lose_after"
    order = quoter.order()
    await quoter.submit(places=[order])
    await until(lambda: running.exchange.orders, "the order at the exchange")
    await running.crash()
    running.exchange.fill(order.cloid, "0.5")
    await running.start()
    again = await running.quoter()
    await again.reaches(order.cloid, "PARTIALLY_FILLED")
    await until(lambda: again.standing.position.sz_e8 == e8("0.5"), "its fill")


async def test_nothing_is_served_before_the_replay(running: Stack) -> None:
    quoter = await running.quoter()
    assert running.app is not None
    running.app._servicer.is_replayed = False
    with pytest.raises(aio.AioRpcError) as caught:
        await quoter.stub.GetHighestNonce(os_.GetHighestNonceRequest(), timeout=HANG_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_second_process_on_the_same_store_ends_the_first(running: Stack, tmp_path: Path) -> None:
    """I48."""
    quoter = await running.quoter()
    first = running.runtime
    assert first is not None
    other = Stack(tmp_path, running.part.redis_url)
    other.part = running.part.model_copy(
        update={"endpoint": running.part.endpoint.model_copy(update={"listen": f"unix:{tmp_path}/other.sock"})}
    )
    await other.start()
    try:
        with pytest.raises(aio.AioRpcError):
            await quoter.submit(places=[quoter.order()])
        async with asyncio.timeout(HANG_S):
            failure = await first.wait_for_end()
        assert isinstance(failure, DisownedError)
        assert running.exchange.requests == []
    finally:
        await other.stop()
