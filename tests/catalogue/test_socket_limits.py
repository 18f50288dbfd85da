"""What one network address may do at once and in a minute: the last that is let in, and the first that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from typing import Any

import aiohttp
import pytest
from tests.catalogue.sections import Section, documented, measured, own
from tests.support.venue import TestVenue, VenueSocket, key_of, running

from perpmaker.venue.engine.limits.rules import IpRules, SocketRules

QUIET: dict[str, Any] = {"virtual_time": True}
"""Venue time stands still, so nothing refills while a test looks."""
COINS = ("BTC", "ETH", "SOL", "HYPE", "DOGE", "XRP", "AVAX", "SUI")
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M")
Script = Callable[[TestVenue, int], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class Limit:
    """`rule` is the product's name of the limit; the script counts how many are let in and says what is refused."""

    section: Section
    rule: str
    number: int
    refusal: str
    script: Script
    options: tuple[tuple[str, Any], ...] = ()


async def opens(venue: TestVenue, number: int) -> tuple[int, str]:
    """Connections that stay."""
    async with AsyncExitStack() as stack:
        for opened in range(number + 1):
            try:
                await stack.enter_async_context(venue.client().socket())
            except aiohttp.WSServerHandshakeError as refused:
                return opened, str(refused.status)
    return number + 1, ""


async def opens_and_leaves(venue: TestVenue, number: int) -> tuple[int, str]:
    for opened in range(number + 1):
        try:
            async with venue.client().socket() as line:
                await line.send({"method": "ping"})
                await line.wait(lambda message: message == {"channel": "pong"})
        except aiohttp.WSServerHandshakeError as refused:
            return opened, str(refused.status)
    return number + 1, ""


async def listens(venue: TestVenue, number: int) -> tuple[int, str]:
    """Every candle there is, on as many connections as that takes."""
    candles = [{"type": "candle", "coin": coin, "interval": interval} for coin in COINS for interval in INTERVALS]
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(venue.client().socket()) for _ in range(9)]
        chosen = [(line, candle) for line in lines for candle in candles][: number + 1]
        for line, candle in chosen:
            await line.send({"method": "subscribe", "subscription": candle})
        for line in lines:
            await line.send({"method": "ping"})
            await line.wait(lambda message: message == {"channel": "pong"})
        return sum(len(line.on("subscriptionResponse")) for line in lines), _complaint(*lines)


async def listens_for_users(venue: TestVenue, number: int) -> tuple[int, str]:
    async with venue.client().socket() as line:
        for user in range(1, number + 2):
            stream = {"type": "orderUpdates", "user": key_of(user).address.lower()}
            await line.send({"method": "subscribe", "subscription": stream})
        await line.wait(lambda message: message["channel"] == "error")
        return len(line.on("subscriptionResponse")), _complaint(line)


