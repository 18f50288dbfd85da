"""A market that is to be empty: only the exchange can say that it is."""

from __future__ import annotations

from tests.support.order_state import MARKET
from tests.support.order_state_stack import Stack
from tests.support.waiting import HANG_S

from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


async def test_a_drain_empties_the_market_unknown_orders_included(running: Stack) -> None:
    quoter = await running.quoter()
    await quoter.rests()
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
    order = await quoter.rests()
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
    order = await quoter.rests()
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
