"""Every error frame of a WebSocket, every way a post is refused, and how a connection ends, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.catalogue.sections import Section, constants_of, documented, measured, template_of, unnamed
from tests.support.venue import TestVenue, VenueSocket, key_of, running

from perpmaker.venue.engine.limits import sockets as limits
from perpmaker.venue.shell import sockets as frames

QUIET: dict[str, Any] = {"markets": ("BTC",), "virtual_time": True}
"""Venue time stands still: no minute passes, and no block answers a posted action."""
ADDRESS = "0x" + "a" * 40
Script = Callable[[TestVenue, VenueSocket], Awaitable[None]]


@dataclass(frozen=True)
class ErrorFrame:
    """What is sent, and the error frame that answers the last of it."""

    section: Section
    case: str
    text: str
    script: Script


def sends(*messages: str | dict[str, Any]) -> Script:
    async def script(_: TestVenue, line: VenueSocket) -> None:
        for message in messages:
            await line.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    return script


def subscribes(*streams: dict[str, Any]) -> Script:
    return sends(*({"method": "subscribe", "subscription": stream} for stream in streams))


async def posts_a_hundred_and_one(venue: TestVenue, line: VenueSocket) -> None:
    alice = venue.client()
    for _ in range(101):
        await line.post_only("action", alice.envelope({"type": "noop"}))


async def pings_too_often(_: TestVenue, line: VenueSocket) -> None:
    for _ in range(2_001):
        await line.send({"method": "ping"})


async def listens_to_too_much(venue: TestVenue, line: VenueSocket) -> None:
    """Others behind the same network address listen to all the rest."""
    await venue.control("crowd", channel="subscriptions", n=1)
    await subscribes({"type": "bbo", "coin": "BTC"})(venue, line)


_TEXTS = measured("testnet, and one client's tests")
_LIMITS = measured("testnet; the numbers are of Rate limits and user limits")
BBO = {"type": "bbo", "coin": "BTC"}
UPDATES = {"type": "orderUpdates", "user": ADDRESS}
MANY_USERS = [{"type": "orderUpdates", "user": key_of(number).address.lower()} for number in range(1, 12)]

ROWS = (
    ErrorFrame(_TEXTS, "no JSON", "Error parsing JSON into valid websocket request: nonsense", sends("nonsense")),
    ErrorFrame(
        _TEXTS,
        "an unknown method",
        'Error parsing JSON into valid websocket request: {"method":"nope"}',
        sends('{"method":"nope"}'),
    ),
    ErrorFrame(
        _TEXTS,
        "an unknown coin",
        'Invalid subscription {"type":"l2Book","coin":"NOPE"}',
        subscribes({"type": "l2Book", "coin": "NOPE"}),
    ),
    ErrorFrame(_TEXTS, "an unknown stream", 'Invalid subscription {"type":"nope"}', subscribes({"type": "nope"})),
    ErrorFrame(
        _TEXTS,
        "a stream twice",
        f'Already subscribed: {{"type":"orderUpdates","user":"{ADDRESS}"}}',
        subscribes(UPDATES, UPDATES),
    ),
    ErrorFrame(
        _TEXTS,
        "a stream never asked for",
        'Already unsubscribed: {"type":"bbo","coin":"BTC"}',
        sends({"method": "unsubscribe", "subscription": BBO}),
    ),
    ErrorFrame(_LIMITS, "an eleventh user", "Cannot track more than 10 total users.", subscribes(*MANY_USERS)),
    ErrorFrame(_LIMITS, "one message too many", "Cannot send more than 2000 messages per minute.", pings_too_often),
    ErrorFrame(_LIMITS, "one post too many", "too many pending post requests id=101", posts_a_hundred_and_one),
    ErrorFrame(_LIMITS, "one stream too many", "Cannot subscribe to more than 1000 channels.", listens_to_too_much),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
async def test_what_cannot_be_served_is_told_in_a_frame_and_the_line_stays(row: ErrorFrame) -> None:
    async with running(**QUIET) as venue, venue.client().socket() as line:
        await row.script(venue, line)
        frame = await line.wait(lambda message: message["channel"] == "error")
        assert frame == {"channel": "error", "data": row.text}, row.section
        assert line.on("error") == [row.text]
        assert not line.socket.closed


def test_every_error_frame_has_a_row() -> None:
    texts = [*constants_of(limits), *constants_of(frames)]
    assert unnamed(texts, (row.text for row in ROWS)) == []
    assert len({template_of(texts, row.text) for row in ROWS}) == len(texts) == 8


async def test_a_stranger_frame_is_echoed_so_that_a_client_finds_its_request() -> None:
    async with running(**QUIET) as venue, venue.client().socket() as line:
        await subscribes({"type": "l2Book", "coin": "NOPE"})(venue, line)
        refused = await line.wait(lambda message: message["channel"] == "error")
        assert json.loads(refused["data"].removeprefix("Invalid subscription ")) == {"type": "l2Book", "coin": "NOPE"}


POSTS = (
    (documented("WebSocket", "Post requests"), "info", {"type": "nope"}, "error", "422 Failed to deserialize"),
    (documented("WebSocket", "Post requests"), "action", {"nope": 1}, "error", "422 Failed to deserialize"),
    (
        documented("WebSocket", "Post requests"),
        "info",
        {"type": "fundingHistory", "coin": "NOPE", "startTime": 0},
        "error",
        "500 null",
    ),
    (documented("WebSocket", "Post requests"), "info", {"type": "exchangeStatus"}, "info", None),
)


@pytest.mark.parametrize(("section", "kind", "payload", "answered", "begins"), POSTS, ids=lambda value: str(value)[:30])
async def test_a_post_mirrors_what_http_would_have_said(
    section: Section, kind: str, payload: dict[str, Any], answered: str, begins: str | None
) -> None:
    async with running(**QUIET) as venue, venue.client().socket() as line:
        answer = await line.post(kind, payload)
        assert answer["type"] == answered, section
        assert begins is None or answer["payload"].startswith(begins)


async def test_a_refused_action_is_an_answer_and_no_error() -> None:
    async with running(markets=("BTC",), faucet_usdc=0) as venue, venue.client().socket() as line:
        alice = venue.client()
        answer = await line.post("action", alice.envelope({"type": "noop"}))
        text = f"User or API Wallet {alice.address} does not exist."
        assert answer == {"type": "action", "payload": {"status": "err", "response": text}}


async def test_a_ping_is_answered_without_data() -> None:
    async with running(**QUIET) as venue, venue.session.ws_connect(venue.ws_url) as socket:
        await socket.send_str('{"method":"ping"}')
        assert await socket.receive_str() == '{"channel":"pong"}'


IDLE = documented("Timeouts and heartbeats", "60 seconds")


async def test_a_client_that_was_sent_nothing_for_a_minute_is_cut_off_and_one_that_pings_is_not() -> None:
    async with (
        running(**QUIET, block_ms=500) as venue,
        venue.client().socket() as silent,
        venue.client().socket() as pinging,
    ):
        await venue.control("advance", ms=55_000)
        await pinging.send({"method": "ping"})
        await pinging.wait(lambda message: message == {"channel": "pong"})
        assert not silent.socket.closed, IDLE
        await venue.control("advance", ms=10_000)
        await silent.closed()
        await pinging.send({"method": "ping"})
        await pinging.wait(lambda message: message == {"channel": "pong"}, after=1)


@pytest.mark.parametrize("code", [1000, 1006])
async def test_the_exchange_ends_connections_without_notice(code: int) -> None:
    async with running(**QUIET) as venue, venue.client().socket() as line:
        await line.subscribe(type="orderUpdates", user=ADDRESS)
        await venue.control("disconnect", all=True, code=code)
        assert await line.closed() == code, measured("mainnet and testnet, closes of long connections")
