"""In which order an order is checked, and where its checks begin and end.

Exchange documentation: "Error responses"; "Contract specifications" for the largest values; "Tick and lot size" for
prices and sizes. The words of every refusal are in `tests/catalogue`.
"""

from __future__ import annotations

import pytest
from tests.catalogue.refused_orders import after_upgrade, approving, built
from tests.support.venue_core import ALICE, BOB, bench, limit, oid_of, statuses, trigger

from perpmaker.venue.engine.actions import Modification, ModifyOrders
from perpmaker.venue.engine.checks import largest_value_e8
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.switches import with_switches
from perpmaker.venue.units import E8


def test_a_batch_of_modifies_answers_item_by_item_and_one_static_error_answers_for_all() -> None:
    venue = bench()
    first, second = (oid_of(venue.place(ALICE, limit(px))) for px in ("179", "178"))
    good, bad = Modification(first, limit("177")), Modification(second, limit("177.005"))
    refused = statuses(venue.run(ALICE, ModifyOrders((good, bad))), single=False)
    assert refused == [{"error": "Price must be divisible by tick size. asset=0"}]
    assert [venue.status(ALICE, oid) for oid in (first, second)] == ["open", "open"]
    mixed = ModifyOrders((good, Modification(1, limit("176"))))
    answers = statuses(venue.run(ALICE, mixed), single=False)
    assert [list(answer) for answer in answers] == [["resting"], ["error"]]


def test_the_zero_size_comes_before_the_lot_the_price_the_tick_and_the_band() -> None:
    venue = bench()
    steps = [
        (limit("9.005", "0"), "Order has zero size."),
        (limit("9.0055", "0.001"), "Order has invalid size."),
        (limit("0", "1"), "Order has invalid price."),
        (limit("9.00555", "1"), "Price must be divisible by tick size. asset=0"),
        (trigger("175.005", "9"), "Invalid TP/SL price. asset=0"),
        (limit("9", "1"), "Order price cannot be more than 95% away from the reference price"),
    ]
    for order, text in steps:
        assert venue.place(ALICE, order) == {"error": text}


def test_an_ioc_is_judged_by_liquidity_then_money_then_value() -> None:
    venue = bench(faucet=100)
    tiny = limit("180", "0.05", tif=Tif.IOC)
    assert "could not immediately match" in venue.place(ALICE, tiny)["error"]
    venue.place(BOB, limit("180", buy=False))
    assert "minimum value" in venue.place(ALICE, tiny)["error"]
    account = venue.venue.state.accounts[ALICE]
    account.credit(0, -account.cash_e8[0])
    venue.venue.state.pool.deposits_e8 -= 100 * E8
    assert "Insufficient margin" in venue.place(ALICE, tiny)["error"]


@pytest.mark.parametrize(
    ("coin", "market_usd"), [("BTC", 30_000_000), ("ETH", 30_000_000), ("SOL", 5_000_000), ("HYPE", 2_000_000)]
)
def test_the_largest_order_depends_on_the_markets_leverage(coin: str, market_usd: int) -> None:
    (market,) = list_markets((coin,))
    assert largest_value_e8(market, is_market=True) == market_usd * E8
    assert largest_value_e8(market, is_market=False) == 10 * market_usd * E8


def test_a_remainder_below_the_least_value_stays_in_the_book() -> None:
    venue = bench()
    oid = oid_of(venue.place(ALICE, limit("180", "1")))
    venue.place(BOB, limit("180", "0.99", buy=False, tif=Tif.IOC))
    assert venue.status(ALICE, oid) == "open"
    assert venue.opened(ALICE) == [(180 * E8, E8 // 100)]


def test_after_an_upgrade_post_only_orders_and_cancels_still_pass() -> None:
    venue = bench()
    after_upgrade(venue)
    oid = oid_of(venue.place(ALICE, limit("179", tif=Tif.ALO)))
    assert venue.cancel(ALICE, oid) == "success"


def test_an_approved_builder_is_named_on_the_order_and_paid() -> None:
    venue = bench()
    approving(10)(venue)
    venue.place(ALICE, built(10))
    venue.place(BOB, limit("179", "2", buy=False))
    paid = [fill.builder_fee_e8 for fill in venue.state.accounts[ALICE].fills]
    assert paid == [0, 179 * E8 // 10_000]


@pytest.mark.parametrize(
    ("percent", "px", "allowed"),
    [
        (80, "36", False),
        (80, "36.01", True),
        (80, "900", True),
        (80, "900.01", False),
        (95, "9", False),
        (95, "9.01", True),
        (95, "3600", True),
        (95, "3600.1", False),
    ],
)
def test_the_band_is_open_below_and_closed_above(percent: int, px: str, allowed: bool) -> None:
    venue = bench(orders=OrderRules(band_percent=percent), faucet=10_000_000)
    (answer,) = venue.place(ALICE, limit(px, "10", buy=False, tif=Tif.ALO), limit(px, "10", buy=False, tif=Tif.ALO))[:1]
    assert ("resting" in answer) == allowed


def test_switches_are_read_by_name_and_an_unknown_one_is_told_with_those_there_are() -> None:
    rules = with_switches(OrderRules(), "band_percent=80, alo_meets_own=0")
    assert (rules.band_percent, rules.alo_meets_own, rules.tick_is_static) == (80, False, True)
    with pytest.raises(ValueError, match="known: band_percent"):
        with_switches(OrderRules(), "texts=1")
    with pytest.raises(ValueError, match="must be 0 or 1"):
        with_switches(OrderRules(), "tick_is_static=2")
