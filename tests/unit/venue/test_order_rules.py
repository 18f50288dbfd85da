"""Tick, lot, band, minimum value, reduce-only, margin and caps: what an order must satisfy, in which order."""

from __future__ import annotations

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of

from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8, canonical_e8, parse_e8, shown_e8


@pytest.mark.parametrize(
    ("coin", "px", "legal"),
    [
        ("BTC", "64000", True),
        ("BTC", "64000.5", False),
        ("BTC", "9999.5", True),
        ("BTC", "123456", True),
        ("BTC", "123456.5", False),
        ("ETH", "2123.4", True),
        ("ETH", "2123.45", False),
        ("ETH", "999.99", True),
        ("SOL", "180.05", True),
        ("SOL", "180.055", False),
        ("HYPE", "38.123", True),
        ("HYPE", "9.1234", True),
        ("HYPE", "0.5432", True),
        ("HYPE", "0.54321", False),
    ],
)
def test_a_price_has_five_figures_and_few_decimals_or_is_whole(coin: str, px: str, legal: bool) -> None:
    (market,) = list_markets((coin,))
    assert market.is_on_tick(parse_e8(px)) is legal


@pytest.mark.parametrize(("px", "down", "up"), [("180.055", "180.05", "180.06"), ("180.05", "180.05", "180.05")])
def test_rounding_goes_to_the_side_asked_for(px: str, down: str, up: str) -> None:
    (market,) = list_markets(("SOL",))
    assert canonical_e8(market.round_px(parse_e8(px), up=False)) == down
    assert canonical_e8(market.round_px(parse_e8(px), up=True)) == up


def test_numbers_are_signed_short_and_shown_with_a_decimal() -> None:
    assert (canonical_e8(parse_e8("64000.0")), shown_e8(parse_e8("64000.0"))) == ("64000", "64000.0")
    assert shown_e8(-parse_e8("0.00123")) == "-0.00123"


@pytest.mark.parametrize(
    ("px", "sz", "text"),
    [
        ("180.055", "0", "Order has zero size."),
        ("180.055", "0.001", "Order has invalid size."),
        ("0", "1", "Order has invalid price."),
        ("180.055", "1", "Price must be divisible by tick size. asset=0"),
        ("9", "1", "Order price cannot be more than 95% away from the reference price"),
        ("3601", "1", "Order price cannot be more than 95% away from the reference price"),
    ],
)
def test_one_static_error_answers_for_the_whole_batch_and_leaves_no_trace(px: str, sz: str, text: str) -> None:
    venue = bench()
    listed = venue.place(ALICE, limit("179"), limit(px, sz))
    assert listed == [{"error": text}]
    assert len(venue.state.accounts[ALICE].records) == 0


def test_an_empty_batch_and_an_unknown_asset_are_told_apart() -> None:
    venue = bench()
    assert venue.place(ALICE) == [{"error": "Orders are empty."}]
    assert isinstance(venue.place(ALICE, limit("179", asset=7)), str)


def test_an_order_below_ten_dollars_is_refused_with_a_record() -> None:
    venue = bench()
    status = venue.place(ALICE, limit("180", "0.05", cloid="0x" + "1" * 32))
    assert status == {"error": "Order must have minimum value of $10. asset=0"}
    assert venue.status(ALICE, "0x" + "1" * 32) == "minTradeNtlRejected"


def with_position(sz: str = "1", *, buy: bool = True) -> Bench:
    """Alice holds a position bought from (or sold to) Bob at 180."""
    venue = bench()
    venue.place(BOB, limit("180", sz, buy=not buy))
    venue.place(ALICE, limit("180", sz, buy=buy, tif=Tif.IOC))
    return venue


def test_closing_everything_may_be_smaller_than_ten_dollars_but_reducing_may_not() -> None:
    venue = with_position("1")
    venue.place(BOB, limit("181", "0.97"))
    venue.place(ALICE, limit("181", "0.97", buy=False, tif=Tif.IOC))
    assert venue.position(ALICE) == 3_000_000
    partial = venue.place(ALICE, limit("182", "0.02", buy=False, reduce_only=True))
    assert partial == {"error": "Order must have minimum value of $10. asset=0"}
    assert "resting" in venue.place(ALICE, limit("182", "0.03", buy=False, reduce_only=True))


