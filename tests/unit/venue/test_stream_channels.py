"""Every channel: what is told on subscribing, what later, in which shape. Source: documentation, "WebSocket"."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.support.busy_venue import ALICE, BOB, busy, first, offered, pushed, pushed_to_each, stream, trade
from tests.support.exchange_shapes import check
from tests.support.stream_shapes import CHANNELS
from tests.support.venue_core import Bench, bench, limit

from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.views.stream import Streams
from perpmaker.venue.wire.subscriptions import Subscription

SOL: dict[str, Any] = {"coin": "SOL"}
ME: dict[str, Any] = {"user": ALICE}
# type, fields, channel, told on subscribing, told of a block in which Alice trades, orders and is paid funding
ROWS: list[tuple[str, dict[str, Any], str, bool, bool]] = [
    ("allMids", {}, "allMids", True, True),
    ("allMids", {"dex": "tst"}, "allMids", True, True),
    ("l2Book", SOL, "l2Book", True, True),
    ("l2Book", SOL | {"fast": True}, "l2Book", True, True),
    ("l2Book", SOL | {"nSigFigs": 5, "mantissa": 2}, "l2Book", True, True),
    ("bbo", SOL, "bbo", True, True),
    ("trades", SOL, "trades", True, True),
    ("candle", SOL | {"interval": "1m"}, "candle", True, True),
    ("activeAssetCtx", SOL, "activeAssetCtx", True, True),
    ("assetCtxs", {}, "assetCtxs", True, True),
    ("allDexsAssetCtxs", {}, "allDexsAssetCtxs", True, True),
    ("fastAssetCtxs", {}, "fastAssetCtxs", True, True),
    ("spotAssetCtxs", {}, "spotAssetCtxs", True, False),
    ("orderUpdates", ME, "orderUpdates", False, True),
    ("userFills", ME, "userFills", True, True),
    ("userFills", ME | {"aggregateByTime": True}, "userFills", True, True),
    ("userEvents", ME, "user", False, True),
    ("openOrders", ME, "openOrders", True, True),
    ("openOrders", ME | {"dex": "tst"}, "openOrders", True, True),
    ("clearinghouseState", ME, "clearinghouseState", True, True),
    ("clearinghouseState", ME | {"dex": "tst"}, "clearinghouseState", True, True),
    ("allDexsClearinghouseState", ME, "allDexsClearinghouseState", True, True),
    ("activeAssetData", ME | SOL, "activeAssetData", True, True),
    ("userFundings", ME, "userFundings", True, True),
    ("userNonFundingLedgerUpdates", ME, "userNonFundingLedgerUpdates", True, False),
    ("userHistoricalOrders", ME, "userHistoricalOrders", True, True),
    ("notification", ME, "notification", False, False),
    ("twapStates", ME, "twapStates", True, False),
    ("userTwapSliceFills", ME, "userTwapSliceFills", True, False),
    ("userTwapHistory", ME, "userTwapHistory", True, False),
    ("spotState", ME, "spotState", True, True),
    ("webData3", ME, "webData3", True, True),
]
IDS = [f"{kind} {fields}" for kind, fields, *_ in ROWS]


@pytest.fixture(scope="module")
def venue() -> Bench:
    return busy()


@pytest.fixture(scope="module")
def told() -> dict[Subscription, list[tuple[str, Any]]]:
    """What each stream says of one eventful block, an hour after everything before."""
    made, wanted = busy(), [stream(kind, **fields) for kind, fields, *_ in ROWS]
    streams = Streams(made.venue)
    made.place(BOB, limit("180", "1", buy=False))
    made.now_ms += 3_600_000
    made.place(ALICE, limit("181", "1.5", tif=Tif.GTC))
    assert made.block is not None
    return pushed_to_each(streams, made.block, *wanted)


@pytest.mark.parametrize(("kind", "fields", "channel", "at_once", "_later"), ROWS, ids=IDS)
def test_what_a_new_listener_is_told(
    venue: Bench, kind: str, fields: dict[str, Any], channel: str, at_once: bool, _later: bool
) -> None:
    assert offered(venue, kind, **fields)
    found = first(venue, stream(kind, **fields))
    assert (found is not None) is at_once
    if found is not None:
        assert found[0] == channel
        check(found[1], CHANNELS[channel])


@pytest.mark.parametrize(("kind", "fields", "channel", "_at_once", "later"), ROWS, ids=IDS)
def test_what_a_listener_is_told_of_a_block(
    told: dict[Subscription, list[tuple[str, Any]]],
    kind: str,
    fields: dict[str, Any],
    channel: str,
    _at_once: bool,
    later: bool,
) -> None:
    frames = told[stream(kind, **fields)]
    assert bool(frames) is later
    for name, data in frames:
        assert name == channel
        check(data, CHANNELS[channel])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("l2Book", {"coin": "NOPE"}),
        ("l2Book", {"coin": "SOL", "mantissa": 2}),
        ("allMids", {"dex": "nope"}),
        ("webData2", {"user": ALICE}),
    ],
)
def test_there_is_no_such_stream(venue: Bench, kind: str, fields: dict[str, Any]) -> None:
    assert not offered(venue, kind, **fields)


def test_the_withdrawn_stream_is_served_to_old_clients_when_told_to() -> None:
    made = busy()
    made.venue.answers = replace(made.venue.answers, web_data_2=True)
    assert offered(made, "webData2", user=ALICE)
    found = first(made, stream("webData2", user=ALICE))
    assert found is not None
    check(found[1], CHANNELS["webData2"])


@pytest.mark.parametrize(
    ("asked", "echo"),
    [
        ({"type": "l2Book", "coin": "SOL"}, {"type": "l2Book", "coin": "SOL", "nSigFigs": None, "mantissa": None}),
        (
            {"type": "userFills", "user": ALICE.upper().replace("0X", "0x"), "more": 1},
            {"type": "userFills", "user": ALICE, "aggregateByTime": False},
        ),
        ({"type": "candle", "coin": "SOL", "interval": "1h"}, {"type": "candle", "coin": "SOL", "interval": "1h"}),
        ({"type": "openOrders", "user": ALICE, "dex": ""}, {"type": "openOrders", "user": ALICE, "dex": ""}),
    ],
)
def test_the_echo_of_a_subscription_is_its_normal_form(asked: dict[str, Any], echo: dict[str, Any]) -> None:
    kind = asked.pop("type")
    assert json.loads(msgspec.json.encode(stream(kind, **asked))) == echo


def test_histories_begin_with_a_snapshot_that_says_so(venue: Bench) -> None:
    for kind in ("userFills", "userFundings", "userNonFundingLedgerUpdates", "userHistoricalOrders", "userTwapHistory"):
        found = first(venue, stream(kind, user=ALICE))
        assert found is not None and found[1]["isSnapshot"] is True


def test_fast_contexts_are_all_at_first_and_then_what_changed() -> None:
    made = busy()
    wanted, streams = stream("fastAssetCtxs"), Streams(made.venue)
    assert set(_unpacked(first(made, wanted))) == {"SOL", "BTC", "tst:GOLD"}
    pushed(streams, made.step(1_000), wanted)
    made.state.marks[1].pin(65_000 * 10**8)
    (frame,) = pushed(streams, made.step(1_000), wanted)
    assert {coin: prices["markPx"] for coin, prices in _unpacked(frame).items()} == {"BTC": "65000.0"}
    assert pushed(streams, made.step(1_000), wanted) == []


def _unpacked(frame: tuple[str, Any] | None) -> dict[str, dict[str, str]]:
    assert frame is not None
    found: dict[str, dict[str, str]] = json.loads(zlib.decompress(base64.b64decode(frame[1]), -zlib.MAX_WBITS))
    return found


def test_books_come_at_their_pace_and_best_prices_on_change_only() -> None:
    made = bench()
    streams = Streams(made.venue)
    book, fast, best = stream("l2Book", coin="SOL"), stream("l2Book", coin="SOL", fast=True), stream("bbo", coin="SOL")
    counted = {book: 0, fast: 0, best: 0}
    for turn in range(100):
        if turn == 50:
            made.place(ALICE, limit("170"))
            assert made.block is not None
            block = made.block
        else:
            block = made.step(100)
        for one, frames in pushed_to_each(streams, block, *counted).items():
            counted[one] += len(frames)
    assert (counted[book], counted[fast], counted[best]) == (2, 20, 1)


def test_mids_come_every_two_seconds() -> None:
    made = bench()
    streams, mids = Streams(made.venue), stream("allMids")
    assert sum(len(pushed(streams, made.step(100), mids)) for _ in range(100)) == 5


def test_a_partial_fill_is_no_order_update_unless_told_otherwise() -> None:
    made = bench()
    streams, updates = Streams(made.venue), stream("orderUpdates", user=ALICE)
    made.place(ALICE, limit("170", "3"))
    made.place(BOB, limit("170", "1", buy=False, tif=Tif.IOC))
    assert made.block is not None
    assert pushed(streams, made.block, updates) == []
    made.venue.answers = replace(made.venue.answers, open_again_on_partial=True)
    ((_, (update,)),) = pushed(streams, made.block, updates)
    assert (update["status"], update["order"]["sz"]) == ("open", "2.0")


def test_the_two_updates_of_a_modify_may_come_in_either_order() -> None:
    made = bench()
    streams, updates = Streams(made.venue), stream("orderUpdates", user=ALICE)
    oid = made.place(ALICE, limit("170"))["resting"]["oid"]
    made.modify(ALICE, oid, limit("171"))
    assert made.block is not None
    for new_first in (False, True):
        made.venue.answers = replace(made.venue.answers, new_before_old_on_modify=new_first)
        ((_, both),) = pushed(streams, made.block, updates)
        assert [update["status"] for update in both] == (["open", "canceled"] if new_first else ["canceled", "open"])


def test_trades_begin_with_recent_ones_unless_told_otherwise() -> None:
    made = bench()
    trade(made)
    found = first(made, stream("trades", coin="SOL"))
    assert found is not None and len(found[1]) == 2
    made.venue.answers = replace(made.venue.answers, recent_trades_first=False)
    assert first(made, stream("trades", coin="SOL")) is None
