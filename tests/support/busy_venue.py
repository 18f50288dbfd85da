"""A venue on which something of every kind has happened, and ways to ask it and listen to it without sockets."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, trigger

from perpmaker.venue.core import Block
from perpmaker.venue.engine.account_actions import ApproveAgent
from perpmaker.venue.engine.orders import Grouping, Tif
from perpmaker.venue.units import E8
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.views.stream import Streams, is_offered, snapshot
from perpmaker.venue.wire.info_requests import decode_info
from perpmaker.venue.wire.subscriptions import Subscription, decode_subscription

AGENT = "0x" + "9" * 40
UNNAMED_AGENT = "0x" + "8" * 40
STRANGER = "0x" + "7" * 40
COINS = ("SOL", "BTC", "tst:GOLD")
GOLD = 110_000
CLOID = "0x" + "0" * 31 + "7"


def busy(**rules: Any) -> Bench:
    """Trades, open and ended orders, triggers, agents and a funding hour, on both dexes."""
    made = bench(coins=COINS, **rules)
    for who in (ALICE, BOB):
        made.state.deposit(who, 100_000 * E8)
        made.state.deposit(who, 100_000 * E8, dex=made.state.dex_named("tst"))
    trade(made)
    trade(made, asset=1, px="64000", sz="0.1")
    trade(made, asset=GOLD, px="4100", sz="0.5")
    made.place(ALICE, limit("170", "2", cloid=CLOID))
    made.place(ALICE, limit("171", "1", tif=Tif.ALO), limit("190", "1", buy=False, reduce_only=True))
    made.place(ALICE, trigger("150", sz="1"))
    made.place_group(ALICE, Grouping.NORMAL_TPSL, limit("169", "1"), trigger("140"), trigger("220", take_profit=True))
    made.place(ALICE, limit("4000", "0.1", asset=GOLD))
    made.cancel(ALICE, made.place(ALICE, limit("160"))["resting"]["oid"])
    made.place(BOB, limit("195", "2", buy=False), limit("150", "1", tif=Tif.IOC))
    made.place(CAROL, limit("195", "0.5", tif=Tif.IOC), limit("172", "1"))
    made.run(ALICE, ApproveAgent(AGENT, "mm1", made.now_ms), nonce=made.now_ms)
    made.run(ALICE, ApproveAgent(UNNAMED_AGENT, "", made.now_ms), nonce=made.now_ms)
    made.step(3_600_000)
    made.step()
    return made


def trade(made: Bench, *, px: str = "180", sz: str = "3", asset: int = 0, parts: int = 2) -> None:
    """Alice buys from Bob in so many partial fills of one order of hers."""
    part = str(float(sz) / parts)
    for _ in range(parts):
        made.place(BOB, limit(px, part, buy=False, asset=asset))
    made.place(ALICE, limit(px, sz, tif=Tif.IOC, asset=asset))


def ask(made: Bench, kind: str, **fields: Any) -> Any:
    """The answer to an info request as JSON. Raises `UnreadableError`."""
    answer = answer_info(made.venue, decode_info(json.dumps({"type": kind} | fields).encode()))
    return as_json(answer)


def as_json(value: Any) -> Any:
    """A value as a client parses it."""
    return json.loads(msgspec.json.encode(value))


def stream(kind: str, **fields: Any) -> Subscription:
    """The subscription a client asks for; it must be readable."""
    wanted = decode_subscription(msgspec.Raw(json.dumps({"type": kind} | fields).encode()))
    assert wanted is not None, (kind, fields)
    return wanted


def offered(made: Bench, kind: str, **fields: Any) -> bool:
    """Whether the venue accepts a subscription."""
    wanted = decode_subscription(msgspec.Raw(json.dumps({"type": kind} | fields).encode()))
    return wanted is not None and is_offered(made.venue, wanted)


def first(made: Bench, wanted: Subscription) -> tuple[str, Any] | None:
    """What a new listener is told at once, as channel and data."""
    frame = snapshot(made.venue, wanted)
    return None if frame is None else (frame.channel, as_json(frame.data))


def pushed(streams: Streams, block: Block, *wanted: Subscription) -> list[tuple[str, Any]]:
    """What listeners of these streams are told about a block, as channel and data. Once per block."""
    return [told for frames in pushed_to_each(streams, block, *wanted).values() for told in frames]


def pushed_to_each(streams: Streams, block: Block, *wanted: Subscription) -> dict[Subscription, list[tuple[str, Any]]]:
    """The same by stream."""
    told: dict[Subscription, list[tuple[str, Any]]] = {one: [] for one in wanted}
    for one, frame in streams.messages(block, wanted):
        told[one].append((frame.channel, as_json(frame.data)))
    return told
