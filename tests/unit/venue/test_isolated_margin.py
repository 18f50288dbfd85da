"""Isolated positions and the identities of an account's state. Rows name the exchange's documentation, "Margining"."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.venue_core import ALICE, BOB, Bench, bench, limit

from perpmaker.venue.engine import action_texts, leverage, margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.actions import UpdateLeverage
from perpmaker.venue.engine.answers import Err, Ok
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.state import Rules, State
from perpmaker.venue.units import E8, parse_e8
from perpmaker.venue.views.clearinghouse import active_asset_data, clearinghouse_state

SOL = 0


def isolated(times: int = 10, *, faucet: int = 10_000) -> Bench:
    """Alice holds 10 SOL bought at 180, isolated at some leverage; Bob sold them."""
    venue = bench(faucet=faucet)
    assert isinstance(venue.run(ALICE, UpdateLeverage(SOL, False, times)), Ok)
    venue.place(BOB, limit("180", "10", buy=False))
    venue.place(ALICE, limit("180", "10", tif=Tif.IOC))
    return venue


def shown(venue: Bench, who: str = ALICE) -> dict[str, Any]:
    return clearinghouse_state(venue.state, venue.state.accounts[who])


def test_the_documented_sample_is_reproduced_figure_by_figure() -> None:
    eth = list_markets(("ETH",))[0]
    state = State((eth,), Rules(), seed=1)
    account = state.accounts[ALICE] = Account(ALICE)
    account.raw_e8 = parse_e8("13104.514502")
    account.isolated.add(eth.asset)
    position = account.position(eth.asset)
    position.szi_e8 = parse_e8("0.0335")
    position.cost_quote_e8 = parse_e8("100.04105")
    position.isolated_raw_e8 = -parse_e8("95.059824")
    state.marks[eth.asset].mark_px_e8 = parse_e8("2985.9")
    answer = clearinghouse_state(state, account)
    assert answer["marginSummary"] == {
        "accountValue": "13109.482328",
        "totalNtlPos": "100.02765",
        "totalRawUsd": "13009.454678",
        "totalMarginUsed": "4.967826",
    }
    assert answer["crossMarginSummary"] == {
        "accountValue": "13104.514502",
        "totalNtlPos": "0.0",
        "totalRawUsd": "13104.514502",
        "totalMarginUsed": "0.0",
    }
    assert (answer["crossMaintenanceMarginUsed"], answer["withdrawable"]) == ("0.0", "13104.514502")
    told = answer["assetPositions"][0]["position"]
    assert told["leverage"] == {"type": "isolated", "value": 20, "rawUsd": "-95.059824"}
    assert (told["entryPx"], told["positionValue"], told["unrealizedPnl"]) == ("2986.3", "100.02765", "-0.0134")
    assert (told["returnOnEquity"], told["marginUsed"]) == ("-0.0026789", "4.967826")


@pytest.mark.parametrize(("max_leverage", "expected"), [(50, "2866.26936529")])
def test_the_liquidation_price_of_the_sample_agrees_to_the_documented_digits(max_leverage: int, expected: str) -> None:
    available = parse_e8("4.967826") - parse_e8("100.02765") // (2 * max_leverage)
    double = 2 * max_leverage
    px = parse_e8("2985.9") - available * E8 // parse_e8("0.0335") * double // (double - 1)
    assert abs(px - parse_e8(expected)) < parse_e8("0.001")


def test_an_isolated_position_is_given_its_margin_and_gives_it_all_back() -> None:
    venue = isolated()
    account = venue.state.accounts[ALICE]
    assert account.raw_e8 == (10_000 - 180) * E8
    assert account.positions[SOL].isolated_raw_e8 == 180 * E8 - 1_800 * E8 - parse_e8("0.81")
    venue.place(BOB, limit("180", "4"))
    venue.place(ALICE, limit("180", "4", buy=False, tif=Tif.IOC))
    assert account.positions[SOL].szi_e8 == 6 * E8
    venue.place(BOB, limit("180", "6"))
    venue.place(ALICE, limit("180", "6", buy=False, tif=Tif.IOC))
    assert account.positions[SOL].isolated_raw_e8 == 0
    assert account.raw_e8 == 10_000 * E8 - parse_e8("1.62")


def test_turning_around_leaves_the_new_side_with_its_own_margin() -> None:
    venue = isolated()
    venue.place(BOB, limit("180", "15"))
    venue.place(ALICE, limit("180", "15", buy=False, tif=Tif.IOC))
    account = venue.state.accounts[ALICE]
    assert venue.position(ALICE) == -5 * E8
    assert margin.isolated_equity_e8(venue.state, account, SOL) == 90 * E8


def test_account_value_is_cash_and_positions_and_isolated_margin_is_not_withdrawable() -> None:
    venue = isolated()
    answer = shown(venue)
    assert answer["marginSummary"]["accountValue"] == "9999.19"
    assert answer["marginSummary"]["totalMarginUsed"] == "179.19"
    assert answer["withdrawable"] == "9820.0"
    told = active_asset_data(venue.state, venue.state.accounts[ALICE], venue.state.market(SOL))
    assert told["availableToTrade"] == ["9820.0", "10180.0"]
    assert told["leverage"]["type"] == "isolated"


@pytest.mark.parametrize("is_cross", [True, False])
def test_the_mode_cannot_change_with_an_open_position(is_cross: bool) -> None:
    venue = bench()
    venue.run(ALICE, UpdateLeverage(SOL, not is_cross, 10))
    venue.place(BOB, limit("180", "10", buy=False))
    venue.place(ALICE, limit("180", "10", tif=Tif.IOC))
    answer = venue.run(ALICE, UpdateLeverage(SOL, is_cross, 10))
    assert answer == Err("Cannot switch leverage type with open position.")


@pytest.mark.parametrize("times", [0, 21])
def test_leverage_outside_the_tier_is_refused(times: int) -> None:
    assert bench().run(ALICE, UpdateLeverage(SOL, True, times)) == Err("Invalid leverage value.")


def test_lowering_leverage_takes_what_the_position_lacks_from_the_cross_balance() -> None:
    venue = isolated(20)
    assert isinstance(venue.run(ALICE, UpdateLeverage(SOL, False, 5)), Ok)
    assert margin.isolated_equity_e8(venue.state, venue.state.accounts[ALICE], SOL) == 360 * E8


def test_lowering_leverage_without_margin_is_refused_and_changes_nothing() -> None:
    venue = isolated(20, faucet=100)
    assert venue.run(ALICE, UpdateLeverage(SOL, False, 2)) == Err(action_texts.LEVERAGE_UNCOVERED)
    assert venue.state.accounts[ALICE].leverage[SOL] == 20


@pytest.mark.parametrize(
    ("quote", "refusal"),
    [
        ("100", None),
        ("-10", action_texts.MARGIN_TOO_LITTLE),
        ("10000", action_texts.MARGIN_TOO_LITTLE),
    ],
)
def test_margin_is_moved_in_and_out_within_bounds(quote: str, refusal: str | None) -> None:
    venue = isolated()
    state, account = venue.state, venue.state.accounts[ALICE]
    amount = -parse_e8(quote[1:]) if quote.startswith("-") else parse_e8(quote)
    before = margin.equity_e8(state, account)
    assert leverage.update_isolated_margin(state, account, state.market(SOL), amount) == refusal
    assert margin.equity_e8(state, account) == before
    venue.step()


def test_what_was_added_can_be_taken_out_again() -> None:
    venue = isolated()
    state, account, market = venue.state, venue.state.accounts[ALICE], venue.state.market(SOL)
    assert leverage.update_isolated_margin(state, account, market, 100 * E8) is None
    assert leverage.update_isolated_margin(state, account, market, -99 * E8) is None


def test_topping_up_brings_the_position_down_to_the_leverage_asked_for() -> None:
    venue = isolated()
    state, account = venue.state, venue.state.accounts[ALICE]
    assert leverage.top_up_isolated(state, account, state.market(SOL), 4 * E8) is None
    assert margin.isolated_equity_e8(state, account, SOL) == 450 * E8


def test_markets_without_cross_margin_say_so_and_strict_ones_keep_their_margin() -> None:
    venue = bench(coins=("SOL", "tst:THIN"))
    thin = venue.state.market_of("tst:THIN")
    assert venue.run(ALICE, UpdateLeverage(thin.asset, True, 3)) == Err(action_texts.CROSS_NOT_ALLOWED)
    account = venue.state.accounts[ALICE]
    assert margin.is_isolated(account, thin)


def test_testnet_tiers_are_small() -> None:
    btc = list_markets(("BTC",), testnet_tiers=True)[0]
    assert [btc.tier_max_leverage(value * E8) for value in (9_999, 10_000, 50_000)] == [40, 25, 10]
    assert btc.maintenance_margin(20_000 * E8) == 20_000 * E8 // 50 - (10_000 * E8 // 50 - 10_000 * E8 // 80)
