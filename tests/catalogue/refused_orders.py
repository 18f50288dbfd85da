"""Every refusal of a single order: where it is told of, its words, the status it leaves, and a script that reaches it.

A script builds its situation from nothing and returns the venue with the answer to Alice's last order, whose client id
is `CLOID`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.catalogue.sections import Section, documented, measured, own
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, trigger

from perpmaker.venue.engine.halts import halt
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Builder, Grouping, NewOrder, Tif
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.units import E8, parse_e8

CLOID = "0x" + "7" * 32
BUILDER = "0x" + "b" * 40
Script = Callable[[], tuple[Bench, Any]]
Before = Callable[[Bench], object]


@dataclass(frozen=True)
class RefusedOrder:
    """`status` is of the record it leaves; None where it leaves none and takes no oid."""

    section: Section
    text: str
    status: Status | None
    script: Script


def placed(order: NewOrder, *, before: Before | None = None, **rules: Any) -> Script:
    """One order after what `before` does to a fresh venue."""

    def script() -> tuple[Bench, Any]:
        venue = bench(**rules)
        if before is not None:
            before(venue)
        return venue, venue.place(ALICE, order)

    return script


def grouped(grouping: Grouping, *orders: NewOrder) -> Script:
    """A group of orders that is answered as one."""

    def script() -> tuple[Bench, Any]:
        venue = bench()
        (answer,) = venue.place_group(ALICE, grouping, *orders)
        return venue, answer

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


def with_position_at_cap(venue: Bench) -> None:
    with_position(venue)
    at_cap(venue)


def ahead_of_the_oracle(venue: Bench) -> None:
    at_cap(venue)
    venue.state.marks[0].pin(parse_e8("179.2"))


def with_a_thousand_orders(venue: Bench) -> None:
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO) for _ in range(200)])


def after_upgrade(venue: Bench) -> None:
    venue.state.gates.post_only = True


def approving(fee: int) -> Before:
    def approve(venue: Bench) -> None:
        venue.place(ALICE, limit("179"))
        venue.state.accounts[ALICE].builder_approvals[BUILDER] = fee

    return approve


def built(fee: int) -> NewOrder:
    return NewOrder(0, True, 179 * E8, E8, Tif.GTC, cloid=CLOID, builder=Builder(BUILDER, fee))


def refused_next(status: Status) -> Before:
    """The control plane has the next order refused: how what only other kinds of market refuse is reached here."""
    return lambda venue: venue.state.gates.refuse_next(ALICE, status)


def _documented(status: Status | None, text: str, script: Script) -> RefusedOrder:
    name = "order status" if status is None else status.value
    return RefusedOrder(documented("Error responses", name), text, status, script)


RECORDED = (
    _documented(
        Status.TICK_REJECTED,
        "Price must be divisible by tick size. asset=0",
        placed(limit("179.005", cloid=CLOID), orders=OrderRules(tick_is_static=False)),
    ),
    _documented(
        Status.MIN_NOTIONAL_REJECTED,
        "Order must have minimum value of $10. asset=0",
        placed(limit("180", "0.05", cloid=CLOID)),
    ),
    _documented(
        Status.MARGIN_REJECTED,
        "Insufficient margin to place order. asset=0",
        placed(limit("180", "12", cloid=CLOID), faucet=100),
    ),
    _documented(
        Status.REDUCE_ONLY_REJECTED,
        "Reduce only order would increase position. asset=0",
        placed(limit("180", reduce_only=True, cloid=CLOID)),
    ),
    _documented(
        Status.BAD_ALO_REJECTED,
        "Post only order would have immediately matched, bbo was 179.0@181.0. asset=0",
        placed(limit("181", tif=Tif.ALO, cloid=CLOID), before=with_book),
    ),
    _documented(
        Status.IOC_REJECTED,
        "Order could not immediately match against any resting orders. asset=0",
        placed(limit("180", tif=Tif.IOC, cloid=CLOID), before=with_book),
    ),
    _documented(
        Status.BAD_TRIGGER_PX_REJECTED,
        "Invalid TP/SL price. asset=0",
        placed(trigger("185", cloid=CLOID), before=with_position),
    ),
    _documented(
        Status.NO_LIQUIDITY_REJECTED,
        "No liquidity available for market order. asset=0",
        placed(limit("180", tif=Tif.FRONTEND_MARKET, cloid=CLOID)),
    ),
    _documented(
        Status.INCREASE_AT_CAP_REJECTED,
        "Order would increase open interest while open interest is capped asset=0",
        placed(limit("180", tif=Tif.IOC, cloid=CLOID), before=at_cap),
    ),
    _documented(
        Status.FLIP_AT_CAP_REJECTED,
        "Order would increase open interest while open interest is capped asset=0",
        placed(limit("179", "2", buy=False, tif=Tif.IOC, cloid=CLOID), before=with_position_at_cap),
    ),
    _documented(
        Status.TOO_AGGRESSIVE_AT_CAP_REJECTED,
        "Order rejected due to price more aggressive than oracle while at open interest cap asset=0",
        placed(limit("179.5", tif=Tif.ALO, cloid=CLOID), before=ahead_of_the_oracle),
    ),
    _documented(
        Status.OPEN_INTEREST_INCREASE_REJECTED,
        "Order would increase open interest too quickly asset=0",
        placed(
            limit("181", tif=Tif.IOC, cloid=CLOID),
            before=with_book,
            orders=OrderRules(open_interest_growth_e8=100 * E8),
        ),
    ),
    _documented(
        Status.SPOT_BALANCE_REJECTED,
        "Order has insufficient spot balance to trade asset=0",
        placed(limit("179", cloid=CLOID), before=refused_next(Status.SPOT_BALANCE_REJECTED)),
    ),
    RefusedOrder(
        measured("testnet, orders beyond the oracle's band"),
        "Price too far from oracle asset=0",
        Status.ORACLE_REJECTED,
        placed(limit("161", cloid=CLOID), orders=OrderRules(oracle_band_percent=10)),
    ),
    _documented(
        Status.MAX_POSITION_REJECTED,
        "Order would cause position to exceed margin tier limit at current leverage asset=0",
        placed(
            limit("180", "200000", cloid=CLOID),
            before=lambda venue: venue.place(ALICE, limit("180", "200000")),
            faucet=100_000_000,
        ),
    ),
    RefusedOrder(
        own("words of tooManyOpenOrdersRejected; the status is seen on mainnet"),
        "Too many open orders. asset=0",
        Status.TOO_MANY_ORDERS_REJECTED,
        placed(limit("100", "0.1", cloid=CLOID), before=with_a_thousand_orders, faucet=100_000_000),
    ),
    RefusedOrder(
        own("words of the largest order value, which is of Contract specifications"),
        "Order value exceeds the maximum of $5000000. asset=0",
        Status.REJECTED,
        placed(limit("180", "28000", tif=Tif.FRONTEND_MARKET, cloid=CLOID), before=with_book),
    ),
)

_STATIC = measured("testnet, orders refused before the engine")

UNRECORDED = (
    RefusedOrder(_STATIC, "Order has zero size.", None, placed(limit("179", "0", cloid=CLOID))),
    RefusedOrder(_STATIC, "Order has invalid size.", None, placed(limit("179", "0.001", cloid=CLOID))),
    RefusedOrder(_STATIC, "Order has invalid price.", None, placed(limit("0", cloid=CLOID))),
    RefusedOrder(_STATIC, "Orders are empty.", None, grouped(Grouping.NONE)),
    _documented(None, "Price must be divisible by tick size. asset=0", placed(limit("179.005", cloid=CLOID))),
    _documented(None, "Invalid TP/SL price. asset=0", placed(trigger("175.005", "175", cloid=CLOID))),
    RefusedOrder(
        _STATIC,
        "Order price cannot be more than 95% away from the reference price",
        None,
        placed(limit("9", cloid=CLOID)),
    ),
    RefusedOrder(
        _STATIC,
        "Order price cannot be more than 80% away from the reference price",
        None,
        placed(limit("36", cloid=CLOID), orders=OrderRules(band_percent=80)),
    ),
    RefusedOrder(
        measured("testnet and reports of clients, after network upgrades"),
        "Only post-only orders allowed immediately after network upgrade",
        None,
        placed(limit("179", cloid=CLOID), before=after_upgrade),
    ),
    RefusedOrder(
        measured("one client's list of errors"),
        "Builder fee has not been approved.",
        None,
        placed(built(10), before=approving(9)),
    ),
    RefusedOrder(
        own("a market that is halted or delisted"),
        "Trading is halted. asset=0",
        None,
        placed(limit("179", cloid=CLOID), before=lambda venue: halt(venue.state, venue.state.market(0))),
    ),
    RefusedOrder(
        own("a client id that an open order has, where that is refused"),
        "Client order id is in use by an open order. asset=0",
        None,
        placed(
            limit("178", cloid=CLOID),
            before=lambda venue: venue.place(ALICE, limit("179", cloid=CLOID)),
            orders=OrderRules(cloid_reuse_while_open=False),
        ),
    ),
    RefusedOrder(
        own("what may pay for priority, which is of Exchange endpoint"),
        "Priority orders must be all Ioc or all Alo without reduce only.",
        None,
        placed(NewOrder(0, True, 179 * E8, E8, Tif.GTC, cloid=CLOID, priority_e8=1)),
    ),
    RefusedOrder(
        own("children of a group, which is of Error responses"),
        "TP/SL orders of a group must be reduce only.",
        None,
        grouped(Grouping.NORMAL_TPSL, limit("179"), trigger("175", reduce_only=False, cloid=CLOID)),
    ),
    RefusedOrder(
        own("the shape of a group"),
        "TP/SL group must be an order followed by TP/SL orders.",
        None,
        grouped(Grouping.NORMAL_TPSL, limit("179"), limit("178", cloid=CLOID)),
    ),
)

WORDINGS = (
    (
        documented("Error responses", "minTradeNtlRejected, spot"),
        Status.MIN_NOTIONAL_REJECTED,
        "Order must have minimum value of 10 USDC.",
    ),
    (documented("Error responses", "oracleRejected"), Status.ORACLE_REJECTED, "Order price too far from oracle"),
    (measured("one client's list of errors"), Status.SPOT_BALANCE_REJECTED, "Insufficient spot balance"),
    (measured("two clients' lists of errors"), Status.TICK_REJECTED, "Order has invalid price."),
)
"""Other words that are reported of the same refusal; `OrderRules.texts` chooses them."""
