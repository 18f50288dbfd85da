"""Plans through order-state against a scripted exchange side and a real store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from tests.support.order_state import MARKET, e8
from tests.support.order_state_stack import RedisProcess, Stack, stack, until
from tests.support.waiting import HANG_S

from perpmaker.proto.common.v1 import common_pb2 as cm
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


async def test_an_order_goes_from_intent_to_the_book(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    assert await quoter.submit(places=[order]) == ["ACCEPTED"]
    await quoter.reaches(order.cloid, "RESTING")
    assert [held.cloid for held in running.exchange.open()] == [order.cloid]
    request = running.exchange.requests[0]
    assert (request.trace.epoch, request.expires_in_ms) == (quoter.epoch, 5_000)
    assert request.not_after_ms > 0


async def test_the_intent_is_durable_before_the_exchange_hears_of_it(running: Stack, server: RedisProcess) -> None:
    seen: list[bool] = []

    def look(order: gw.PlaceOrder) -> str:
        with server.client() as client:
            seen.append(bool(client.hexists("pm:{main}:orders:live", order.cloid)))
        return "rest"

    running.exchange.on_place = look
    quoter = await running.quoter()
    await quoter.submit(places=[quoter.order(), quoter.order(level=1)])
    await until(lambda: len(seen) == 2, "two placements")
    assert seen == [True, True]


async def test_fills_move_order_position_and_exposure(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.fill(order.cloid, "0.4")
    await quoter.reaches(order.cloid, "PARTIALLY_FILLED")
    running.exchange.fill(order.cloid, "0.6")
    await quoter.reaches(order.cloid, "FILLED")
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "position")
    assert quoter.standing.exposure.max_possible_bid_e8 == 0
    assert quoter.standing.position.fees_quote_e8 == e8("0.0001")


async def test_a_fill_told_twice_counts_once(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    made = running.exchange.fill(order.cloid, "0.4")
    running.exchange.push(fill=made)
    running.exchange.push(funding=gw.Funding(amount_quote_e8=-7, exchange_time_ms=made.exchange_time_ms))
    await until(lambda: quoter.standing.position.funding_quote_e8 == -7, "funding")
    assert (quoter.standing.position.fills, quoter.standing.position.sz_e8) == (1, e8("0.4"))


async def test_an_immediate_execution_is_an_expectation_until_its_trade_id_arrives(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.quiet = True
    running.exchange.on_place = lambda _order: "fill:1"
    order = quoter.order(tif=cm.TIME_IN_FORCE_GTC)
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "FILLED")
    assert quoter.orders[order.cloid].expected_fill_e8 == e8("1")
    await until(lambda: quoter.standing.exposure.max_possible_bid_e8 == e8("1"), "exposure of the expectation")
    assert quoter.standing.position.sz_e8 == 0
    running.exchange.push(fill=running.exchange.fills[0])
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "position")
    assert quoter.standing.exposure.max_possible_bid_e8 == 0


async def test_a_cancel_ends_the_order(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    assert await quoter.submit(cancels=[order.cloid]) == ["ACCEPTED"]
    await quoter.reaches(order.cloid, "CANCELLED")
    assert running.exchange.open() == []
    assert await quoter.submit(cancels=[order.cloid]) == ["NOT_LIVE"]


async def test_a_replacement_moves_an_order_and_both_ends_are_told(running: Stack) -> None:
    quoter = await running.quoter()
    old = await quoter.rests()
    new = quoter.order(px="101")
    assert await quoter.submit(replaces=[os_.Replace(old_cloid=old.cloid, order=new)]) == ["ACCEPTED"]
    await quoter.reaches(new.cloid, "RESTING")
    await quoter.reaches(old.cloid, "CANCELLED")
    assert quoter.orders[new.cloid].replaces_cloid == old.cloid
    assert [held.cloid for held in running.exchange.open()] == [new.cloid]


@pytest.mark.parametrize(
    ("fate", "old_state", "new_state"),
    [
        ("refuse:post_only_cross", "RESTING", "REJECTED"),
        ("refuse:modify_lost_order", "CANCELLED", "REJECTED"),
        ("not_sent", "RESTING", "NEVER_LANDED"),
    ],
)
async def test_a_failed_replacement_neither_loses_the_old_order_nor_leaves_two(
    running: Stack, fate: str, old_state: str, new_state: str
) -> None:
    """I12."""
    quoter = await running.quoter()
    old = await quoter.rests()
    running.exchange.on_modify = lambda _order: fate
    new = quoter.order(px="101")
    await quoter.submit(replaces=[os_.Replace(old_cloid=old.cloid, order=new)])
    await quoter.reaches(new.cloid, new_state)
    await quoter.reaches(old.cloid, old_state)
    assert len(running.exchange.open()) == (1 if old_state == "RESTING" else 0)


async def test_an_order_that_filled_before_its_replacement_is_asked_about(running: Stack) -> None:
    quoter = await running.quoter()
    old = await quoter.rests()
    running.exchange.fill(old.cloid, "1", tell=False)
    running.exchange.on_modify = lambda _order: "refuse:order_gone"
    new = quoter.order(px="101")
    await quoter.submit(replaces=[os_.Replace(old_cloid=old.cloid, order=new)])
    await quoter.reaches(new.cloid, "REJECTED")
    await quoter.reaches(old.cloid, "FILLED")
    assert old.cloid in running.exchange.status_questions


async def test_a_successful_replacement_whose_old_order_says_nothing_is_asked_about(running: Stack) -> None:
    quoter = await running.quoter()
    old = await quoter.rests()
    running.exchange.quiet = True
    new = quoter.order(px="101")
    await quoter.submit(replaces=[os_.Replace(old_cloid=old.cloid, order=new)])
    await quoter.reaches(new.cloid, "RESTING")
    await quoter.reaches(old.cloid, "CANCELLED")


async def test_a_refusal_is_told_with_its_class(running: Stack) -> None:
    running.exchange.on_place = lambda _order: "refuse:post_only_cross"
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "REJECTED")
    told = await until(lambda: [e.refusal for e in quoter.events if e.WhichOneof("event") == "refusal"], "refusal")
    assert (told[0].cloid, getattr(told[0], "class")) == (order.cloid, "post_only_cross")


async def test_three_refused_batches_pause_one_side_and_not_the_other(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda order: "refuse:margin" if order.side == cm.SIDE_BUY else "rest"
    for _ in range(3):
        order = quoter.order()
        assert await quoter.submit(places=[order]) == ["ACCEPTED"]
        await quoter.reaches(order.cloid, "REJECTED")
    assert await quoter.submit(places=[quoter.order(), quoter.order(buy=False)]) == ["BACKOFF", "ACCEPTED"]


async def test_the_gate_counts_everything_that_may_still_fill(running: Stack) -> None:
    """I22."""
    running.risk.permission.max_position_e8 = e8("2")
    quoter = await running.quoter()
    await running.ready()
    orders = [quoter.order(level=level) for level in range(3)]
    assert await quoter.submit(places=orders) == ["ACCEPTED", "ACCEPTED", "EXPOSURE"]
    await quoter.reaches(orders[0].cloid, "RESTING")
    assert await quoter.submit(places=[quoter.order(level=3)]) == ["EXPOSURE"]


async def test_a_silent_risk_closes_the_gate_and_cancels_still_go(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    running.risk.silent = True
    assert running.app is not None
    permissions = running.app._permissions
    await until(lambda: not permissions.of(MARKET)[1], "the permission to expire")
    assert await quoter.submit(cancels=[order.cloid], places=[quoter.order(level=1)]) == ["ACCEPTED", "NO_PERMISSION"]
    await quoter.reaches(order.cloid, "CANCELLED")


async def test_an_older_session_is_fenced_but_may_cancel(running: Stack) -> None:
    """I48."""
    old = await running.quoter()
    order = await old.rests()
    new = await running.quoter()
    assert new.epoch == old.epoch + 1
    assert order.cloid in new.orders
    assert await old.submit(cancels=[order.cloid], places=[old.order()]) == ["ACCEPTED", "FENCED"]
    await new.reaches(order.cloid, "CANCELLED")


async def test_who_was_fenced_gets_another_session_when_the_newest_is_silent(running: Stack) -> None:
    old = await running.quoter()
    order = await old.rests()
    new = await running.quoter()
    assert await new.submit(places=[new.order()]) == ["ACCEPTED"]
    standing_by = os_.AcquireSessionRequest(market=MARKET, holder="test", stand_by=True)
    with pytest.raises(aio.AioRpcError, match=f"session {new.epoch} is at work") as refused:
        await old.stub.AcquireSession(standing_by, timeout=HANG_S)
    assert refused.value.code() is StatusCode.FAILED_PRECONDITION
    running.clock.skip(2_000)
    assert await old.submit(cancels=[order.cloid]) == ["ACCEPTED"]
    with pytest.raises(aio.AioRpcError, match="is at work"):
        await old.stub.AcquireSession(standing_by, timeout=HANG_S)
    running.clock.skip(1_000)
    granted = await old.stub.AcquireSession(standing_by, timeout=HANG_S)
    assert granted.epoch == new.epoch + 1
    with pytest.raises(aio.AioRpcError, match=f"session {granted.epoch} is at work"):
        await new.stub.AcquireSession(standing_by, timeout=HANG_S)
    assert (await running.quoter()).epoch == granted.epoch + 1


async def test_the_store_itself_fences_a_session_granted_elsewhere(running: Stack, server: RedisProcess) -> None:
    quoter = await running.quoter()
    with server.client() as client:
        client.hset("pm:{main}:orders:epochs", MARKET, quoter.epoch + 1)
    assert await quoter.submit(places=[quoter.order()]) == ["FENCED"]
    assert running.exchange.requests == []


async def test_an_unconfigured_market_is_refused_everywhere(running: Stack) -> None:
    quoter = await running.quoter()
    quoter.market = "DOGE"
    assert await quoter.submit(cancels=["0x1"], places=[quoter.order()]) == ["INVALID", "INVALID"]


async def test_a_reader_of_all_markets_sees_consecutive_numbers(running: Stack) -> None:
    quoter = await running.quoter()
    for level in range(5):
        await quoter.submit(places=[quoter.order(level=level)])
    await until(lambda: sum(quoter.state(c) == "RESTING" for c in quoter.orders) == 5, "five orders")
    sequences = [event.trace.sequence for event in quoter.events]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


async def test_an_order_of_ours_without_a_record_is_adopted_and_cancelled(running: Stack) -> None:
    """I1."""
    quoter = await running.quoter()
    orphan = quoter.cloid(99)
    running.exchange.put(orphan, placed_ms=running.exchange.time_ms() - 6_000)
    running.exchange.push(open_orders=running.exchange._open_orders(queried=False))
    await quoter.reaches(orphan, "CANCELLED")
    assert running.exchange.open() == []


async def test_foreign_orders_are_left_alone(running: Stack) -> None:
    """I13."""
    quoter = await running.quoter()
    running.exchange.put("", placed_ms=running.exchange.time_ms() - 60_000)
    running.exchange.push(open_orders=running.exchange._open_orders(queried=False))
    answer = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="d"), timeout=HANG_S)
    assert answer.verified_empty
    assert len(running.exchange.open()) == 1
    assert running.exchange.cancels_asked() == []


async def test_a_foreign_fill_moves_the_position_and_is_told_as_unmatched(running: Stack) -> None:
    """I18."""
    quoter = await running.quoter()
    held = running.exchange.put("")
    running.exchange.fill(f"oid{held.oid}", "0.3")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.3"), "position")
    recorded = [event.fill for event in quoter.events if event.WhichOneof("event") == "fill"]
    assert [fill.matched for fill in recorded] == [False]
    summary = await quoter.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    assert summary.markets[0].unmatched_fills == 1


async def test_a_fill_whose_message_was_lost_is_found_by_the_sync(running: Stack) -> None:
    """I14, I19."""
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.fill(order.cloid, "0.4", tell=False)
    running.exchange.push(account=running.exchange._account())
    await until(lambda: quoter.standing.drift_e8 == e8("0.4"), "drift")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.4"), "the missing fill")
    await until(lambda: quoter.standing.drift_e8 == 0, "the end of the drift")


async def test_a_cancel_message_that_was_lost_is_found_by_asking(running: Stack) -> None:
    """I2."""
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.quiet = True
    running.exchange.end(order.cloid, "marginCanceled")
    running.exchange.push(non_user_cancel=gw.NonUserCancel(oid=running.exchange.orders[order.cloid].oid))
    await quoter.reaches(order.cloid, "CANCELLED")


async def test_the_history_of_an_order_can_be_read(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.fill(order.cloid, "1")
    await quoter.reaches(order.cloid, "FILLED")
    told = await quoter.stub.Explain(os_.ExplainRequest(cloid=order.cloid), timeout=HANG_S)
    assert told.entries[0].event == "intent"
    assert told.entries[-1].to_state == cm.ORDER_STATE_FILLED
    assert [fill.sz_e8 for fill in told.fills] == [e8("1")]
    listed = await quoter.stub.ListFills(os_.ListFillsRequest(market=MARKET), timeout=HANG_S)
    assert len(listed.fills) == 1
    orders = await quoter.stub.ListOrders(os_.ListOrdersRequest(include_terminal=True), timeout=HANG_S)
    assert [o.cloid for o in orders.orders] == [order.cloid]
    assert not (await quoter.stub.ListOrders(os_.ListOrdersRequest(market=MARKET), timeout=HANG_S)).orders


async def test_totals_count_what_happened(running: Stack) -> None:
    quoter = await running.quoter()
    orders = [quoter.order(level=level) for level in range(2)]
    await quoter.submit(places=orders)
    await quoter.reaches(orders[1].cloid, "RESTING")
    await quoter.submit(cancels=[orders[0].cloid])
    await quoter.reaches(orders[0].cloid, "CANCELLED")
    summary = await quoter.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    market = summary.markets[0]
    assert (market.market, market.placed, market.cancelled, market.rejected) == (MARKET, 2, 1, 0)
    assert summary.unresolved_orders == 0
    assert summary.reconciliations >= 1
    assert summary.event_to_subscribers_us[0] > 0


async def test_the_same_cloid_twice_is_a_duplicate(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    assert await quoter.submit(places=[order]) == ["ACCEPTED"]
    assert await quoter.submit(places=[order]) == ["DUPLICATE"]


async def test_a_plan_is_carried_through_when_its_sender_goes_away(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    call = quoter.stub.Submit()
    trace = cm.Trace(market=MARKET, epoch=quoter.epoch, sequence=1)
    await call.write(os_.SubmitRequest(trace=trace, places=[order]))
    await until(lambda: running.exchange.requests, "the order at the exchange")
    call.cancel()
    await quoter.reaches(order.cloid, "RESTING")


async def test_two_markets_have_books_of_their_own(server: RedisProcess, tmp_path: Path) -> None:
    with server.client() as client:
        client.flushall()
    async with stack(tmp_path, server.url, ("BTC", "ETH")) as both:
        btc, eth = await both.quoter("BTC"), await both.quoter("ETH")
        one, other = btc.order(), eth.order(buy=False)
        verdicts = await asyncio.gather(btc.submit(places=[one]), eth.submit(places=[other]))
        assert verdicts == [["ACCEPTED"], ["ACCEPTED"]]
        await btc.reaches(one.cloid, "RESTING")
        await eth.reaches(other.cloid, "RESTING")
        assert set(btc.orders) == {one.cloid}
        assert set(eth.orders) == {other.cloid}
