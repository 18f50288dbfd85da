"""What every request weighs against the network address that sends it: what just fits, and what does not.

Each row is asked once with exactly its weight left, and once with one less.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.catalogue.sections import Section, documented, own
from tests.support.venue import order_wire, orders_action, running
from tests.support.venue_core import START_MS

from perpmaker.venue.core import build_venue
from perpmaker.venue.engine.limits.ip import answer_weight, info_weight
from perpmaker.venue.engine.limits.rules import IpRules
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.timeline import Timeline
from perpmaker.venue.shell.conductor import Conductor
from perpmaker.venue.shell.desk import Desk
from perpmaker.venue.shell.doors import Doors
from perpmaker.venue.wire.decode import UnreadableError
from perpmaker.venue.wire.info_requests import REQUEST_TYPES
from perpmaker.venue.wire.signatures import SOURCES

ADDRESS = "0x" + "a" * 40
HERE = "127.0.0.1"
NOBODY = {"r": "0x0", "s": "0x0", "v": 27}
"""A signature without a signer is answered at once, after its weight was taken."""
_IP = documented("Rate limits and user limits", "IP: weight of requests")
_BATCH = documented("Rate limits and user limits", "IP: 1 + floor(batch length / 40)")
_ITEMS = documented("Rate limits and user limits", "IP: additional weight per items returned")
CANDLES = {"coin": "BTC", "interval": "1h", "startTime": START_MS, "endTime": START_MS}
USER = {"user": ADDRESS}
SINCE = {"startTime": START_MS}


@dataclass(frozen=True)
class Weight:
    """`items` more in an answer weigh one more; None where the answer's length does not matter."""

    section: Section
    kind: str
    weight: int
    asked: dict[str, Any]
    items: int | None = None


def _light(kind: str, **asked: Any) -> Weight:
    return Weight(_IP, kind, 2, asked)


def _ordinary(kind: str, *, items: int | None = None, **asked: Any) -> Weight:
    return Weight(_IP if items is None else _ITEMS, kind, 20, asked, items)


INFO = (
    _light("l2Book", coin="BTC"),
    _light("allMids"),
    _light("clearinghouseState", **USER),
    _light("orderStatus", **USER, oid=1),
    _light("spotClearinghouseState", **USER),
    _light("exchangeStatus"),
    Weight(_IP, "userRole", 60, USER),
    _ordinary("recentTrades", coin="BTC", items=20),
    _ordinary("historicalOrders", **USER, items=20),
    _ordinary("userFills", **USER, items=20),
    _ordinary("userFillsByTime", **USER, **SINCE, items=20),
    _ordinary("fundingHistory", coin="BTC", **SINCE, items=20),
    _ordinary("userFunding", **USER, **SINCE, items=20),
    _ordinary("userNonFundingLedgerUpdates", **USER, **SINCE, items=20),
    _ordinary("twapHistory", **USER, items=20),
    _ordinary("userTwapSliceFills", **USER, items=20),
    _ordinary("userTwapSliceFillsByTime", **USER, **SINCE, items=20),
    _ordinary("candleSnapshot", req=CANDLES, items=60),
    *(
        _ordinary(kind)
        for kind in (
            "meta",
            "metaAndAssetCtxs",
            "allPerpMetas",
            "perpDexs",
            "perpsAtOpenInterestCap",
            "maxMarketOrderNtls",
            "perpDexStatus",
            "predictedFundings",
            "spotMeta",
            "spotMetaAndAssetCtxs",
        )
    ),
    _ordinary("marginTable", id=56),
    _ordinary("perpDexLimits", dex=""),
    *(
        _ordinary(kind, **USER)
        for kind in (
            "openOrders",
            "frontendOpenOrders",
            "userRateLimit",
            "userFees",
            "extraAgents",
            "subAccounts",
            "userAbstraction",
            "portfolio",
            "referral",
            "userVaultEquities",
            "legalCheck",
        )
    ),
    _ordinary("activeAssetData", **USER, coin="BTC"),
    _ordinary("maxBuilderFee", **USER, builder=ADDRESS),
    _ordinary("preTransferCheck", **USER, source=ADDRESS),
)

NOT_SERVED = ("delegatorHistory", "delegatorRewards", "validatorStats")
"""Of staking, which the venue does not have; on the exchange they weigh 20 and one more per 20 items."""

BATCHES = ((0, 1), (1, 1), (39, 1), (40, 2), (79, 2), (80, 3), (119, 3), (120, 4), (200, 6))


