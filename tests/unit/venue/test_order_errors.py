"""Every text an order, a cancel or a modify is refused with, and whether the refusal leaves a record.

Exchange documentation: "Error responses" for orders, cancels and modifies; "Contract specifications" for the largest
values; "Tick and lot size" for prices and sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of, statuses, trigger

from perpmaker.venue.engine.actions import CancelOrders, Modification, ModifyOrders, PlaceOrders
from perpmaker.venue.engine.checks import largest_value_e8
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Builder, NewOrder, Tif
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.engine.texts import TEXTS
from perpmaker.venue.switches import with_switches
from perpmaker.venue.units import E8

CLOID = "0x" + "7" * 32
BUILDER = "0x" + "b" * 40
Answer = Callable[[], tuple[Bench, Any]]


def placed(order: NewOrder, *, before: Callable[[Bench], object] | None = None, **rules: Any) -> Answer:
    """The answer to one order after what `before` does to a fresh venue."""

    def script() -> tuple[Bench, Any]:
        venue = bench(**rules)
        if before is not None:
            before(venue)
        return venue, venue.place(ALICE, order)

    return script


def with_book(venue: Bench) -> None:
    venue.place(BOB, limit("179", "5"), limit("181", "5", buy=False))


def with_position(venue: Bench) -> None:
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.IOC))


def at_cap(venue: Bench) -> None:
    venue.place(CAROL, limit("180", "5", buy=False), limit("179", "5"))
    venue.place(BOB, limit("180", "1", tif=Tif.IOC))
    venue.state.gates.open_interest_caps_e8[0] = 100 * E8


def nearly_at_the_tier(venue: Bench) -> None:
    venue.place(ALICE, limit("180", "200000"))


def with_a_thousand_orders(venue: Bench) -> None:
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO) for _ in range(200)])


def after_upgrade(venue: Bench) -> None:
    venue.state.gates.post_only = True


def approving(fee: int) -> Callable[[Bench], None]:
    def approve(venue: Bench) -> None:
        venue.place(ALICE, limit("179"))
        venue.state.accounts[ALICE].builder_approvals[BUILDER] = fee

    return approve


def refused_next(status: Status) -> Callable[[Bench], None]:
    return lambda venue: venue.state.gates.refuse_next(ALICE, status)


def built(fee: int) -> NewOrder:
    return NewOrder(0, True, 179 * E8, E8, Tif.GTC, cloid=CLOID, builder=Builder(BUILDER, fee))


RECORDED: dict[str, tuple[Answer, Status]] = {
    "Price must be divisible by tick size. asset=0": (
        placed(limit("179.005", cloid=CLOID), orders=OrderRules(tick_is_static=False)),
        Status.TICK_REJECTED,
    ),
    "Order must have minimum value of $10. asset=0": (
        placed(limit("180", "0.05", cloid=CLOID)),
        Status.MIN_NOTIONAL_REJECTED,
    ),
    "Insufficient margin to place order. asset=0": (
        placed(limit("180", "12", cloid=CLOID), faucet=100),
        Status.MARGIN_REJECTED,
    ),
    "Reduce only order would increase position. asset=0": (
        placed(limit("180", reduce_only=True, cloid=CLOID)),
        Status.REDUCE_ONLY_REJECTED,
    ),
    "Post only order would have immediately matched, bbo was 179.0@181.0. asset=0": (
        placed(limit("181", tif=Tif.ALO, cloid=CLOID), before=with_book),
        Status.BAD_ALO_REJECTED,
    ),
    "Order could not immediately match against any resting orders. asset=0": (
        placed(limit("180", tif=Tif.IOC, cloid=CLOID), before=with_book),
        Status.IOC_REJECTED,
    ),
    "Invalid TP/SL price. asset=0": (
        placed(trigger("185", cloid=CLOID), before=with_position),
        Status.BAD_TRIGGER_PX_REJECTED,
    ),
    "No liquidity available for market order. asset=0": (
        placed(limit("180", tif=Tif.FRONTEND_MARKET, cloid=CLOID)),
        Status.NO_LIQUIDITY_REJECTED,
    ),
    "Order would increase open interest while open interest is capped asset=0": (
        placed(limit("180", tif=Tif.IOC, cloid=CLOID), before=at_cap),
        Status.INCREASE_AT_CAP_REJECTED,
    ),
    "Order rejected due to price more aggressive than oracle while at open interest cap asset=0": (
        placed(limit("179.99", buy=False, cloid=CLOID), before=at_cap),
        Status.TOO_AGGRESSIVE_AT_CAP_REJECTED,
    ),
    "Order would increase open interest too quickly asset=0": (
        placed(
            limit("181", tif=Tif.IOC, cloid=CLOID),
            before=with_book,
            orders=OrderRules(open_interest_growth_e8=100 * E8),
        ),
        Status.OPEN_INTEREST_INCREASE_REJECTED,
    ),
    "Order has insufficient spot balance to trade asset=0": (
        placed(limit("179", cloid=CLOID), before=refused_next(Status.SPOT_BALANCE_REJECTED)),
        Status.SPOT_BALANCE_REJECTED,
    ),
    "Price too far from oracle asset=0": (
        placed(limit("161", cloid=CLOID), orders=OrderRules(oracle_band_percent=10)),
        Status.ORACLE_REJECTED,
    ),
    "Order would cause position to exceed margin tier limit at current leverage asset=0": (
        placed(limit("180", "200000", cloid=CLOID), before=nearly_at_the_tier, faucet=100_000_000),
        Status.MAX_POSITION_REJECTED,
    ),
    "Too many open orders. asset=0": (
        placed(limit("100", "0.1", cloid=CLOID), before=with_a_thousand_orders, faucet=100_000_000),
        Status.TOO_MANY_ORDERS_REJECTED,
    ),
    "Order value exceeds the maximum of $5000000. asset=0": (
        placed(limit("180", "28000", tif=Tif.FRONTEND_MARKET, cloid=CLOID), before=with_book),
        Status.REJECTED,
    ),
}


def test_turning_a_position_around_at_the_cap_has_a_status_of_its_own_and_the_same_words() -> None:
    venue = bench()
    with_position(venue)
    at_cap(venue)
    answer = venue.place(ALICE, limit("179", "2", buy=False, tif=Tif.IOC, cloid=CLOID))
    text = "Order would increase open interest while open interest is capped asset=0"
    assert (answer, venue.status(ALICE, CLOID)) == ({"error": text}, "positionFlipAtOpenInterestCapRejected")


UNRECORDED: dict[str, Answer] = {
    "Order has zero size.": placed(limit("179", "0", cloid=CLOID)),
    "Order has invalid size.": placed(limit("179", "0.001", cloid=CLOID)),
    "Order has invalid price.": placed(limit("0", cloid=CLOID)),
    "Price must be divisible by tick size. asset=0": placed(limit("179.005", cloid=CLOID)),
    "Order price cannot be more than 95% away from the reference price": placed(limit("9", cloid=CLOID)),
    "Order price cannot be more than 80% away from the reference price": placed(
        limit("36", cloid=CLOID), orders=OrderRules(band_percent=80)
    ),
    "Only post-only orders allowed immediately after network upgrade": placed(
        limit("179", cloid=CLOID), before=after_upgrade
    ),
    "Builder fee has not been approved.": placed(built(10), before=approving(9)),
    "Client order id is in use by an open order. asset=0": placed(
        limit("178", cloid=CLOID),
        before=lambda venue: venue.place(BOB, limit("150")) and venue.place(ALICE, limit("179", cloid=CLOID)),
        orders=OrderRules(cloid_reuse_while_open=False),
    ),
    "Priority orders must be all Ioc or all Alo without reduce only.": placed(
        NewOrder(0, True, 179 * E8, E8, Tif.GTC, cloid=CLOID, priority_e8=1)
    ),
}


@pytest.mark.parametrize("text", list(RECORDED))
def test_a_runtime_refusal_says_so_and_leaves_a_record(text: str) -> None:
    script, status = RECORDED[text]
    venue, answer = script()
    assert answer == {"error": text}
    assert venue.status(ALICE, CLOID) == status.value


def test_every_status_of_a_refusal_has_words() -> None:
    assert {status for status in Status if status.is_rejection} == set(TEXTS)


@pytest.mark.parametrize("text", list(UNRECORDED))
def test_a_refusal_before_the_engine_leaves_no_record_and_takes_no_oid(text: str) -> None:
    venue, answer = UNRECORDED[text]()
    assert answer == {"error": text}
    mine = venue.state.accounts[ALICE].records.values()
    assert not [order for order in mine if order.cloid == CLOID and not order.is_open]


def test_an_operator_replaces_words_nobody_has_recorded() -> None:
    rules = OrderRules(texts={Status.MIN_NOTIONAL_REJECTED: "Too small."})
    assert bench(orders=rules).place(ALICE, limit("180", "0.05")) == {"error": "Too small. asset=0"}


GONE = {"error": "Order was never placed, already canceled, or filled. asset=0"}


@pytest.mark.parametrize("fast", [False, True])
def test_a_cancel_that_finds_nothing_gives_no_cause(fast: bool) -> None:
    venue = bench()
    oid = oid_of(venue.place(BOB, limit("179")))
    targets = ((0, oid), (0, 1), (0, CLOID), (1, oid))
    answers = statuses(venue.run(ALICE, CancelOrders(targets, fast=fast)), single=False)
    assert answers == [GONE, GONE, GONE, {"error": GONE["error"].replace("asset=0", "asset=1")}]


def test_a_modify_of_something_gone_and_one_that_fails_differ() -> None:
    venue = bench()
    with_book(venue)
    assert venue.modify(ALICE, 1, limit("178")) == {"error": "Cannot modify canceled or filled order"}
    mine = oid_of(venue.place(ALICE, limit("178", cloid=CLOID)))
    text = "Error placing new order during modify: Post only order would have immediately matched"
    assert venue.modify(ALICE, CLOID, limit("181"))["error"].startswith(text)
    assert venue.status(ALICE, mine) == "canceled"


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


def test_an_unknown_market_refuses_the_action_itself() -> None:
    venue = bench()
    assert statuses(venue.run(ALICE, PlaceOrders((limit("179"), limit("179", asset=7)))), single=False) == (
        "Invalid perp asset 7"
    )


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
