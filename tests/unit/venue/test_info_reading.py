"""How a body of `POST /info` is read. Source: documentation, "Info endpoint"; status codes and quirks as measured."""

from __future__ import annotations

import json

import pytest
from tests.support.venue_core import ALICE

from perpmaker.venue.wire.decode import MALFORMED, UNREADABLE, UnreadableError
from perpmaker.venue.wire.info_requests import (
    CandleSnapshot,
    ClearinghouseState,
    L2Book,
    OrderStatus,
    UserFillsByTime,
    UserRole,
    decode_info,
)

ROLE = b'{"type":"userRole","user":"%s"}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ROLE % ALICE.encode(), id="object"),
        pytest.param(b'["userRole","%s"]' % ALICE.encode(), id="by position"),
        pytest.param(b"  \n" + ROLE % ALICE.encode(), id="leading space"),
        pytest.param(ROLE % ALICE.encode() + b"trailing", id="trailing text"),
        pytest.param(ROLE % ALICE.encode() + b'{"type":"meta"}', id="second value"),
        pytest.param(ROLE % ALICE[2:].encode(), id="address without 0x"),
        pytest.param(ROLE % ("0x" + ALICE[2:].upper()).encode(), id="address in upper case"),
        pytest.param(b'{"more":1,"type":"userRole","user":"%s","more":2}' % ALICE.encode(), id="unknown fields"),
    ],
)
def test_ways_to_ask_the_same(body: bytes) -> None:
    assert decode_info(body) == UserRole(ALICE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"type":"meta"',
        b"nonsense",
        b"{'type':'meta'}",
        b'{"type":NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_json_is_a_400(body: bytes) -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_info(body)
    assert refused.value.status == 400
    assert refused.value.text.startswith(MALFORMED)


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"nope"}',
        '{"user":"0x"}',
        "5",
        "[]",
        '["nope"]',
        "[1]",
        '["userRole"]',
        f'["userRole","{ALICE}",1]',
        '{"type":"userRole"}',
        '{"type":"userRole","user":5}',
        '{"type":"userRole","user":"0x12"}',
        f'{{"type":"userRole","user":"0X{ALICE[2:]}"}}',
        f'{{"type":"userRole","user":"{ALICE}","user":"{ALICE}"}}',
        '{"type":"meta","type":"meta"}',
        '{"type":"marginTable","id":"56"}',
        '{"type":"marginTable","id":-1}',
        f'{{"type":"orderStatus","user":"{ALICE}","oid":"0x12"}}',
        '{"type":"fundingHistory","coin":"BTC"}',
        '{"type":"l2Book","coin":"BTC","nSigFigs":"5"}',
        '{"type":"candleSnapshot","coin":"BTC","interval":"1m","startTime":0}',
        '{"type":"candleSnapshot","req":{"coin":"BTC","interval":"2m","startTime":0}}',
        '{"type":"candleSnapshot","req":{"coin":"BTC","coin":"BTC","interval":"1m","startTime":0}}',
    ],
)
def test_what_is_no_request_is_a_422(body: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_info(body.encode())
    assert refused.value.status == 422
    assert refused.value.text.startswith(UNREADABLE)


def test_fields_are_taken_by_position_in_their_order() -> None:
    assert decode_info(b'["l2Book","BTC",5,2]') == L2Book("BTC", 5, 2)
    assert decode_info(f'["clearinghouseState","{ALICE}"]'.encode()) == ClearinghouseState(ALICE)
    request = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": 5}
    by_position = decode_info(json.dumps(["candleSnapshot", request]).encode())
    assert by_position == decode_info(json.dumps({"type": "candleSnapshot", "req": request}).encode())
    assert isinstance(by_position, CandleSnapshot)


def test_client_ids_are_read_in_any_case() -> None:
    body = {"type": "orderStatus", "user": ALICE, "oid": "0x" + "AB" * 16}
    assert decode_info(json.dumps(body).encode()) == OrderStatus(ALICE, "0x" + "ab" * 16)


def test_optional_fields_may_be_null() -> None:
    body = {"type": "userFillsByTime", "user": ALICE, "startTime": 1, "endTime": None, "aggregateByTime": None}
    assert decode_info(json.dumps(body).encode()) == UserFillsByTime(ALICE, 1)


def test_brackets_inside_of_strings_are_no_nesting() -> None:
    assert decode_info(json.dumps({"type": "l2Book", "coin": "[{" * 1_000 + '"\\'}).encode()) == L2Book(
        "[{" * 1_000 + '"\\'
    )


def test_nesting_beyond_what_the_server_takes_is_a_400_also_between_strings() -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_info(b'{"a":"]]]","type":' + b"[" * 129 + b"]" * 129 + b"}")
    assert refused.value.status == 400
