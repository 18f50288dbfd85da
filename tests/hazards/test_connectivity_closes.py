"""Sockets that end, and how the gateway comes back. Exchange documentation: "Timeouts and heartbeats"."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.gateway import running_gateway
from tests.support.gateway_watch import (
    Counted,
    cancels,
    event,
    grows,
    is_not_ready,
    is_ready,
    nothing_is_lost,
    open_cloids,
    places,
    reconnects,
    rests,
    trades_on,
)
from tests.support.venue import running
from tests.support.waiting import until

SOCKETS = ("market_data", "account", "order_entry")


@pytest.mark.parametrize("code", [1000, 1006])
async def test_unannounced_close_is_a_gap_that_ends_with_all_that_happened_in_it(tmp_path: Path, code: int) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account, market = gateway.account_stream(), gateway.market_stream("BTC")
        await account.until(event("gap_closed"))
        await market.until(lambda message: message.feed.live)
        kept = await rests(venue, gateway, 1)
        sold = await rests(venue, gateway, 2, away=0, buy=False)
        seen, seen_market = len(account.messages), len(market.messages)
        lost = [reconnects(socket, "socket_closed") for socket in SOCKETS]

        await venue.control("disconnect", all=True, code=code, for_ms=700)

        opened = await account.until(event("gap_opened"), after=seen)
        assert opened.gap_opened.reason == "socket_closed"
        feed = await market.until(lambda message: message.HasField("feed"), after=seen_market)
        assert (feed.feed.live, feed.feed.reason) == (False, "socket_closed")
        await is_not_ready(gateway)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        closed = (await account.until(event("gap_closed"), after=seen)).gap_closed

        told = account.messages[seen:]
        inside = told[: next(n for n, message in enumerate(told) if message.HasField("gap_closed"))]
        fill = next(message.fill for message in inside if message.HasField("fill"))
        assert fill.cloid == sold
        assert closed.fills_since_ms <= fill.exchange_time_ms
        assert (closed.open_orders, closed.fills) == (1, 1)
        (snapshot,) = [message.open_orders for message in inside if message.open_orders.queried]
        assert {order.cloid for order in snapshot.orders} == {kept} == await open_cloids(venue, gateway)
        await trades_on(venue, gateway, 3)
        await nothing_is_lost(venue, gateway, account)
        assert [one.grown for one in lost] == [1, 1, 1]


async def test_reconnect_replays_fills_and_says_nothing_of_orders_but_in_the_snapshot(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        kept = await rests(venue, gateway, 1)
        sold = await rests(venue, gateway, 2, away=0, buy=False)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        first = (await account.until(event("fill"))).fill
        await account.until(
            lambda message: message.order_update.cloid == sold and message.order_update.status != "open"
        )
        seen = len(account.messages)

        await venue.control("disconnect", all=True)

        await account.until(event("gap_closed"), after=seen)
        again = await account.until(event("fill"), after=seen)
        told = account.messages[seen:]
        assert (again.fill.tid, again.fill.cloid, again.fill.sz_e8) == (first.tid, sold, first.sz_e8)
        assert not [message for message in told if message.HasField("order_update")]
        snapshots = [message.open_orders for message in told if message.open_orders.queried]
        assert [[order.cloid for order in snapshot.orders] for snapshot in snapshots] == [[kept]]
        await nothing_is_lost(venue, gateway, account)


async def test_close_by_the_exchange_for_silence_befalls_only_who_does_not_ping(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, ping_interval_s=0.2) as gateway:
        lost = [reconnects(socket, "socket_closed") for socket in SOCKETS]
        await venue.control("idle_close", after_ms=1_500)
        for _ in range(2):  # the second is closed long after whoever was as old and as mute as the first
            async with venue.client(9).socket() as mute:
                await mute.closed()
        assert [one.grown for one in lost] == [0, 0, 0]

        await venue.control("withhold_pong")
        await grows(lost[SOCKETS.index("order_entry")])
        await venue.control("clear")

        await trades_on(venue, gateway, 1)


async def test_half_open_sockets_are_given_up_and_what_they_swallowed_is_told(tmp_path: Path) -> None:
    quick = {"ping_interval_s": 0.5, "idle_timeout_s": 4.0, "post_timeout_ms": 200}
    async with running() as venue, running_gateway(venue, tmp_path, **quick) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        sold = await rests(venue, gateway, 1, away=0, buy=False)
        seen = len(account.messages)
        lost = [reconnects(socket, "idle") for socket in SOCKETS]

        await venue.control("half_open")
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        told = await places(venue, gateway, 2)

        # The post is swallowed with the socket; the same bytes by REST are not.
        assert told.outcome_of(gateway.cloid(2)).HasField("resting")
        assert await open_cloids(venue, gateway) == {gateway.cloid(2)}
        assert (await account.until(event("gap_opened"), after=seen)).gap_opened.reason == "idle"
        for one in lost:
            await grows(one)
        await venue.control("clear")
        closed = await account.until(event("gap_closed"), after=seen)
        assert closed.gap_closed.open_orders == 1
        assert sold in {message.fill.cloid for message in account.messages[seen:]}
        await trades_on(venue, gateway, 3)
        await nothing_is_lost(venue, gateway, account)


@pytest.mark.parametrize("status", [503, 429, 0])
async def test_refused_connections_are_tried_within_the_rate_until_they_are_taken(tmp_path: Path, status: int) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        seen = len(account.messages)
        refused = [reconnects(socket, "connect_failed") for socket in SOCKETS]
        await venue.control("refuse_connect", status=status)
        await venue.control("disconnect", all=True)
        for one in refused:
            await grows(one, 2)
        assert not gateway.service.status().ready
        assert account.messages[-1].WhichOneof("event") == "gap_opened"

        await venue.control("clear")

        await account.until(event("gap_closed"), after=seen)
        await trades_on(venue, gateway, 1)
        attempts = sum(one.grown for one in refused)
        assert attempts <= 30, "more than a minute's connections"
        assert len([message for message in account.messages[seen:] if message.HasField("gap_opened")]) == 1


async def test_seats_taken_by_others_behind_the_address_are_waited_for(tmp_path: Path) -> None:
    async with running() as venue, AsyncExitStack() as crowd:
        strangers = [await crowd.enter_async_context(venue.client(9).socket()) for _ in range(8)]
        failed = [reconnects(socket, "connect_failed") for socket in SOCKETS]
        async with running_gateway(venue, tmp_path, until_ready=False) as gateway:
            await until("one is left standing", lambda: _some(failed))
            assert not gateway.service.status().ready
            for stranger in strangers[:3]:
                await stranger.socket.close()
            await is_ready(gateway)
            await trades_on(venue, gateway, 1)


async def _some(counted: list[Counted]) -> bool:
    return any(one.grown for one in counted)


async def test_thirty_connections_a_minute_used_up_by_others_are_refused_like_a_full_house(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = await rests(venue, gateway, 1)
        failed = reconnects("order_entry", "connect_failed")
        await venue.control("crowd", channel="connections")
        await venue.control("disconnect", all=True)
        await grows(failed, 2)

        # Nothing new leaves without a socket, and what is in the book can be taken out all the same.
        told = await places(venue, gateway, 2)
        assert told.outcome_of(gateway.cloid(2)).not_sent.reason == "not_connected"
        assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")
        assert await open_cloids(venue, gateway) == set()

        await venue.control("clear")
        await trades_on(venue, gateway, 3)
