"""Breaks of the account stream: nothing of them is missed, and no order passes before all was read."""

from __future__ import annotations

import asyncio

from tests.support.order_state import MARKET, e8
from tests.support.order_state_stack import Stack, until

from perpmaker.proto.gateway.v1 import gateway_pb2 as gw


async def test_a_gateway_restart_is_a_gap_and_nothing_of_it_is_missed(running: Stack) -> None:
    """I19."""
    quoter = await running.quoter()
    order = await quoter.rests()
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
