"""Builder-deployed markets, halts and delistings. Source: documentation, "HIP-3" and "Asset IDs"."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.venue_core import ALICE, BOB, Bench, bench, limit, oid_of

from perpmaker.venue.engine import halts
from perpmaker.venue.engine.listings import DEXES, LISTINGS
from perpmaker.venue.engine.markets import Market, list_markets
from perpmaker.venue.engine.marks import Marks
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8
from perpmaker.venue.views.clearinghouse import clearinghouse_state
from perpmaker.venue.views.markets import meta
from perpmaker.venue.views.orders import fill

GOLD = 110_000
COINS = ("SOL", "tst:GOLD", "BTC", "tst:THIN")


def traded() -> Bench:
    """Alice is long one tst:GOLD at 4100, Bob short."""
    venue = bench(coins=COINS)
    venue.place(BOB, limit("4100", "1", buy=False, asset=GOLD))
    venue.place(ALICE, limit("4100", "1", tif=Tif.IOC, asset=GOLD))
    return venue


def test_assets_are_numbered_dex_by_dex() -> None:
    assert [(m.coin, m.asset) for m in list_markets(COINS)] == [
        ("SOL", 0),
        ("tst:GOLD", 110_000),
        ("BTC", 1),
        ("tst:THIN", 110_001),
    ]


def test_every_listing_is_sound_and_there_are_enough_for_a_full_venue() -> None:
    markets = list_markets(tuple(listing.coin for listing in LISTINGS))
    assert len(markets) >= 20
    for market in markets:
        assert market.is_on_tick(market.start_px_e8), market.coin
        assert market.tiers[0].lower_bound_e8 == 0
        assert market.margin_table_id >= 50 or market.margin_table_id == market.max_leverage
        assert (":" in market.coin) == (market.dex.index > 0)


def test_money_of_one_dex_is_not_money_of_another() -> None:
    venue = traded()
    account = venue.state.accounts[ALICE]
    assert account.raw_e8 == 100_000 * E8
    main, other = (clearinghouse_state(venue.state, account, dex) for dex in ("", "tst"))
    assert main["marginSummary"]["totalNtlPos"] == "0.0"
    assert main["assetPositions"] == []
    assert other["marginSummary"]["totalNtlPos"] == "4100.0"
    assert other["assetPositions"][0]["position"]["coin"] == "tst:GOLD"


def test_fees_are_charged_in_the_collateral_of_the_dex() -> None:
    venue = traded()
    told = fill(venue.state, venue.state.accounts[ALICE].fills[-1])
    assert (told["feeToken"], told["fee"]) == ("TUSD", "3.69")
    assert venue.state.pool.fees_e8 == 0
    assert venue.state.pools[DEXES[1].token.index].fees_e8 > 0


def test_each_dex_has_its_own_universe_and_collateral() -> None:
    state = bench(coins=COINS).state
    assert [row["name"] for row in meta(state)["universe"]] == ["SOL", "BTC"]
    other = meta(state, "tst")
    assert [row["name"] for row in other["universe"]] == ["tst:GOLD", "tst:THIN"]
    assert other["collateralToken"] == DEXES[1].token.index
    assert other["universe"][1]["marginMode"] == "strictIsolated"


def test_the_premium_of_a_builder_dex_has_no_dead_zone() -> None:
    main, builder = Marks(100 * E8, 100 * E8, 100 * E8), Marks(100 * E8, 100 * E8, 100 * E8, is_builder=True)
    assert main.premium_e8(99 * E8, 102 * E8) == 0
    assert builder.premium_e8(99 * E8, 102 * E8) == E8 // 200


def test_open_interest_of_a_listing_is_capped() -> None:
    state = bench(coins=COINS).state
    assert state.gates.open_interest_caps_e8[GOLD] == 50_000_000 * E8


@pytest.mark.parametrize("stop", [halts.halt, halts.delist])
def test_a_market_that_stops_cancels_settles_at_mark_and_refuses(stop: Callable[[State, Market], None]) -> None:
    venue = traded()
    resting = oid_of(venue.place(ALICE, limit("4000", "0.1", asset=GOLD)))
    venue.state.marks[GOLD].pin(4_200 * E8)
    stop(venue.state, venue.state.market(GOLD))
    venue.step()
    assert venue.status(ALICE, resting) == "delistedCanceled"
    assert (venue.position(ALICE, GOLD), venue.position(BOB, GOLD)) == (0, 0)
    last = venue.state.accounts[ALICE].fills[-1]
    assert (last.px_e8, last.closed_pnl_e8, last.fee_e8, last.direction) == (4_200 * E8, 100 * E8, 0, "Settlement")
    assert venue.place(ALICE, limit("4200", "1", asset=GOLD)) == {"error": "Trading is halted. asset=110000"}
    assert "resting" in venue.place(ALICE, limit("179", asset=0))


def test_a_halted_market_can_be_resumed_and_a_delisted_one_cannot() -> None:
    venue = traded()
    market = venue.state.market(GOLD)
    halts.halt(venue.state, market)
    halts.resume(venue.state, market)
    assert "resting" in venue.place(ALICE, limit("4000", "1", asset=GOLD))
    halts.delist(venue.state, market)
    with pytest.raises(ValueError, match="delisted for good"):
        halts.resume(venue.state, market)
