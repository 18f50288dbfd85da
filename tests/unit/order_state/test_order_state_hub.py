"""Readers get a snapshot, then every event, and a new snapshot when they fall behind."""

from __future__ import annotations

import asyncio

from tests.support.order_state import MARKET

from perpmaker.order_state.hub import QUEUE_LENGTH, Hub
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


def hub() -> Hub:
    return Hub(lambda _market: (3, os_.MarketSnapshot(epoch=3)))


def say(where: Hub, market: str = MARKET) -> None:
    where.publish(market, 3, os_.WatchResponse(hold=os_.Hold(held=True)))


async def test_a_reader_begins_with_a_snapshot_that_carries_the_last_number() -> None:
    where = hub()
    say(where)
    reader = where.subscribe([MARKET])
    (first,) = await reader.take()
    assert (first.WhichOneof("event"), first.trace.sequence, first.trace.epoch) == ("snapshot", 1, 3)
    say(where)
    (second,) = await reader.take()
    assert (second.WhichOneof("event"), second.trace.sequence) == ("hold", 2)


async def test_events_before_the_first_reading_are_part_of_the_snapshot() -> None:
    where = hub()
    reader = where.subscribe([MARKET])
    say(where)
    assert [message.trace.sequence for message in await reader.take()] == [1]


async def test_a_reader_that_falls_behind_gets_a_new_snapshot_and_stops_nobody() -> None:
    where = hub()
    slow, quick = where.subscribe([MARKET]), where.subscribe([MARKET])
    await slow.take()
    await quick.take()
    for _ in range(QUEUE_LENGTH):
        say(where)
    assert len(await quick.take()) == QUEUE_LENGTH
    say(where)
    assert [message.WhichOneof("event") for message in await slow.take()] == ["snapshot"]
    assert [message.trace.sequence for message in await quick.take()] == [QUEUE_LENGTH + 1]
    say(where)
    assert [message.trace.sequence for message in await slow.take()] == [QUEUE_LENGTH + 2]


async def test_a_reader_of_all_hears_of_a_market_that_comes_by_a_snapshot_and_of_none_that_went() -> None:
    where = hub()
    everything, one = where.subscribe([MARKET], follows_all=True), where.subscribe([MARKET])
    await everything.take()
    await one.take()
    say(where)
    where.begin("ETH")
    say(where, "ETH")
    told = [(message.trace.market, message.WhichOneof("event")) for message in await everything.take()]
    assert told == [("ETH", "snapshot"), (MARKET, "hold")]
    say(where, "ETH")
    where.end("ETH")
    say(where, "ETH")
    assert await everything.take() == []
    assert [message.trace.market for message in await one.take()] == [MARKET]


async def test_a_reader_is_over_when_its_last_market_has_gone_unless_it_reads_all() -> None:
    where = hub()
    everything, one = where.subscribe([MARKET], follows_all=True), where.subscribe([MARKET])
    where.end(MARKET)
    assert one.is_over
    assert await one.take() == []
    assert not everything.is_over


async def test_a_reader_hears_only_its_markets() -> None:
    where = hub()
    reader = where.subscribe([MARKET])
    await reader.take()
    say(where, "ETH")
    say(where)
    assert [message.trace.market for message in await reader.take()] == [MARKET]


async def test_a_reader_that_left_costs_nothing() -> None:
    where = hub()
    reader = where.subscribe([MARKET])
    await reader.take()
    where.unsubscribe(reader)
    say(where)
    waiting = asyncio.ensure_future(reader.take())
    await asyncio.wait({waiting}, timeout=0.01)
    assert not waiting.done()
    waiting.cancel()
