"""Every info request is answered in the documented shape. Source: documentation, "Info endpoint", "Perpetuals"."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from tests.support import account_shapes as of_account
from tests.support import exchange_shapes as has
from tests.support import market_shapes as of_market
from tests.support.busy_venue import AGENT, ALICE, CLOID, STRANGER, ask, busy
from tests.support.venue_core import BOB, START_MS, Bench

from perpmaker.venue.wire.decode import UnreadableError
from perpmaker.venue.wire.info_requests import REQUEST_TYPES

HOUR_AGO = START_MS
MIDS = dict[str, has.Amount]
FILLS = list[of_account.Fill]
PORTFOLIO = list[tuple[str, of_account.Performance]]
PREDICTED = list[tuple[str, list[tuple[str, of_market.PredictedFunding | None]]]]
META_AND_CTXS = tuple[of_market.PerpMeta, list[of_market.AssetCtx]]

ROWS: list[tuple[str, dict[str, Any], Any]] = [
    ("meta", {}, of_market.PerpMeta),
    ("meta", {"dex": "tst"}, of_market.PerpMeta),
    ("metaAndAssetCtxs", {"dex": ""}, META_AND_CTXS),
    ("metaAndAssetCtxs", {"dex": "tst"}, META_AND_CTXS),
    ("allPerpMetas", {}, list[of_market.PerpMeta]),
    ("perpDexs", {}, list[of_market.PerpDex | None]),
    ("marginTable", {"id": 56}, of_market.MarginTable),
    ("perpsAtOpenInterestCap", {}, list[str]),
    ("maxMarketOrderNtls", {}, list[tuple[has.Count, has.Amount]]),
    ("perpDexLimits", {"dex": "tst"}, of_market.PerpDexLimits),
    ("perpDexStatus", {"dex": ""}, of_market.PerpDexStatus),
    ("predictedFundings", {}, PREDICTED),
    ("spotMeta", {}, of_market.SpotMeta),
    ("spotMetaAndAssetCtxs", {}, tuple[of_market.SpotMeta, list[of_market.SpotContext]]),
    ("exchangeStatus", {}, of_market.ExchangeStatus),
    ("allMids", {}, MIDS),
    ("allMids", {"dex": "tst"}, MIDS),
    ("l2Book", {"coin": "SOL"}, of_market.L2Book),
    ("l2Book", {"coin": "SOL", "nSigFigs": 5, "mantissa": 2}, of_market.L2Book),
    ("l2Book", {"coin": "tst:GOLD", "nSigFigs": None, "mantissa": None}, of_market.L2Book),
    ("recentTrades", {"coin": "SOL"}, list[of_market.Trade]),
    (
        "candleSnapshot",
        {"req": {"coin": "SOL", "interval": "1m", "startTime": HOUR_AGO - 60_000, "endTime": None}},
        list[of_market.Candle],
    ),
    ("fundingHistory", {"coin": "SOL", "startTime": HOUR_AGO}, list[of_market.FundingRate]),
    ("clearinghouseState", {"user": ALICE}, of_account.ClearinghouseState),
    ("clearinghouseState", {"user": ALICE, "dex": "tst"}, of_account.ClearinghouseState),
    ("spotClearinghouseState", {"user": ALICE}, of_account.SpotState),
    ("openOrders", {"user": ALICE}, list[of_account.BasicOrder]),
    ("frontendOpenOrders", {"user": ALICE}, list[of_account.FrontendOrder]),
    ("orderStatus", {"user": ALICE, "oid": CLOID}, of_account.KnownOrder),
    ("orderStatus", {"user": ALICE, "oid": 1}, of_account.UnknownOrder),
    ("historicalOrders", {"user": ALICE}, list[of_account.OrderRecord]),
    ("userFills", {"user": ALICE}, FILLS),
    ("userFills", {"user": ALICE, "aggregateByTime": True}, FILLS),
    ("userFillsByTime", {"user": ALICE, "startTime": HOUR_AGO}, FILLS),
    ("twapHistory", {"user": ALICE}, list[Any]),
    ("userTwapSliceFills", {"user": ALICE}, list[Any]),
    ("userTwapSliceFillsByTime", {"user": ALICE, "startTime": HOUR_AGO}, list[Any]),
    ("userFunding", {"user": ALICE, "startTime": HOUR_AGO}, list[of_account.UserFunding]),
    ("userNonFundingLedgerUpdates", {"user": ALICE, "startTime": HOUR_AGO}, list[of_account.LedgerUpdate]),
    ("userRateLimit", {"user": ALICE}, of_account.RateLimit),
    ("userFees", {"user": ALICE}, of_account.UserFees),
    ("userRole", {"user": ALICE}, of_account.PlainRole),
    ("userRole", {"user": AGENT}, of_account.AgentRole),
    ("extraAgents", {"user": ALICE}, list[of_account.ExtraAgent]),
    ("subAccounts", {"user": ALICE}, list[of_account.SubAccount] | None),
    ("activeAssetData", {"user": ALICE, "coin": "SOL"}, of_account.ActiveAssetData),
    ("maxBuilderFee", {"user": ALICE, "builder": BOB}, int),
    (
        "userAbstraction",
        {"user": ALICE},
        Literal["unifiedAccount", "portfolioMargin", "disabled", "default", "dexAbstraction"],
    ),
    ("portfolio", {"user": ALICE}, PORTFOLIO),
    ("referral", {"user": ALICE}, of_account.Referral),
    ("userVaultEquities", {"user": ALICE}, list[Any]),
    ("legalCheck", {"user": ALICE}, of_account.LegalCheck),
    ("preTransferCheck", {"user": ALICE, "source": BOB}, of_account.PreTransferCheck),
]
FILLED = {
    "recentTrades",
    "candleSnapshot",
    "fundingHistory",
    "openOrders",
    "frontendOpenOrders",
    "historicalOrders",
    "userFills",
    "userFillsByTime",
    "userFunding",
    "userNonFundingLedgerUpdates",
    "extraAgents",
    "predictedFundings",
    "portfolio",
}
"""Answers that must not be empty here, so that their shape is really seen."""
START_UP = {
    "meta",
    "metaAndAssetCtxs",
    "allPerpMetas",
    "perpDexs",
    "spotMeta",
    "spotMetaAndAssetCtxs",
    "allMids",
    "l2Book",
    "candleSnapshot",
    "recentTrades",
    "fundingHistory",
    "clearinghouseState",
    "spotClearinghouseState",
    "openOrders",
    "frontendOpenOrders",
    "orderStatus",
    "historicalOrders",
    "userFills",
    "userFillsByTime",
    "userFunding",
    "userNonFundingLedgerUpdates",
    "userFees",
    "userRateLimit",
    "userRole",
    "activeAssetData",
    "extraAgents",
    "subAccounts",
    "userAbstraction",
    "maxBuilderFee",
    "exchangeStatus",
    "referral",
    "portfolio",
}
"""What unmodified clients of the exchange call."""


@pytest.fixture(scope="module")
def venue() -> Bench:
    return busy()


@pytest.mark.parametrize(("kind", "fields", "shape"), ROWS, ids=[f"{kind} {fields}" for kind, fields, _ in ROWS])
def test_an_info_request_is_answered_in_its_shape(venue: Bench, kind: str, fields: dict[str, Any], shape: Any) -> None:
    answer = ask(venue, kind, **fields)
    has.check(answer, shape)
    assert answer or kind not in FILLED


def test_every_request_type_is_in_the_table() -> None:
    assert {kind for kind, _, _ in ROWS} == set(REQUEST_TYPES)
    assert set(REQUEST_TYPES) >= START_UP


@pytest.mark.parametrize("kind", sorted({kind for kind, fields, _ in ROWS if "user" in fields}))
def test_a_stranger_reads_as_an_empty_account(venue: Bench, kind: str) -> None:
    fields, shape = next((fields, shape) for name, fields, shape in ROWS if name == kind)
    if kind == "orderStatus":
        shape = of_account.UnknownOrder
    has.check(ask(venue, kind, **(fields | {"user": STRANGER})), shape)


def test_flags_of_the_universe_are_there_only_when_true(venue: Bench) -> None:
    gold, main = ask(venue, "meta", dex="tst"), ask(venue, "meta")
    assert [entry["name"] for entry in gold["universe"]] == ["tst:GOLD"]
    assert gold["collateralToken"] != main["collateralToken"] == 0
    assert not {"isDelisted", "marginMode"} & set(main["universe"][0])
    venue.state.delisted.add("SOL")
    assert ask(venue, "meta")["universe"][0]["isDelisted"] is True
    venue.state.delisted.clear()


def test_orders_and_positions_are_listed_on_their_dex_alone(venue: Bench) -> None:
    main, gold = (ask(venue, "openOrders", user=ALICE, dex=dex) for dex in ("", "tst"))
    assert {order["coin"] for order in gold} == {"tst:GOLD"}
    assert "tst:GOLD" not in {order["coin"] for order in main}
    held = ask(venue, "clearinghouseState", user=ALICE, dex="tst")["assetPositions"]
    assert [entry["position"]["coin"] for entry in held] == ["tst:GOLD"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("fundingHistory", {"coin": "NOPE", "startTime": 0}),
        ("meta", {"dex": "nope"}),
        ("l2Book", {"coin": "SOL", "nSigFigs": 1}),
        ("l2Book", {"coin": "SOL", "nSigFigs": 6}),
        ("l2Book", {"coin": "SOL", "mantissa": 2}),
        ("l2Book", {"coin": "SOL", "nSigFigs": 4, "mantissa": 2}),
        ("l2Book", {"coin": "SOL", "nSigFigs": 5, "mantissa": 1}),
        ("l2Book", {"coin": "SOL", "nSigFigs": 5, "mantissa": 3}),
    ],
)
def test_what_the_exchange_fails_on_is_a_500_with_null(venue: Bench, kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError) as refused:
        ask(venue, kind, **fields)
    assert (refused.value.status, refused.value.text) == (500, "null")


def test_the_book_of_an_unknown_coin_is_null(venue: Bench) -> None:
    assert ask(venue, "l2Book", coin="NOPE") is None


def test_trigger_orders_are_plain_in_open_orders_and_told_in_full_to_frontends(venue: Bench) -> None:
    shown = {order["oid"]: order for order in ask(venue, "frontendOpenOrders", user=ALICE)}
    plain = {order["oid"] for order in ask(venue, "openOrders", user=ALICE)}
    stop = next(order for order in shown.values() if order["triggerPx"] == "150.0")
    assert stop["oid"] in plain
    assert (stop["orderType"], stop["triggerCondition"], stop["tif"]) == ("Stop Market", "Price below 150", None)
    parent = next(order for order in shown.values() if order["limitPx"] == "169.0")
    assert [child["orderType"] for child in parent["children"]] == ["Stop Market", "Take Profit Market"]
