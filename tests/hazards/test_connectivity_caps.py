"""Caps on subscriptions, users, messages and posts: the exact error frames, and what the gateway makes of them.

Exchange documentation: "Rate limits and user limits".
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.gateway import running_gateway
from tests.support.gateway_watch import (
    Counted,
    cancels,
    event,
    grows,
    is_not_ready,
    nothing_is_lost,
    open_cloids,
    places,
    reconnects,
    rejection,
    rests,
    trades_on,
)
from tests.support.venue import TestVenue, running

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

CAPS = {
    "subscriptions": "Cannot subscribe to more than 1000 channels.",
    "users": "Cannot track more than 10 total users.",
    "messages": "Cannot send more than 2000 messages per minute.",
}


async def _told_a_stranger(venue: TestVenue) -> str:
    stranger = venue.client(9)
    async with stranger.socket() as line:
        await line.send({"method": "subscribe", "subscription": {"type": "userFills", "user": stranger.address}})
        return str((await line.wait(lambda message: message["channel"] == "error"))["data"])


@pytest.mark.parametrize("cap", list(CAPS))
async def test_refused_subscriptions_leave_the_gap_open_and_are_asked_for_again(tmp_path: Path, cap: str) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        cloid = await rests(venue, gateway, 1, away=0, buy=False)
        seen = len(account.messages)
        given_up = reconnects("account", "subscribe_failed")

        await venue.control("crowd", channel=cap)
        assert await _told_a_stranger(venue) == CAPS[cap]
        await venue.control("disconnect", all=True)
        await account.until(event("gap_opened"), after=seen)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")
        await grows(given_up)
        await is_not_ready(gateway, "account snapshot is not complete")
        assert not [message for message in account.messages[seen:] if message.HasField("gap_closed")]

        await venue.control("clear")

        await account.until(event("gap_closed"), after=seen)
        assert cloid in {message.fill.cloid for message in account.messages[seen:]}
        await trades_on(venue, gateway, 2)
        await nothing_is_lost(venue, gateway, account)


async def test_a_post_beyond_the_messages_of_a_minute_goes_by_rest_once(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        repeated = Counted("mm_gateway_rest_fallbacks_total", action="place")
        await venue.control("crowd", channel="messages")

        told = await places(venue, gateway, 1)

        assert told.outcome_of(gateway.cloid(1)).HasField("resting")
        assert repeated.grown == 1
        assert await open_cloids(venue, gateway) == {gateway.cloid(1)}
        await venue.control("clear")
        await trades_on(venue, gateway, 2)


async def test_too_many_posts_refuse_a_placement_and_send_a_cancel_by_rest(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = await rests(venue, gateway, 1)
        await venue.control("crowd", channel="posts")

        told = await places(venue, gateway, 2)
        assert rejection(told, gateway.cloid(2))[0] == pb.REJECTION_CLASS_RATE_LIMIT
        assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")

        assert await open_cloids(venue, gateway) == set()
        await venue.control("clear")
        await trades_on(venue, gateway, 3)
