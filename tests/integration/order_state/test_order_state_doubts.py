"""Lost answers: what is not known stays alive until the exchange says otherwise."""

from __future__ import annotations

from tests.support.order_state import e8
from tests.support.order_state_stack import Stack, until
from tests.support.waiting import HANG_S

from perpmaker.proto.common.v1 import common_pb2 as cm
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_

FAR_MS = 3_600_000


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
    order = await quoter.rests()
    fates = iter(["unknown", "silent"])
    running.exchange.on_cancel = lambda _cloid: next(fates, "cancel")
    await quoter.submit(cancels=[order.cloid])
    await quoter.reaches(order.cloid, "CANCELLED")
    assert running.exchange.cancels_asked() == [order.cloid] * 3


async def test_a_cancel_of_an_order_that_filled_is_settled_by_its_status(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    made = running.exchange.fill(order.cloid, "1", tell=False)
    await quoter.submit(cancels=[order.cloid])
    await quoter.reaches(order.cloid, "FILLED")
    assert quoter.orders[order.cloid].expected_fill_e8 == e8("1")
    running.exchange.push(fill=made)
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "position")


async def test_an_order_the_exchange_forgot_is_closed_only_after_its_fills_were_read(running: Stack) -> None:
    quoter = await running.quoter()
    order = await quoter.rests()
    running.exchange.fill(order.cloid, "1", tell=False)
    running.exchange.hidden.add(order.cloid)
    running.exchange.on_cancel = lambda _cloid: "unknown"
    running.clock.skip(20_000)
    await quoter.submit(cancels=[order.cloid])
    await until(lambda: quoter.state(order.cloid) in ("FILLED", "CANCELLED"), "the end of the order")
    await until(lambda: quoter.standing.position.sz_e8 == e8("1"), "its fill")


async def test_a_status_nobody_knows_is_asked_about(running: Stack) -> None:
    """I28."""
    quoter = await running.quoter()
    order = await quoter.rests()
    held = running.exchange.orders[order.cloid]
    update = running.exchange.status_of(held)
    update.status, update.status_time_ms = "lunarEclipse", running.exchange.time_ms()
    running.exchange.push(order_update=update)
    await until(lambda: order.cloid in running.exchange.status_questions, "the question")
    assert quoter.state(order.cloid) == "RESTING"
