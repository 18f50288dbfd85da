"""Lost answers, broken streams and crashes: what is not known stays alive until the exchange says otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from tests.support.order_state import MARKET, e8
from tests.support.order_state_stack import RedisProcess, Stack, redis_server, stack, until
from tests.support.waiting import HANG_S

from perpmaker.order_state.store.redis_store import DisownedError
from perpmaker.proto.common.v1 import common_pb2 as cm
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_

FAR_MS = 3_600_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server("valkey", tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
async def running(server: RedisProcess, tmp_path: Path) -> AsyncIterator[Stack]:
    with server.client() as client:
        client.flushall()
    async with stack(tmp_path, server.url) as made:
        yield made


async def test_a_lost_answer_keeps_exposure_and_level_until_the_status_is_known(running: Stack) -> None:
    """I3."""
    quoter = await running.quoter()
    running.exchange.quiet = True
    running.exchange.reads_fail = True
    running.exchange.on_place = lambda _order: "lose_after"
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "UNKNOWN")
    await until(lambda: quoter.standing.exposure.unknown_orders == 1, "the exposure of the doubt")
    assert quoter.standing.exposure.max_possible_bid_e8 == e8("1")
    assert await quoter.submit(places=[quoter.order()]) == ["LEVEL_BLOCKED"]
    running.exchange.reads_fail = False
    await quoter.reaches(order.cloid, "RESTING")
    await until(lambda: quoter.standing.exposure.unknown_orders == 0, "the end of the doubt")


async def test_an_order_that_expired_unseen_is_proven_never_to_have_landed(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda _order: "lose_before"
    running.exchange.expire_orders_ms = -3_000
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "NEVER_LANDED")
    told = await quoter.stub.Explain(os_.ExplainRequest(cloid=order.cloid), timeout=HANG_S)
    assert "expired" in told.entries[-1].evidence


async def test_a_burned_nonce_ends_the_doubt_before_the_expiry(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda _order: "lose_before"
    running.exchange.expire_orders_ms = FAR_MS
    running.exchange.burns = "burned"
    orders = [quoter.order(level=level) for level in range(2)]
    await quoter.submit(places=orders)
    await quoter.reaches(orders[0].cloid, "NEVER_LANDED")
    await quoter.reaches(orders[1].cloid, "NEVER_LANDED")
    assert len(running.exchange.burned) == 1


async def test_time_alone_ends_no_doubt(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.quiet = True
    running.exchange.on_place = lambda _order: "lose_after"
    running.exchange.expire_orders_ms = FAR_MS
    running.exchange.burns = "already_used"
    order = quoter.order()
    running.exchange.hidden.add(order.cloid)
    await quoter.submit(places=[order])
    await until(lambda: len(running.exchange.burned) == 1, "the attempt to burn the nonce")
    asked = len(running.exchange.status_questions)
    running.clock.skip(600_000)
    await until(lambda: len(running.exchange.status_questions) > asked + 1, "more questions")
    assert quoter.state(order.cloid) == "UNKNOWN"
    running.exchange.hidden.clear()
    await quoter.reaches(order.cloid, "RESTING")
    assert len(running.exchange.burned) == 1


async def test_losing_the_stream_makes_orders_unknown_at_once_and_holds_quoting(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda _order: "silent"
    running.exchange.expire_orders_ms = FAR_MS
    order = quoter.order()
    await quoter.submit(places=[order])
    assert quoter.state(order.cloid) in ("", "PENDING")
    running.exchange.break_execute()
    await quoter.reaches(order.cloid, "UNKNOWN")
    # A missing answer alone would make it so, too, but much later.
    told = await quoter.stub.Explain(os_.ExplainRequest(cloid=order.cloid), timeout=HANG_S)
    doubted = next(entry for entry in told.entries if entry.to_state == cm.ORDER_STATE_UNKNOWN)
    assert doubted.evidence.startswith("stream_lost")
    await until(lambda: any("gateway" in e.hold.reasons for e in quoter.events), "the hold")
    await until(lambda: not quoter.hold.held, "the release")


async def test_a_plan_that_ends_without_an_answer_leaves_the_order_unknown(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.quiet = True
    running.exchange.reads_fail = True
    fates = iter(["silent", "rest"])
    running.exchange.on_place = lambda _order: next(fates)
    orders = [quoter.order(level=level) for level in range(2)]
    await quoter.submit(places=orders)
    await quoter.reaches(orders[1].cloid, "RESTING")
    assert quoter.state(orders[0].cloid) == "PENDING"
    running.clock.skip(9_000)
    await quoter.reaches(orders[0].cloid, "UNKNOWN")


async def test_a_cancel_without_answer_is_sent_again(running: Stack) -> None:
    """I8."""
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    fates = iter(["unknown", "silent"])
    running.exchange.on_cancel = lambda _cloid: next(fates, "cancel")
    await quoter.submit(cancels=[order.cloid])
    await quoter.reaches(order.cloid, "CANCELLED")
    assert running.exchange.cancels_asked() == [order.cloid] * 3


async def test_a_cancel_of_an_order_that_filled_is_settled_by_its_status(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    made = running.exchange.fill(order.cloid, "1", tell=False)
    await quoter.submit(cancels=[order.cloid])
    await quoter.reaches(order.cloid, "FILLED")
    assert quoter.orders[order.cloid].expected_fill_e8 == e8("1")
    running.exchange.push(fill=made)
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "position")


async def test_an_order_the_exchange_forgot_is_closed_only_after_its_fills_were_read(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    running.exchange.fill(order.cloid, "1", tell=False)
    running.exchange.hidden.add(order.cloid)
    running.exchange.on_cancel = lambda _cloid: "unknown"
    running.clock.skip(20_000)
    await quoter.submit(cancels=[order.cloid])
    await until(lambda: quoter.state(order.cloid) in ("FILLED", "CANCELLED"), "the end of the order")
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "its fill")


async def test_a_gateway_restart_is_a_gap_and_nothing_of_it_is_missed(running: Stack) -> None:
    """I19."""
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    await running.stop_gateway()
    await until(lambda: quoter.hold.held, "the hold")
    assert await quoter.submit(places=[quoter.order(level=1)], cancels=[order.cloid]) == ["ACCEPTED", "HELD"]
    running.exchange.fill(order.cloid, "0.25")
    await running.start_gateway()
    await until(lambda: not quoter.hold.held, "the release")
    await quoter.reaches(order.cloid, "CANCELLED")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.25"), "the fill of the gap")


async def test_the_gap_stays_closed_to_orders_until_everything_was_read(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.reads_fail = True
    running.exchange.push(gap_opened=gw.GapOpened(reason="socket_closed"))
    await until(lambda: quoter.hold.held, "the hold")
    running.exchange.push(gap_closed=gw.GapClosed(snapshot_time_ms=running.clock.now_ms()))
    assert running.app is not None
    syncer = running.app._syncer
    before = syncer.completed
    await until(lambda: syncer.completed > before, "a sync that fails")
    assert quoter.hold.held
    running.exchange.reads_fail = False
    await until(lambda: not quoter.hold.held, "the release")


async def test_a_sync_that_began_before_a_gap_does_not_end_it(running: Stack) -> None:
    quoter = await running.quoter()
    exchange, (first, second) = running.exchange, (asyncio.Event(), asyncio.Event())
    exchange.list_gate, asked = first, exchange.lists_asked
    exchange.push(gap_opened=gw.GapOpened(reason="socket_closed"))
    exchange.push(gap_closed=gw.GapClosed(snapshot_time_ms=running.clock.now_ms()))
    await until(lambda: exchange.lists_asked > asked, "a sync under way")
    exchange.list_gate, asked = second, exchange.lists_asked
    exchange.push(gap_opened=gw.GapOpened(reason="socket_closed"))
    exchange.push(gap_closed=gw.GapClosed(snapshot_time_ms=running.clock.now_ms()))
    exchange.push(order_update=gw.OrderUpdate(oid=1, cloid=quoter.cloid(), status="open"))
    assert running.app is not None
    syncer = running.app._syncer
    await until(lambda: "untracked_order" in syncer._reasons, "that the second gap was heard of")
    first.set()
    await until(lambda: exchange.lists_asked > asked, "the sync after the second gap")
    assert "gap" in running.app.truth.hold_reasons(MARKET)
    second.set()
    await until(lambda: not quoter.hold.held, "the release")


async def test_a_fill_missed_long_before_the_newest_one_is_found_by_the_drift(running: Stack) -> None:
    """I21."""
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    running.exchange.fill(order.cloid, "0.2", tell=False)
    running.clock.skip(200_000)
    running.exchange.fill(order.cloid, "0.3")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.3"), "the newer fill")
    running.exchange.push(account=running.exchange._account())
    await until(lambda: quoter.standing.drift_e8 == e8("0.2"), "the drift")
    running.clock.skip(3_000)
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.5"), "the older fill", 20)
    await until(lambda: quoter.standing.drift_e8 == 0, "the end of the drift")


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
    resting = quoter.order()
    await quoter.submit(places=[resting])
    await quoter.reaches(resting.cloid, "RESTING")
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


async def test_a_drain_empties_the_market_unknown_orders_included(running: Stack) -> None:
    quoter = await running.quoter()
    resting = quoter.order()
    await quoter.submit(places=[resting])
    await quoter.reaches(resting.cloid, "RESTING")
    running.exchange.on_place = lambda _order: "lose_before"
    running.exchange.expire_orders_ms = -3_000
    doubtful = quoter.order(level=1)
    await quoter.submit(places=[doubtful])
    await quoter.reaches(doubtful.cloid, "UNKNOWN")
    orphan = quoter.cloid(77, level=5)
    running.exchange.put(orphan)
    answer = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=HANG_S)
    assert answer.verified_empty
    assert running.exchange.open() == []
    assert quoter.state(orphan) == "CANCELLED"
    assert any("drain" in event.hold.reasons for event in quoter.events)


async def test_a_drain_that_cannot_be_verified_names_what_remains(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    running.exchange.on_cancel = lambda _cloid: "unknown"
    answer = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=0.6)
    assert not answer.verified_empty
    assert [left.cloid for left in answer.remaining] == [order.cloid]
    assert await quoter.submit(places=[quoter.order(level=1)]) == ["HELD"]
    running.exchange.on_cancel = lambda _cloid: "cancel"
    joined = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=HANG_S)
    assert joined.verified_empty


async def test_a_drain_believes_only_the_exchange(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.reads_fail = True
    answer = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=0.5)
    assert not answer.verified_empty


async def test_a_drain_sees_an_order_that_is_over_by_our_record_alone(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda _order: "refuse:margin"
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "REJECTED")
    running.exchange.put(order.cloid)
    answer = await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=HANG_S)
    assert answer.verified_empty
    assert running.exchange.open() == []


async def test_orders_whose_quoter_stays_away_are_cancelled(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    running.clock.skip(60_000)
    await running.ready()
    assert await quoter.submit(places=[quoter.order(level=1)]) == ["ACCEPTED"]
    assert running.exchange.cancels_asked() == []
    await quoter.hang_up()
    running.clock.skip(10_000)
    watcher = await running.quoter()
    assert watcher.state(order.cloid) == "RESTING"
    running.clock.skip(10_000)
    await watcher.reaches(order.cloid, "CANCELLED")
    assert running.exchange.open() == []


async def test_after_a_drain_no_order_passes_before_risk_speaks_again(running: Stack) -> None:
    quoter = await running.quoter()
    running.risk.silent = True
    await quoter.stub.CancelAll(os_.CancelAllRequest(market=MARKET, drain_id="a"), timeout=HANG_S)
    assert await quoter.submit(places=[quoter.order()]) == ["NO_PERMISSION"]


async def test_a_drift_that_fills_do_not_explain_holds_orders_that_add_risk(running: Stack) -> None:
    """I21: the ledger is not overwritten."""
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    running.exchange.fill(order.cloid, "1")
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "position")
    running.exchange.position_offset_e8 = e8("0.5")
    running.exchange.push(account=running.exchange._account())
    await until(lambda: quoter.standing.drift_e8 == e8("0.5"), "drift")
    running.clock.skip(7_000)
    await until(lambda: "drift" in quoter.hold.reasons, "the hold")
    await running.ready()
    assert quoter.standing.position.sz_e8 == e8("1")
    reducing = quoter.order(buy=False, sz="0.5", reduce_only=True)
    assert await quoter.submit(places=[quoter.order(level=1), reducing]) == ["HELD", "ACCEPTED"]
    running.exchange.position_offset_e8 = 0
    running.exchange.push(account=running.exchange._account())
    await until(lambda: not quoter.hold.held, "the release")


async def test_an_expectation_that_no_fill_confirms_lapses_after_fills_were_read(running: Stack) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    held = running.exchange.orders[order.cloid]
    held.status, held.status_ms, held.remaining_e8 = "filled", running.exchange.time_ms(), 0
    running.exchange.update(held)
    await quoter.reaches(order.cloid, "FILLED")
    assert quoter.orders[order.cloid].expected_fill_e8 == e8("1")
    running.clock.skip(11_000)
    await until(lambda: quoter.orders[order.cloid].expected_fill_e8 == 0, "the end of the expectation")


async def test_orders_that_are_over_are_retired_and_late_fills_still_find_them(
    running: Stack, server: RedisProcess
) -> None:
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    made = running.exchange.fill(order.cloid, "0.4", tell=False)
    await quoter.submit(cancels=[order.cloid])
    await quoter.reaches(order.cloid, "CANCELLED")
    running.exchange.fills.clear()
    running.clock.skip(12_000)
    await until(lambda: quoter.orders[order.cloid].expected_fill_e8 == 0, "the end of the expectation")
    running.clock.skip(61_000)
    with server.client() as client:
        await until(lambda: not client.hexists("pm:{main}:orders:live", order.cloid), "the retirement")
    app = running.app
    assert app is not None
    # The store forgets it first.
    await until(lambda: app.truth.find(order.cloid) is None, "its end in memory")
    running.exchange.push(fill=made)
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.4"), "the late fill")
    assert [e.fill.matched for e in quoter.events if e.WhichOneof("event") == "fill"] == [True]
    told = await quoter.stub.Explain(os_.ExplainRequest(cloid=order.cloid), timeout=HANG_S)
    assert told.order.cloid == order.cloid


async def test_an_account_with_a_position_begins_with_it(server: RedisProcess, tmp_path: Path) -> None:
    with server.client() as client:
        client.flushall()
    made = Stack(tmp_path, server.url)
    made.exchange.position_offset_e8 = e8("3")
    await made.start_gateway()
    await made.start_risk()
    await made.start()
    try:
        await made.ready()
        quoter = await made.quoter()
        assert quoter.standing.position.sz_e8 == e8("3")
        assert quoter.standing.position.cash_quote_e8 == -e8("300")
        assert quoter.standing.drift_e8 == 0
    finally:
        await made.stop()


async def test_an_order_believed_over_but_seen_in_the_book_is_cancelled_there(running: Stack) -> None:
    quoter = await running.quoter()
    running.exchange.on_place = lambda _order: "refuse:margin"
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "REJECTED")
    running.exchange.put(order.cloid)
    running.clock.skip(3_000)
    running.exchange.push(open_orders=running.exchange._open_orders(queried=False))
    await until(lambda: not running.exchange.open(), "the cancel at the exchange")
    assert quoter.state(order.cloid) == "REJECTED"


async def test_a_status_nobody_knows_is_asked_about(running: Stack) -> None:
    """I28."""
    quoter = await running.quoter()
    order = quoter.order()
    await quoter.submit(places=[order])
    await quoter.reaches(order.cloid, "RESTING")
    held = running.exchange.orders[order.cloid]
    update = running.exchange.status_of(held)
    update.status, update.status_time_ms = "lunarEclipse", running.exchange.time_ms()
    running.exchange.push(order_update=update)
    await until(lambda: order.cloid in running.exchange.status_questions, "the question")
    assert quoter.state(order.cloid) == "RESTING"
