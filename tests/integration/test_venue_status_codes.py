"""Status codes and error frames over real sockets. Source: documentation, "Info endpoint", "WebSocket"; as measured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from tests.support import venue as support
from tests.support.venue import TestVenue

MALFORMED = "Failed to parse the request body as JSON"
UNREADABLE = "Failed to deserialize the JSON body into the target type"
JSON = "application/json"
ADDRESS = "0x" + "a" * 40


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with support.running(markets=("BTC",)) as running:
        yield running


ROWS = [
    ("/info", b'{"type":"meta"}', JSON, 200, '{"universe"'),
    ("/info", b'{"type":"meta"} trailing', JSON, 200, '{"universe"'),
    ("/info", b'["userRole","%s"]' % ADDRESS.encode(), JSON, 200, '{"role":"missing"}'),
    ("/info", b'{"type":"l2Book","coin":"NOPE"}', JSON, 200, "null"),
    ("/info", b'{"type":"meta"}', "application/vnd.api+json", 200, '{"universe"'),
    ("/info", b"{", JSON, 400, MALFORMED),
    ("/info", b"[" * 200_000, JSON, 400, MALFORMED),
    ("/info", b'{"type":"meta"}', "text/plain", 415, "Expected request with `Content-Type: application/json`"),
    ("/info", b'{"type":"nope"}', JSON, 422, UNREADABLE),
    ("/info", b'{"type":"userRole","user":"0X%s"}' % (b"a" * 40), JSON, 422, UNREADABLE),
    ("/info", b'{"type":"meta","type":"meta"}', JSON, 422, UNREADABLE),
    ("/info", b'{"type":"l2Book","coin":"BTC","nSigFigs":7}', JSON, 500, "null"),
    ("/info", b'{"type":"fundingHistory","coin":"NOPE","startTime":0}', JSON, 500, "null"),
    ("/exchange", b"{", JSON, 400, MALFORMED),
    ("/exchange", b"{}", JSON, 422, UNREADABLE),
    ("/exchange", b"{}", "text/plain", 415, "Expected request with `Content-Type: application/json`"),
]


@pytest.mark.parametrize(("path", "body", "kind", "status", "begins"), ROWS, ids=lambda value: str(value)[:40])
async def test_a_request_is_answered_with_its_status(
    venue: TestVenue, path: str, body: bytes, kind: str, status: int, begins: str
) -> None:
    url = venue.running.api_url + path
    async with venue.session.post(url, data=body, headers={"content-type": kind}) as response:
        text = await response.text()
        assert (response.status, text[: len(begins)]) == (status, begins)
        if status == 200 or text == "null":
            assert response.content_type == JSON
        assert response.headers["access-control-allow-origin"] == "*"


FRAMES = [
    ("nonsense", "Error parsing JSON into valid websocket request: nonsense"),
    ('{"method":"nope"}', 'Error parsing JSON into valid websocket request: {"method":"nope"}'),
    (
        '{"method":"subscribe","subscription":{"type":"l2Book", "coin":"NOPE"}}',
        'Invalid subscription {"type":"l2Book","coin":"NOPE"}',
    ),
    (
        '{"method":"unsubscribe","subscription":{"type":"bbo","coin":"BTC"}}',
        'Already unsubscribed: {"type":"bbo","coin":"BTC"}',
    ),
]


@pytest.mark.parametrize(("sent", "text"), FRAMES)
async def test_a_frame_that_cannot_be_served_is_told_so(venue: TestVenue, sent: str, text: str) -> None:
    async with venue.session.ws_connect(venue.running.ws_url) as socket:
        await socket.send_str(sent)
        assert await socket.receive_json() == {"channel": "error", "data": text}
        await socket.send_str('{"method":"ping"}')
        assert await socket.receive_str() == '{"channel":"pong"}'


async def test_a_second_subscription_to_the_same_stream_is_refused_with_its_echo(venue: TestVenue) -> None:
    async with venue.session.ws_connect(venue.running.ws_url) as socket:
        for _ in range(2):
            await socket.send_json({"method": "subscribe", "subscription": {"type": "orderUpdates", "user": ADDRESS}})
        assert (await socket.receive_json())["channel"] == "subscriptionResponse"
        refused = (await socket.receive_json())["data"]
        prefix = "Already subscribed: "
        assert refused.startswith(prefix)
        assert json.loads(refused.removeprefix(prefix)) == {"type": "orderUpdates", "user": ADDRESS}


async def test_an_info_post_mirrors_the_status_of_a_refusal(venue: TestVenue) -> None:
    async with venue.session.ws_connect(venue.running.ws_url) as socket:
        request = {"type": "info", "payload": {"type": "nope"}}
        await socket.send_json({"method": "post", "id": 7, "request": request})
        answer = (await socket.receive_json())["data"]
        assert (answer["id"], answer["response"]["type"]) == (7, "error")
        assert answer["response"]["payload"].startswith(f"422 {UNREADABLE}")
