"""Every order status of the exchange, reached by a script, and the channels that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.catalogue.refused_orders import CLOID, RECORDED, at_cap, with_position
from tests.catalogue.sections import Section, documented
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of, trigger

from perpmaker.venue.core import Block
from perpmaker.venue.engine.actions import ScheduleCancel
from perpmaker.venue.engine.halts import halt
from perpmaker.venue.engine.orders import Grouping, Tif
from perpmaker.venue.engine.resting import cancel_all
from perpmaker.venue.engine.statuses import NON_USER_CANCELS, Status
from perpmaker.venue.units import E8, parse_e8

Script = Callable[[], Bench]


@dataclass(frozen=True)
class Reached:
    """The order of Alice's with client id `CLOID` gets the status in the last block of the script."""

    section: Section
    status: Status
    script: Script


def holding() -> Bench:
    venue = bench()
    with_position(venue)
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
    venue = holding()
    venue.place(ALICE, trigger("175", "175", market=False, cloid=CLOID))
    venue.move_mark("174")
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


def is_liquidated() -> Bench:
    venue = bench(faucet=100)
    venue.venue.state.deposit(BOB, 10_000 * E8)
    venue.place(ALICE, limit("180", "10"))
    venue.place(BOB, limit("180", "10", buy=False, tif=Tif.IOC))
    venue.place(ALICE, limit("190", "1", buy=False, cloid=CLOID))
    venue.state.events.marks_moved = True
    venue.move_mark("170")
    return venue


def market_is_delisted() -> Bench:
    venue = rests()
    halt(venue.state, venue.state.market(0))
    venue.step()
    return venue


def taken_by(status: Status) -> Script:
    """The venue takes the account's orders for a reason that its markets and accounts do not have."""

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
    venue = holding()
    venue.place(ALICE, limit("182", "1", buy=False, reduce_only=True, cloid=CLOID))
    venue.place(BOB, limit("179", "1"))
    venue.place(ALICE, limit("179", "1", buy=False, tif=Tif.IOC))
    return venue


def sibling_is_filled() -> Bench:
    venue = holding()
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


def _listed(status: Status, script: Script) -> Reached:
    return Reached(documented("Info endpoint", "Query order status by oid or cloid"), status, script)


ROWS = (
    _listed(Status.OPEN, rests),
    _listed(Status.FILLED, is_filled),
    _listed(Status.CANCELED, is_cancelled),
    _listed(Status.TRIGGERED, fires_and_rests),
    _listed(Status.MARGIN_CANCELED, loses_its_margin),
    _listed(Status.VAULT_WITHDRAWAL_CANCELED, taken_by(Status.VAULT_WITHDRAWAL_CANCELED)),
    _listed(Status.OPEN_INTEREST_CAP_CANCELED, open_interest_reaches_its_cap),
    _listed(Status.SELF_TRADE_CANCELED, meets_itself),
    _listed(Status.REDUCE_ONLY_CANCELED, position_is_closed),
    _listed(Status.SIBLING_FILLED_CANCELED, sibling_is_filled),
    _listed(Status.DELISTED_CANCELED, market_is_delisted),
    _listed(Status.LIQUIDATED_CANCELED, is_liquidated),
    _listed(Status.SCHEDULED_CANCEL, dead_mans_switch_fires),
    _listed(Status.OUTCOME_SETTLED_CANCELED, taken_by(Status.OUTCOME_SETTLED_CANCELED)),
    _listed(Status.INTERNAL_CANCEL, taken_by(Status.INTERNAL_CANCEL)),
    *(_listed(row.status, lambda row=row: row.script()[0]) for row in RECORDED if row.status is not None),
)


def test_every_status_has_one_row() -> None:
    assert sorted(row.status for row in ROWS) == sorted(Status)


DOCUMENTED = """
    open filled canceled triggered rejected
    marginCanceled vaultWithdrawalCanceled openInterestCapCanceled selfTradeCanceled reduceOnlyCanceled
    siblingFilledCanceled delistedCanceled liquidatedCanceled scheduledCancel outcomeSettledCanceled internalCancel
    tickRejected minTradeNtlRejected perpMarginRejected reduceOnlyRejected badAloPxRejected iocCancelRejected
    badTriggerPxRejected marketOrderNoLiquidityRejected positionIncreaseAtOpenInterestCapRejected
    positionFlipAtOpenInterestCapRejected tooAggressiveAtOpenInterestCapRejected openInterestIncreaseRejected
    insufficientSpotBalanceRejected oracleRejected perpMaxPositionRejected tooManyOpenOrdersRejected
"""


def test_statuses_are_spelled_as_the_exchange_spells_them() -> None:
    assert sorted(row.status.value for row in ROWS) == sorted(DOCUMENTED.split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.status.value)
def test_a_status_is_reached_recorded_and_told(row: Reached) -> None:
    venue, status = row.script(), row.status
    account = venue.state.accounts[ALICE]
    order = account.find(CLOID)
    assert order is not None, row.section
    block = venue.block
    assert isinstance(block, Block)
    told = [update.status for update in block.events.updates if update.order is order]
    assert status in told
    if status is not Status.TRIGGERED:
        assert order.status is status
    assert order.is_open == (order.oid in account.open_orders)
    is_engine_cancel = any(cancelled is order for cancelled in block.events.engine_cancels)
    assert is_engine_cancel == (status in NON_USER_CANCELS)


def test_what_a_user_event_calls_a_cancel_of_others_is_documented_as_such() -> None:
    assert {status.value for status in NON_USER_CANCELS} == {"marginCanceled", "scheduledCancel", "liquidatedCanceled"}


def test_a_market_order_whose_trigger_fired_into_an_empty_book_ends_like_one_placed_there() -> None:
    venue = holding()
    venue.place(ALICE, trigger("175", "170", cloid=CLOID))
    venue.move_mark("174")
    assert venue.status(ALICE, CLOID) == Status.NO_LIQUIDITY_REJECTED


def test_the_cap_turns_away_who_would_lead_the_oracle_by_selling_too() -> None:
    venue = bench()
    at_cap(venue)
    venue.place(ALICE, limit("179.99", buy=False, cloid=CLOID))
    assert venue.status(ALICE, CLOID) == Status.TOO_AGGRESSIVE_AT_CAP_REJECTED


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
