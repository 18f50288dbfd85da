"""Differences between the record and the exchange: found, held against new risk, and mended by evidence."""

from __future__ import annotations

from pathlib import Path

from tests.support.order_state import e8
from tests.support.order_state_stack import RedisProcess, Stack, until
from tests.support.waiting import HANG_S

from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


async def test_a_fill_missed_long_before_the_newest_one_is_found_by_the_drift(running: Stack) -> None:
    """I21."""
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.fill(order.cloid, "0.2", tell=False)
    running.clock.skip(200_000)
    running.exchange.fill(order.cloid, "0.3")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.3"), "the newer fill")
    running.exchange.push(account=running.exchange._account())
    await until(lambda: quoter.standing.drift_e8 == e8("0.2"), "the drift")
    running.clock.skip(3_000)
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.5"), "the older fill", 20)
    await until(lambda: quoter.standing.drift_e8 == 0, "the end of the drift")


async def test_a_drift_that_fills_do_not_explain_holds_orders_that_add_risk(running: Stack) -> None:
    """I21: the ledger is not overwritten."""
    quoter = await running.quoter()
    order = await quoter.rests()
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
    order = await quoter.rests()
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
    order = await quoter.rests()
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