@pytest.mark.parametrize("buy", [True, False])
def test_a_reduce_only_order_without_anything_to_reduce_is_refused(buy: bool) -> None:
    venue = bench()
    status = venue.place(ALICE, limit("180", buy=buy, reduce_only=True))
    assert status == {"error": "Reduce only order would increase position. asset=0"}


def test_a_reduce_only_order_is_cut_to_the_position_but_remembers_its_size() -> None:
    venue = with_position("1")
    oid = oid_of(venue.place(ALICE, limit("182", "5", buy=False, reduce_only=True)))
    order = venue.state.accounts[ALICE].find(oid)
    assert (order.sz_e8, order.orig_sz_e8) == (E8, 5 * E8)


def test_closing_the_position_cancels_resting_reduce_only_orders() -> None:
    venue = with_position("1")
    oid = oid_of(venue.place(ALICE, limit("182", "1", buy=False, reduce_only=True)))
    venue.place(BOB, limit("179", "1"))
    venue.place(ALICE, limit("179", "1", buy=False, tif=Tif.IOC))
    assert venue.status(ALICE, oid) == "reduceOnlyCanceled"


def test_when_reduce_only_orders_exceed_the_position_the_oldest_gives_way() -> None:
    venue = with_position("2")
    venue.place(ALICE, limit("182", "1.5", buy=False, reduce_only=True))
    venue.place(ALICE, limit("183", "1.5", buy=False, reduce_only=True))
    assert venue.opened(ALICE) == [(182 * E8, E8 // 2), (183 * E8, 3 * E8 // 2)]


def test_trimming_stops_as_soon_as_the_rest_fits() -> None:
    venue = with_position("1")
    for px, sz in (("182", "0.8"), ("183", "0.8"), ("184", "0.9")):
        venue.place(ALICE, limit(px, sz, buy=False, reduce_only=True))
    assert venue.opened(ALICE) == [(183 * E8, E8 // 10), (184 * E8, 9 * E8 // 10)]


def test_an_order_the_account_cannot_pay_for_is_refused() -> None:
    venue = bench(faucet=100)
    status = venue.place(ALICE, limit("180", "12"))
    assert status == {"error": "Insufficient margin to place order. asset=0"}
    assert "resting" in venue.place(ALICE, limit("180", "11"))


def test_two_sided_quotes_are_charged_for_the_worse_side_only() -> None:
    venue = bench(faucet=100)
    assert "resting" in venue.place(ALICE, limit("179", "11"))
    assert "resting" in venue.place(ALICE, limit("181", "11", buy=False))
    assert "error" in venue.place(ALICE, limit("178", "1"))


def test_a_resting_order_whose_owner_lost_its_margin_is_cancelled_and_passed_over() -> None:
    venue = bench(faucet=100)
    venue.place(ALICE, limit("180", "10"))
    poor = oid_of(venue.place(ALICE, limit("170", "1")))
    venue.venue.state.deposit(BOB, 10_000 * E8)
    venue.place(BOB, limit("180", "10", buy=False, tif=Tif.IOC))
    venue.state.marks[0].pin(parse_e8("171"))
    venue.place(CAROL, limit("169", "0.5"))
    status = venue.place(BOB, limit("169", "0.5", buy=False, tif=Tif.IOC))
    assert status["filled"]["avgPx"] == "169.0"
    assert venue.status(ALICE, poor) == "marginCanceled"


def test_a_position_may_not_outgrow_the_tier_of_its_leverage() -> None:
    venue = bench(faucet=100_000_000)
    venue.place(ALICE, limit("180", "200000"))
    status = venue.place(ALICE, limit("180", "200000"))
    text = "Order would cause position to exceed margin tier limit at current leverage asset=0"
    assert status == {"error": text}


def test_the_thousand_and_first_open_order_is_refused() -> None:
    venue = bench(faucet=100_000_000)
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO) for _ in range(200)])
    status = venue.place(ALICE, limit("100", "0.1", tif=Tif.ALO, cloid="0x" + "3" * 32))
    assert "error" in status
    assert venue.status(ALICE, "0x" + "3" * 32) == "tooManyOpenOrdersRejected"


def test_maintenance_margin_follows_the_tiers() -> None:
    btc = list_markets(("BTC",))[0]
    assert btc.maintenance_margin(parse_e8("377667")) == parse_e8("4720.8375")
    first_tier_only = 150_000_000 * E8 // 80
    assert btc.maintenance_margin(150_000_000 * E8) == first_tier_only
    assert btc.maintenance_margin(190_000_000 * E8) == first_tier_only + 40_000_000 * E8 // 40
