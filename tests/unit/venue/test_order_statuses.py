"""Every order status of the exchange, reached by a script, and the channels that tell of it.

Exchange documentation: "Order statuses" (the list), "Error responses" (which refusal leaves which status), and
"WebSocket subscriptions" (which cancellations are `nonUserCancel`).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of, trigger

from perpmaker.venue.core import Block
from perpmaker.venue.engine.actions import ScheduleCancel
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Grouping, Tif
from perpmaker.venue.engine.resting import cancel_all
from perpmaker.venue.engine.statuses import NON_USER_CANCELS, Status
from perpmaker.venue.units import E8, parse_e8

CLOID = "0x" + "7" * 32
Script = Callable[[], Bench]


def with_position(sz: str = "1", *, buy: bool = True, **rules: object) -> Bench:
    venue = bench(**rules)  # type: ignore[arg-type]
    venue.place(BOB, limit("180", sz, buy=not buy))
    venue.place(ALICE, limit("180", sz, buy=buy, tif=Tif.IOC))
    return venue


def rests() -> Bench:
    venue = bench()
    venue.place(ALICE, limit("179", cloid=CLOID))
    return venue


def is_filled() -> Bench:
    venue = rests()
    venue.place(BOB, limit("179", buy=False))
    return venue


def is_cancelled() -> Bench:
    venue = rests()
    venue.cancel(ALICE, CLOID)
    return venue


def fires_and_rests() -> Bench:
    venue = with_position()
    venue.place(ALICE, trigger("175", "175", market=False, cloid=CLOID))
    venue.move_mark("174")
    return venue


def is_too_valuable() -> Bench:
    venue = bench()
    venue.place(ALICE, limit("180", "300000", cloid=CLOID))
    return venue


def loses_its_margin() -> Bench:
    venue = bench(faucet=100)
    venue.place(ALICE, limit("180", "10"))
    venue.place(ALICE, limit("170", "1", cloid=CLOID))
    venue.venue.state.deposit(BOB, 10_000 * E8)
    venue.place(BOB, limit("180", "10", buy=False, tif=Tif.IOC))
    venue.state.marks[0].pin(parse_e8("171"))
    venue.place(BOB, limit("169", "0.5", buy=False, tif=Tif.IOC))
    return venue


def taken_by(status: Status) -> Script:
    """The venue takes the account's orders for a reason from outside the book."""

    def script() -> Bench:
        venue = rests()
        assert cancel_all(venue.venue.state, venue.venue.state.accounts[ALICE], status) == 1
        venue.step()
        return venue

    return script


def open_interest_reaches_its_cap() -> Bench:
    venue = bench()
    venue.place(CAROL, limit("182", "5", buy=False))
    venue.place(ALICE, limit("181", cloid=CLOID))
    venue.place(BOB, limit("182", "1", tif=Tif.IOC))
    venue.state.gates.open_interest_caps_e8[0] = 100 * E8
    venue.state.marks[0].pin(parse_e8("180"))
    venue.step(3_000)
    return venue


def meets_itself() -> Bench:
    venue = rests()
    venue.place(ALICE, limit("179", buy=False, tif=Tif.IOC))
    return venue


def position_is_closed() -> Bench:
    venue = with_position()
    venue.place(ALICE, limit("182", "1", buy=False, reduce_only=True, cloid=CLOID))
    venue.place(BOB, limit("179", "1"))
    venue.place(ALICE, limit("179", "1", buy=False, tif=Tif.IOC))
    return venue


def sibling_is_filled() -> Bench:
    venue = with_position()
    venue.place(BOB, limit("170", "5"))
    stop, profit = trigger("175", "170"), trigger("190", take_profit=True, cloid=CLOID)
    venue.place_group(ALICE, Grouping.POSITION_TPSL, stop, profit)
    venue.move_mark("175")
    return venue


def dead_mans_switch_fires() -> Bench:
    venue = rests()
    venue.run(ALICE, ScheduleCancel(venue.now_ms + 6_000))
    venue.step(6_100)
    return venue