async def sends(venue: TestVenue, number: int) -> tuple[int, str]:
    """Over two connections: they share the limit."""
    async with venue.client().socket() as one, venue.client().socket() as other:
        for _ in range(number // 2):
            await one.send({"method": "ping"})
        for _ in range(number - number // 2):
            await other.send({"method": "ping"})
        for line, sent in ((one, number // 2), (other, number - number // 2)):
            await line.wait(lambda _, line=line, sent=sent: len(line.received) == sent)
        await other.send({"method": "ping"})
        await other.wait(lambda message: message["channel"] == "error")
        pongs = [message for line in (one, other) for message in line.received if message["channel"] == "pong"]
        return len(pongs), _complaint(other)


async def posts(venue: TestVenue, number: int) -> tuple[int, str]:
    """Actions that wait for a block which does not come while time stands still."""
    async with venue.client().socket() as line:
        alice = venue.client()
        for _ in range(number + 1):
            await line.post_only("action", alice.envelope({"type": "noop"}))
        await line.wait(lambda message: message["channel"] == "error")
        complaint = _complaint(line)
        await venue.control("advance", ms=100)
        await line.wait(lambda _: len(line.on("post")) == number)
        return len(line.on("post")), complaint


def _complaint(*lines: VenueSocket) -> str:
    (complaint,) = [text for line in lines for text in line.on("error")]
    return str(complaint)


_IP = documented("Rate limits and user limits", "IP: WebSocket limits")
ROWS = (
    Limit(_IP, "connections", 10, "429", opens),
    Limit(_IP, "new_connections_per_minute", 30, "429", opens_and_leaves),
    Limit(_IP, "subscriptions", 1_000, "Cannot subscribe to more than 1000 channels.", listens, (("markets", COINS),)),
    Limit(_IP, "users", 10, "Cannot track more than 10 total users.", listens_for_users),
    Limit(
        measured("one client, which is kept in step with mainnet"),
        "users",
        15,
        "Cannot track more than 15 total users.",
        listens_for_users,
        (("ws_users", 15),),
    ),
    Limit(_IP, "messages_per_minute", 2_000, "Cannot send more than 2000 messages per minute.", sends),
    Limit(_IP, "posts_in_flight", 100, "too many pending post requests id=101", posts),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule} {row.number}")
async def test_so_many_are_let_in_and_the_next_is_not(row: Limit) -> None:
    async with running(**({"markets": ("BTC",)} | QUIET | dict(row.options))) as venue:
        assert await row.script(venue, row.number) == (row.number, row.refusal), row.section
        assert getattr(venue.core.state.rules.limits.sockets, row.rule) == row.number


@pytest.mark.parametrize("row", [row for row in ROWS if row.rule.endswith("minute")], ids=lambda row: row.rule)
async def test_a_minute_later_so_many_are_let_in_again(row: Limit) -> None:
    async with running(markets=("BTC",), **QUIET, block_ms=1_000) as venue:
        for _ in range(2):
            assert await row.script(venue, row.number) == (row.number, row.refusal)
            await venue.control("advance", ms=60_000)


def test_every_limit_of_a_network_address_has_a_row() -> None:
    assert {row.rule for row in ROWS} == {field.name for field in fields(SocketRules)} - {"enforced"}
    shown = {"weight", "posts_count", "sends_retry_after"}
    assert shown == {field.name for field in fields(IpRules)} - {"enforced"}


async def test_a_bucket_of_1200_refills_by_twenty_a_second() -> None:
    section = documented("Rate limits and user limits", "IP: aggregated weight of 1200 a minute")
    window = own("the shape of the exchange's window")
    async with running(markets=("BTC",), **QUIET) as venue:
        alice = venue.client()
        asked = {"type": "userRole", "user": alice.address}
        answers = [await alice.post("/info", asked) for _ in range(21)]
        assert [status for status, _ in answers] == [200] * 20 + [429], section
        assert answers[-1] == (429, None)
        assert (await alice.post("/exchange", alice.envelope({"type": "noop"}))) == (429, None)
        await venue.control("advance", ms=2_990)
        assert (await alice.post("/info", asked))[0] == 429, window
        await venue.control("advance", ms=10)
        assert (await alice.post("/info", asked))[0] == 200, window


@pytest.mark.parametrize("counts", [False, True])
async def test_posts_take_no_weight_of_the_address_unless_the_venue_is_told_so(counts: bool) -> None:
    section = own("whether posts over a WebSocket take weight")
    rules = f"ip.posts_count={int(counts)},ip.weight=60"
    async with running(markets=("BTC",), **QUIET, limit_rules=rules) as venue, venue.client().socket() as line:
        asked = {"type": "userRole", "user": venue.client().address}
        answers = [await line.post("info", asked) for _ in range(2)]
        assert answers[0]["type"] == "info"
        assert answers[1] == ({"type": "error", "payload": "429 null"} if counts else answers[0]), section


async def test_an_answered_post_makes_room_for_another() -> None:
    async with running(markets=("BTC",), block_ms=5) as venue, venue.client().socket() as line:
        alice = venue.client()
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                for _ in range(60):
                    group.create_task(line.post("action", alice.envelope({"type": "noop"})))
        assert line.on("error") == []
