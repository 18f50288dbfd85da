"""Streams that are stale, mixed, garbled, slow or still. Exchange documentation: "Subscriptions"."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.gateway import running_gateway
from tests.support.gateway_watch import (
    Counted,
    event,
    grows,
    nothing_is_lost,
    open_cloids,
    places,
    reconnects,
    rests,
    trades_on,
)
from tests.support.venue import running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

FRESH_BOOKS = 20
NEVER_AGAIN_MS = 3_600_000


async def test_book_follows_the_market_while_the_ordinary_one_stands_still(tmp_path: Path) -> None:
    async with (
        running(flow=True, book_ms=NEVER_AGAIN_MS) as venue,
        running_gateway(venue, tmp_path) as gateway,
        venue.client(9).socket() as onlooker,
    ):
        await onlooker.subscribe(type="l2Book", coin="BTC")
        await onlooker.wait(
            lambda _: len(onlooker.on("l2Book")) == 2
        )  # what it begins with, and the first that was due
        market = gateway.market_stream("BTC")
        first = await market.until(lambda message: len(message.book.bids) > 0)

        def is_later(message: pb.MarketDataServiceSubscribeResponse) -> bool:
            return message.trace.exchange_time_ms > first.trace.exchange_time_ms

        await market.until(lambda message: message.HasField("book") and is_later(message))
        await market.until(lambda message: message.HasField("bbo") and is_later(message))
        assert len(onlooker.on("l2Book")) == 2


async def test_book_that_lags_leaves_best_prices_fresh_and_the_feed_live(tmp_path: Path) -> None:
    async with running(flow=True) as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.feed.live)
        newest = (await market.until(lambda message: message.HasField("bbo"))).trace.exchange_time_ms
        await market.until(lambda message: message.HasField("book"))
        await venue.control("delay", channel="l2Book", ms=60_000)
        seen = len(market.messages)
        silent = reconnects("market_data", "silent")

        moved = await market.until(
            lambda message: message.HasField("bbo") and message.trace.exchange_time_ms > newest + 7_000, after=seen
        )

        books = [m.trace.exchange_time_ms for m in market.messages if m.HasField("book")]
        assert moved.trace.exchange_time_ms - max(books) > gateway.part.feed_timeout_s * 1_000
        assert silent.grown == 0
        assert not [message for message in market.messages[seen:] if message.HasField("feed")]


async def test_ordinary_books_among_fast_ones_never_take_the_book_back(tmp_path: Path) -> None:
    async with (
        running(flow=True, book_ms=NEVER_AGAIN_MS) as venue,
        running_gateway(venue, tmp_path) as gateway,
    ):
        old = Counted("mm_gateway_bad_frames_total", socket="market_data", reason="time_regression")
        market = gateway.market_stream("BTC")
        await venue.control("mix_books")
        await grows(old, 3)

        def shown() -> list[pb.MarketDataServiceSubscribeResponse]:
            return [message for message in market.messages if message.HasField("book")]

        async def has_moved() -> bool:
            return len(shown()) >= 3

        await until("books go on", has_moved)
        times = [message.trace.exchange_time_ms for message in shown()]
        assert times == sorted(times)
        assert gateway.service.status().ready


@pytest.mark.parametrize("channel", ["orderUpdates", "userFills", "openOrders"])
async def test_invalid_json_for_the_account_is_a_gap_that_brings_what_it_said(tmp_path: Path, channel: str) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        sold = await rests(venue, gateway, 1, away=0, buy=False)
        await account.until(lambda message: sold in {order.cloid for order in message.open_orders.orders})
        seen = len(account.messages)
        bad = Counted("mm_gateway_bad_frames_total", socket="account", reason="not_json")
        await venue.control("garble", channel=channel, n=1)

        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        opened = await account.until(event("gap_opened"), after=seen)
        assert opened.gap_opened.reason == "bad_frame"
        closed = await account.until(event("gap_closed"), after=seen)
        assert closed.gap_closed.open_orders == 0
        assert sold in {message.fill.cloid for message in account.messages[seen:]}
        assert bad.grown == 1
        await nothing_is_lost(venue, gateway, account)


async def test_invalid_json_for_the_market_is_counted_and_costs_nothing_else(tmp_path: Path) -> None:
    async with running(flow=True) as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.HasField("book"))
        bad = Counted("mm_gateway_bad_frames_total", socket="market_data", reason="not_json")
        lost = reconnects("market_data", "socket_closed")
        await venue.control("garble", channel="ws_market", n=3)
        await grows(bad, 3)
        seen = len(market.messages)
        await market.until(lambda message: message.HasField("book"), after=seen)
        assert lost.grown == 0
        assert not [message for message in market.messages[seen:] if message.HasField("feed")]


async def test_slow_reading_ends_in_a_cut_and_in_a_gap_with_everything(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        sold = await rests(venue, gateway, 1, away=0, buy=False)
        seen = len(account.messages)
        cut = reconnects("account", "socket_closed")
        await venue.control("slow_consumer", frames_per_block=0, most_waiting=2, address=gateway.part.address)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        await places(venue, gateway, 2)
        await grows(cut)
        await venue.control("clear")

        await account.until(event("gap_opened"), after=seen)
        await account.until(event("gap_closed"), after=seen)
        assert sold in {message.fill.cloid for message in account.messages[seen:]}
        await trades_on(venue, gateway, 3)
        await nothing_is_lost(venue, gateway, account)


async def test_withheld_pongs_end_a_socket_that_hears_nothing_else(tmp_path: Path) -> None:
    quick = {"ping_interval_s": 0.5, "idle_timeout_s": 4.0}
    async with running(flow=True) as venue, running_gateway(venue, tmp_path, **quick) as gateway:
        cloid = await rests(venue, gateway, 1)
        idle = reconnects("order_entry", "idle")
        await venue.control("withhold_pong")
        await grows(idle)
        assert (await venue.control("faults"))["struck"]["withhold_pong"] >= 1
        await venue.control("clear")
        assert await open_cloids(venue, gateway) == {cloid}
        await trades_on(venue, gateway, 2)


async def test_market_that_stands_still_is_not_live_until_it_moves_again(tmp_path: Path) -> None:
    async with running(flow=True) as venue, running_gateway(venue, tmp_path, feed_timeout_s=1.5) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.feed.live)
        seen = len(market.messages)
        await venue.control("freeze", channel="ws_market")
        silent = await market.until(lambda message: message.HasField("feed"), after=seen)
        assert (silent.feed.live, silent.feed.reason) == (False, "silent")
        await venue.control("clear")
        await market.until(lambda message: message.feed.live, after=seen)
        await trades_on(venue, gateway, 1)