def tick_is_judged_at_runtime() -> Bench:
    venue = bench(orders=OrderRules(tick_is_static=False))
    venue.place(ALICE, limit("179.005", cloid=CLOID))
    return venue


def is_worth_too_little() -> Bench:
    venue = bench()
    venue.place(ALICE, limit("180", "0.05", cloid=CLOID))
    return venue


def cannot_be_paid() -> Bench:
    venue = bench(faucet=100)
    venue.place(ALICE, limit("180", "12", cloid=CLOID))
    return venue


def has_nothing_to_reduce() -> Bench:
    venue = bench()
    venue.place(ALICE, limit("180", reduce_only=True, cloid=CLOID))
    return venue


def post_only_would_match() -> Bench:
    venue = bench()
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.ALO, cloid=CLOID))
    return venue


def ioc_meets_nobody() -> Bench:
    venue = bench()
    venue.place(ALICE, limit("180", tif=Tif.IOC, cloid=CLOID))
    return venue


def trigger_is_already_reached() -> Bench:
    venue = with_position()
    venue.place(ALICE, trigger("185", cloid=CLOID))
    return venue


def market_trigger_meets_nobody() -> Bench:
    venue = with_position()
    venue.place(ALICE, trigger("175", "170", cloid=CLOID))
    venue.move_mark("174")
    return venue


def at_cap(venue: Bench) -> Bench:
    venue.place(CAROL, limit("180", "5", buy=False), limit("179", "5"))
    venue.place(BOB, limit("180", "1", tif=Tif.IOC))
    venue.state.gates.open_interest_caps_e8[0] = 100 * E8
    return venue


def adds_at_the_cap() -> Bench:
    venue = at_cap(bench())
    venue.place(ALICE, limit("180", "1", tif=Tif.IOC, cloid=CLOID))
    return venue


def flips_at_the_cap() -> Bench:
    venue = at_cap(with_position())
    venue.place(ALICE, limit("179", "2", buy=False, tif=Tif.IOC, cloid=CLOID))
    return venue


def leads_the_oracle_at_the_cap() -> Bench:
    venue = at_cap(bench())
    venue.state.marks[0].pin(parse_e8("179.2"))
    venue.place(ALICE, limit("179.5", "1", tif=Tif.ALO, cloid=CLOID))
    return venue


def open_interest_grows_too_fast() -> Bench:
    venue = bench(orders=OrderRules(open_interest_growth_e8=100 * E8))
    venue.place(BOB, limit("180", "5", buy=False))
    venue.place(ALICE, limit("180", "1", tif=Tif.IOC, cloid=CLOID))
    return venue


def is_refused_on_demand(status: Status) -> Script:
    """The control plane has the next order refused: how statuses of other kinds of market are reached here."""

    def script() -> Bench:
        venue = bench()
        venue.state.gates.refuse_next(ALICE, status)
        venue.place(ALICE, limit("179", cloid=CLOID))
        return venue

    return script


def is_far_from_the_oracle() -> Bench:
    venue = bench(orders=OrderRules(oracle_band_percent=10))
    venue.place(ALICE, limit("161", cloid=CLOID))
    return venue


def outgrows_its_tier() -> Bench:
    venue = bench(faucet=100_000_000)
    venue.place(ALICE, limit("180", "200000"))
    venue.place(ALICE, limit("180", "200000", cloid=CLOID))
    return venue


def is_one_too_many() -> Bench:
    venue = bench(faucet=100_000_000)
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO) for _ in range(200)])
    venue.place(ALICE, limit("100", "0.1", tif=Tif.ALO, cloid=CLOID))
    return venue


