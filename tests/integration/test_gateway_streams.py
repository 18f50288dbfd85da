"""Account and market streams against the simulated venue: gaps are told, closed with evidence, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.support.gateway import Heard, TestGateway, running_gateway
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Account = Heard[pb.AccountServiceSubscribeResponse]


def _is(kind: str) -> Callable[[pb.AccountServiceSubscribeResponse], bool]:
    return lambda message: message.WhichOneof("event") == kind


async def _mid(venue: TestVenue) -> int:
    return int(float((await venue.client().info("allMids"))["BTC"]))


async def _ask_in_book(venue: TestVenue, gateway: TestGateway, cloid: str) -> None:
    """Our sell order near the mid, next in line to be bought from."""
    px = await _mid(venue)
    told = await gateway.execute(places=[gateway.order(cloid, px=str(px), sz="0.001", buy=False)])
    assert told.outcome_of(cloid).HasField("resting"), told


async def test_stream_begins_with_a_gap_that_is_closed_by_snapshots(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        closed = await account.until(_is("gap_closed"))
        kinds = [message.WhichOneof("event") for message in account.messages]
        assert kinds[0] == "gap_opened"
        assert account.messages[0].gap_opened.reason == "start"
        assert kinds.index("open_orders") < kinds.index("account") < kinds.index("gap_closed")
        evidence = closed.gap_closed
        assert evidence.snapshot_time_ms > 0
        assert evidence.account_time_ms > 0
        assert (evidence.open_orders, evidence.fills) == (0, 0)
        snapshot = next(message.open_orders for message in account.messages if message.HasField("open_orders"))
        assert snapshot.queried


async def test_execution_is_told_with_its_trade_id_and_cloid(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(_is("gap_closed"))
        cloid = gateway.cloid(1)
        await _ask_in_book(venue, gateway, cloid)
        await account.until(lambda message: message.order_update.cloid == cloid)

        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        filled = await account.until(lambda message: message.HasField("fill"))
        assert filled.fill.cloid == cloid
        assert filled.fill.sz_e8 == 100_000
        assert filled.fill.tid > 0
        assert not filled.fill.taker
        assert filled.trace.receive_time_ns > 0
        await account.until(lambda message: message.order_update.status == "filled")


async def test_fills_of_a_disconnect_are_told_before_its_gap_closes(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(_is("gap_closed"))
        cloid = gateway.cloid(1)
        await _ask_in_book(venue, gateway, cloid)
        seen = len(account.messages)

        await venue.control("disconnect", all=True, for_ms=700)
        opened = await account.until(_is("gap_opened"), after=seen)
        assert opened.gap_opened.reason == "socket_closed"
        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        await account.until(_is("gap_closed"), after=seen)
        told = account.messages[seen:]
        closing = next(n for n, message in enumerate(told) if message.HasField("gap_closed"))
        assert any(message.fill.cloid == cloid for message in told[:closing])
        (snapshot,) = [message.open_orders for message in told[:closing] if message.open_orders.queried]
        assert not snapshot.orders

        async def is_ready() -> bool:
            return gateway.service.status().ready

        await until("the gateway is ready again", is_ready)


async def test_late_subscriber_gets_the_fills_since_its_watermark(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = gateway.cloid(1)
        await _ask_in_book(venue, gateway, cloid)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        account = gateway.account_stream(fills_since_ms=venue.core.state.now_ms)

        await account.until(_is("gap_closed"))
        # Told again when the stream brings it, too, while the snapshot is read.
        assert {message.fill.cloid for message in account.messages if message.HasField("fill")} == {cloid}
        listed = await gateway.reference.ListFills(pb.ListFillsRequest(since_ms=0))
        assert [fill.cloid for fill in listed.fills] == [cloid]


async def test_reads_agree_with_the_venue(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, markets=("BTC", "ETH")) as gateway:
        await _ask_in_book(venue, gateway, gateway.cloid(1))

        instruments = (await gateway.reference.ListInstruments(pb.ListInstrumentsRequest())).instruments
        assert {instrument.market: instrument.asset_id for instrument in instruments} == {"BTC": 0, "ETH": 1}
        orders = (await gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders
        assert [order.cloid for order in orders.orders] == [gateway.cloid(1)]
        assert orders.queried
        assert 0 < orders.as_of_ms <= venue.core.state.now_ms
        account = (await gateway.reference.GetAccount(pb.GetAccountRequest())).account
        assert account.equity_quote_e8 == 100_000 * 10**8
        unknown = await gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=gateway.cloid(99)))
        assert not unknown.found


async def test_market_stream_is_live_and_exact(tmp_path: Path) -> None:
    async with running(flow=True) as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.feed.live)
        bbo = await market.until(lambda message: message.bbo.bid.px_e8 > 0 and message.bbo.ask.px_e8 > 0)
        assert bbo.bbo.bid.px_e8 < bbo.bbo.ask.px_e8
        book = await market.until(lambda message: len(message.book.bids) > 1)
        prices = [level.px_e8 for level in book.book.bids]
        assert prices == sorted(prices, reverse=True)
        await market.until(lambda message: message.context.mark_px_e8 > 0)
        await market.until(lambda message: len(message.trades.trades) > 0)
        sequence = [message.trace.sequence for message in market.messages]
        assert sequence == sorted(set(sequence))


async def test_own_trades_are_marked(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.trace.receive_time_ns > 0)
        await _ask_in_book(venue, gateway, gateway.cloid(1))
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        traded = await market.until(lambda message: len(message.trades.trades) > 0)
        assert traded.trades.trades[0].own


async def test_lost_feed_is_told_and_comes_back(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.feed.live)
        seen = len(market.messages)
        await venue.control("disconnect", all=True)
        lost = await market.until(lambda message: message.HasField("feed"), after=seen)
        assert not lost.feed.live
        assert lost.feed.reason == "socket_closed"
        await market.until(lambda message: message.feed.live, after=seen)


async def test_silent_feed_is_not_live(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, feed_timeout_s=2.0) as gateway:
        market = gateway.market_stream("BTC")
        await market.until(lambda message: message.feed.live)
        for channel in ("l2Book", "bbo"):
            await venue.control("delay", channel=channel, ms=60_000)
        seen = len(market.messages)
        silent = await market.until(lambda message: message.HasField("feed"), after=seen)
        assert not silent.feed.live
        assert silent.feed.reason == "silent"


async def test_unconfigured_market_is_refused(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        market = gateway.market_stream("DOGE")
        (reader,) = gateway.readers()
        error = await _failure(reader)
        assert "DOGE" in error
        assert market.messages == []


async def _failure(reader: asyncio.Task[None]) -> str:
    (result,) = await asyncio.gather(reader, return_exceptions=True)
    return str(result)