def desk_with(weight: int) -> Desk:
    """Where requests meet a venue, for an address that has this much weight left."""
    venue = build_venue(list_markets(("BTC",)), Rules(), seed=1, faucet_e8=0)
    venue.step(START_MS)
    doors = Doors.of(venue.state)
    doors.rest.add(HERE, IpRules().weight - weight, START_MS)
    return Desk(Conductor(venue), Board(1), Timeline(None), SOURCES["testnet"], doors)


async def is_let_in(path: str, body: Any, weight: int) -> bool:
    """Whether an address with this much weight left is answered, rather than refused for it."""
    desk, data = desk_with(weight), json.dumps(body).encode()
    try:
        if path == "/info":
            await desk.info(data, HERE)
        else:
            await desk.act(data, ip=HERE)
    except UnreadableError as refused:
        assert (refused.status, refused.text) == (429, "null")
        return False
    return True


@pytest.mark.parametrize("row", INFO, ids=lambda row: row.kind)
async def test_an_info_request_weighs_what_is_documented(row: Weight) -> None:
    body = {"type": row.kind} | row.asked
    assert [await is_let_in("/info", body, bucket) for bucket in (row.weight, row.weight - 1)] == [True, False]


@pytest.mark.parametrize(("items", "weight"), BATCHES)
async def test_an_action_weighs_one_and_one_more_for_each_forty_items(items: int, weight: int) -> None:
    orders = [order_wire(0, is_buy=True, px="64000", sz="0.001")] * items
    body = {"action": orders_action(*orders), "nonce": 1, "signature": NOBODY}
    assert [await is_let_in("/exchange", body, bucket) for bucket in (weight, weight - 1)] == [True, False], _BATCH


@pytest.mark.parametrize("row", [row for row in INFO if row.items], ids=lambda row: row.kind)
def test_a_long_answer_weighs_one_more_for_so_many_items(row: Weight) -> None:
    assert row.items is not None
    weights = [answer_weight(row.kind, items) for items in (0, row.items - 1, row.items, 2 * row.items - 1, 2_000)]
    assert weights == [0, 0, 1, 1, 2_000 // row.items], row.section


@pytest.mark.parametrize("row", [row for row in INFO if not row.items], ids=lambda row: row.kind)
def test_the_length_of_other_answers_does_not_matter(row: Weight) -> None:
    assert answer_weight(row.kind, 5_000) == 0, row.section


def test_a_whole_page_of_fills_costs_about_what_is_documented() -> None:
    assert info_weight("userFills") + answer_weight("userFills", 2_000) == 120


async def test_what_an_answer_weighs_on_top_is_taken_after_it() -> None:
    weight = 1 + 20 + 1 + 1
    async with running(markets=("BTC",), virtual_time=True, limit_rules=f"ip.weight={weight}") as venue:
        alice = venue.client()
        orders = orders_action(*[order_wire(0, is_buy=True, px="60000", sz="0.001")] * 20)
        placing = asyncio.create_task(alice.exchange(orders))
        while not placing.done():
            await venue.control("advance", ms=100)
        assert len((await placing)["response"]["data"]["statuses"]) == 20
        status, history = await alice.post("/info", {"type": "historicalOrders", "user": alice.address})
        assert (status, len(history)) == (200, 20)
        unreadable = {"type": "nope"}
        assert [(await alice.post("/info", unreadable))[0] for _ in range(2)] == [422, 429], _ITEMS


def test_every_request_that_the_venue_answers_has_a_row() -> None:
    assert sorted(row.kind for row in INFO) == sorted(REQUEST_TYPES)


UNREADABLE = own("what cannot be read weighs 1")


async def test_what_cannot_be_read_weighs_one() -> None:
    async with running(markets=("BTC",), virtual_time=True, limit_rules="ip.weight=1") as venue:
        alice = venue.client()
        assert [(await alice.post("/info", {"type": "nope"}))[0] for _ in range(2)] == [422, 429], UNREADABLE


@pytest.mark.parametrize("kind", NOT_SERVED)
async def test_what_the_venue_does_not_have_is_unknown_to_it(kind: str) -> None:
    async with running(markets=("BTC",)) as venue:
        assert (await venue.client().post("/info", {"type": kind, **USER}))[0] == 422


async def test_there_is_no_explorer() -> None:
    """On the exchange it is another server, and weighs 40."""
    async with running(markets=("BTC",)) as venue:
        assert (await venue.client().post("/explorer", {"type": "blockDetails", "height": 1}))[0] == 404