TABLE: dict[Status, Script] = {
    Status.OPEN: rests,
    Status.FILLED: is_filled,
    Status.CANCELED: is_cancelled,
    Status.TRIGGERED: fires_and_rests,
    Status.REJECTED: is_too_valuable,
    Status.MARGIN_CANCELED: loses_its_margin,
    Status.VAULT_WITHDRAWAL_CANCELED: taken_by(Status.VAULT_WITHDRAWAL_CANCELED),
    Status.OPEN_INTEREST_CAP_CANCELED: open_interest_reaches_its_cap,
    Status.SELF_TRADE_CANCELED: meets_itself,
    Status.REDUCE_ONLY_CANCELED: position_is_closed,
    Status.SIBLING_FILLED_CANCELED: sibling_is_filled,
    Status.DELISTED_CANCELED: taken_by(Status.DELISTED_CANCELED),
    Status.LIQUIDATED_CANCELED: taken_by(Status.LIQUIDATED_CANCELED),
    Status.SCHEDULED_CANCEL: dead_mans_switch_fires,
    Status.OUTCOME_SETTLED_CANCELED: taken_by(Status.OUTCOME_SETTLED_CANCELED),
    Status.INTERNAL_CANCEL: taken_by(Status.INTERNAL_CANCEL),
    Status.TICK_REJECTED: tick_is_judged_at_runtime,
    Status.MIN_NOTIONAL_REJECTED: is_worth_too_little,
    Status.MARGIN_REJECTED: cannot_be_paid,
    Status.REDUCE_ONLY_REJECTED: has_nothing_to_reduce,
    Status.BAD_ALO_REJECTED: post_only_would_match,
    Status.IOC_REJECTED: ioc_meets_nobody,
    Status.BAD_TRIGGER_PX_REJECTED: trigger_is_already_reached,
    Status.NO_LIQUIDITY_REJECTED: market_trigger_meets_nobody,
    Status.INCREASE_AT_CAP_REJECTED: adds_at_the_cap,
    Status.FLIP_AT_CAP_REJECTED: flips_at_the_cap,
    Status.TOO_AGGRESSIVE_AT_CAP_REJECTED: leads_the_oracle_at_the_cap,
    Status.OPEN_INTEREST_INCREASE_REJECTED: open_interest_grows_too_fast,
    Status.SPOT_BALANCE_REJECTED: is_refused_on_demand(Status.SPOT_BALANCE_REJECTED),
    Status.ORACLE_REJECTED: is_far_from_the_oracle,
    Status.MAX_POSITION_REJECTED: outgrows_its_tier,
    Status.TOO_MANY_ORDERS_REJECTED: is_one_too_many,
}


def test_the_table_names_every_status() -> None:
    assert set(TABLE) == set(Status)


@pytest.mark.parametrize("status", list(TABLE), ids=lambda status: status.value)
def test_a_status_is_reached_recorded_and_told(status: Status) -> None:
    venue = TABLE[status]()
    account = venue.state.accounts[ALICE]
    order = account.find(CLOID)
    assert order is not None
    block = venue.block
    assert isinstance(block, Block)
    told = [update.status for update in block.events.updates if update.order is order]
    assert status in told
    if status is not Status.TRIGGERED:
        assert order.status is status
    assert order.is_open == (order.oid in account.open_orders)
    is_engine_cancel = any(cancelled is order for cancelled in block.events.engine_cancels)
    assert is_engine_cancel == (status in NON_USER_CANCELS)


@pytest.mark.parametrize("status", [s for s in Status if s.is_rejection], ids=lambda status: status.value)
def test_the_control_plane_can_refuse_the_next_orders_with_any_rejection(status: Status) -> None:
    venue = bench()
    venue.state.gates.refuse_next(ALICE, status, 2)
    refused = venue.place(ALICE, limit("179", cloid=CLOID), limit("178"), limit("177"))
    assert [list(answer) for answer in refused] == [["error"], ["error"], ["resting"]]
    assert venue.status(ALICE, CLOID) == status.value


def test_a_refused_order_takes_an_oid_and_a_static_refusal_does_not() -> None:
    venue = bench()
    first = oid_of(venue.place(ALICE, limit("179")))
    venue.place(ALICE, limit("180.005"))
    venue.place(ALICE, limit("179", "0.05"))
    assert oid_of(venue.place(ALICE, limit("179"))) == first + 2
