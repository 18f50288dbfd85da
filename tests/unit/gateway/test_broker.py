"""Plans that come together leave together, those of one market in their order, and nothing waits without need."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.support.waiting import HANG_S

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.orders.broker import APART_S, Broker


class Desk:
    """Keeps the batches that left."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.news = asyncio.Event()
        self.clock = ManualClock()
        self.broker: Broker[str] = Broker(self.depart, self.clock)

    async def depart(self, plans: Sequence[str]) -> None:
        self.batches.append(list(plans))
        self.news.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(HANG_S):
            while len(self.batches) < count:
                self.news.clear()
                await self.news.wait()


async def test_a_lone_plan_leaves_before_submit_returns() -> None:
    desk = Desk()
    await desk.broker.submit("BTC", "b1")
    assert desk.batches == [["b1"]]
    assert desk.broker.is_idle


async def test_plans_right_after_it_share_the_next_departure() -> None:
    desk = Desk()
    for market in ("BTC", "ETH", "SOL"):
        await desk.broker.submit(market, market)
    assert desk.batches == [["BTC"]]
    assert not desk.broker.is_idle
    await desk.until(2)
    assert desk.batches == [["BTC"], ["ETH", "SOL"]]


async def test_a_plan_after_the_window_waits_for_nobody() -> None:
    desk = Desk()
    await desk.broker.submit("BTC", "b1")
    desk.clock.advance_ms(3)
    await desk.broker.submit("ETH", "e1")
    assert desk.batches == [["b1"], ["e1"]]


async def test_two_plans_of_one_market_never_share_and_keep_their_order() -> None:
    desk = Desk()
    for plan in ("b1", "b2", "b3"):
        await desk.broker.submit("BTC", plan)
    await desk.until(3)
    assert desk.batches == [["b1"], ["b2"], ["b3"]]


async def test_a_market_kept_apart_leaves_alone_for_a_while() -> None:
    desk = Desk()
    desk.broker.keep_apart(["ETH"])
    await desk.broker.submit("BTC", "b1")
    await desk.broker.submit("SOL", "s1")
    await desk.broker.submit("ETH", "e1")
    assert desk.batches == [["b1"], ["s1"], ["e1"]]
    desk.clock.advance_ms(round(APART_S * 1000) + 1)
    await desk.broker.submit("BTC", "b2")
    await desk.broker.submit("ETH", "e2")
    await desk.broker.submit("SOL", "s2")
    await desk.until(5)
    assert desk.batches[3:] == [["b2"], ["e2", "s2"]]


async def test_what_waits_can_be_taken_back() -> None:
    desk = Desk()
    await desk.broker.submit("BTC", "b1")
    await desk.broker.submit("ETH", "e1")
    assert desk.broker.take() == ["e1"]
    assert desk.broker.is_idle
