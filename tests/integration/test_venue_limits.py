"""The limits of a running venue, over HTTP and WebSockets. Documentation: "Rate limits and user limits"."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest
from tests.support.venue import TestVenue, running
from tests.support.waiting import HANG_S

QUIET = {"virtual_time": True, "markets": ("BTC",)}
"""Venue time stands still, so nothing refills while a test looks."""


async def connects(venue: TestVenue) -> bool:
    try:
        async with venue.client().socket() as socket:
            await socket.send({"method": "ping"})
            await socket.wait(lambda m: m == {"channel": "pong"})
            return True
    except aiohttp.WSServerHandshakeError:
        return False


async def test_a_spent_bucket_is_429_with_null_until_time_refills_it() -> None:
    async with running(**QUIET) as venue:
        alice = venue.client()
        answers = [await alice.post("/info", {"type": "userRole", "user": alice.address}) for _ in range(21)]
        assert [status for status, _ in answers] == [200] * 20 + [429]
        assert answers[-1] == (429, None)
        assert (await alice.post("/exchange", alice.envelope({"type": "noop"})))[0] == 429
        assert (await alice.info("exchangeStatus"))["specialStatuses"] is None, "observers are not limited"
        await venue.control("advance", ms=3_000)
        assert (await alice.post("/info", {"type": "userRole", "user": alice.address}))[0] == 200


async def test_one_address_may_stand_for_several_machines_or_not_be_limited_at_all() -> None:
    for options, expected in (({"ip_identities": 2}, [200] * 40 + [429]), ({"limits": "off"}, [200] * 41)):
        async with running(**QUIET, **options) as venue:
            alice = venue.client()
            asked = [await alice.post("/info", {"type": "userRole", "user": alice.address}) for _ in range(41)]
            assert [status for status, _ in asked] == expected


async def test_an_eleventh_connection_is_refused_and_a_closed_one_makes_room() -> None:
    async with running(**QUIET) as venue, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(venue.client().socket()) for _ in range(10)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await venue.session.ws_connect(venue.ws_url)
        assert refused.value.status == 429
        await sockets[0].socket.close()
        async with asyncio.timeout(HANG_S):
            while not await connects(venue):  # the venue may learn of the goodbye a moment later
                pass


async def test_a_requests_budget_is_shown_and_refused_at_both_doors() -> None:
    async with running(markets=("BTC",), address_requests=1) as venue, venue.client().socket() as line:
        alice = venue.client()
        for _ in range(2):
            assert (await alice.exchange({"type": "noop"}))["status"] == "ok"
        over = await alice.exchange({"type": "noop"})
        assert over["status"] == "err" and over["response"].startswith("Too many cumulative requests sent (3 > 1)")
        posted = await line.post("action", alice.envelope({"type": "noop"}))
        assert posted["type"] == "action" and posted["payload"]["response"] == over["response"]
        shown = await alice.mine("userRateLimit")
        assert (shown["nRequestsUsed"], shown["nRequestsCap"]) == (2, 1)
