"""From facts and a verdict to a permission."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.risk import LOT_E8, MARK_E8, account_limits, healthy, solvent

from perpmaker.common.decimals import E8
from perpmaker.risk.aggregate import Verdict
from perpmaker.risk.finding import Action
from perpmaker.risk.permission import Permission, allowed_range, capacity_e8, is_urgent, permit
from perpmaker.risk.sizing import SideScales
from perpmaker.risk.state import RiskState, TradeLimits, limit_in_lots_e8

LIMIT_E8 = E8 // 5
FULL = SideScales()
NO_DEMAND = Verdict()


def granted(
    state: RiskState, verdict: Verdict = NO_DEMAND, *, trip_id: str | None = None, closed: bool = False
) -> Permission:
    account = solvent(gross_notional_e8=state.notional_e8, net_notional_e8=state.signed_notional_e8)
    return permit(state, account, account_limits(), verdict, FULL, trip_id=trip_id, closed=closed)


def test_a_flat_market_may_go_to_its_limit_on_both_sides() -> None:
    permission = granted(healthy())
    assert (permission.min_position_e8, permission.max_position_e8) == (-LIMIT_E8, LIMIT_E8)
    assert not permission.reduce_only
    assert permission.size_factor_ppm == 1_000_000


def test_the_limit_in_base_units_is_whole_lots_rounded_down() -> None:
    limit_e8 = limit_in_lots_e8(10_000 * E8, 33_333 * E8, LOT_E8)
    assert limit_e8 % LOT_E8 == 0
    assert limit_e8 * 33_333 <= 10_000 * E8 < (limit_e8 + LOT_E8) * 33_333


def test_without_price_or_lot_nothing_is_allowed() -> None:
    assert limit_in_lots_e8(10_000 * E8, 0, LOT_E8) == 0
    state = healthy(instrument=None)
    assert allowed_range(state, solvent(), account_limits(), reduce_only=False) == (0, 0)


def test_reduce_only_allows_the_way_from_the_position_to_flat() -> None:
    reduce_only = Verdict(action=Action.REDUCE_ONLY, reasons=("position_limit",))
    long = granted(healthy(position_e8=LIMIT_E8 // 2), reduce_only)
    assert (long.min_position_e8, long.max_position_e8, long.reduce_only) == (0, LIMIT_E8 // 2, True)
    short = granted(healthy(position_e8=-LIMIT_E8 // 2), reduce_only)
    assert (short.min_position_e8, short.max_position_e8) == (-LIMIT_E8 // 2, 0)
    flat = granted(healthy(), reduce_only)
    assert (flat.min_position_e8, flat.max_position_e8) == (0, 0)


def test_a_position_outside_never_widens_the_range() -> None:
    permission = granted(healthy(position_e8=3 * LIMIT_E8), Verdict(action=Action.REDUCE_ONLY))
    assert (permission.min_position_e8, permission.max_position_e8) == (0, LIMIT_E8)


def test_reduce_only_keeps_the_size_of_the_reducing_quotes_and_hold_takes_it() -> None:
    assert granted(healthy(), Verdict(action=Action.REDUCE_ONLY)).size_factor_ppm == 1_000_000
    held = granted(healthy(), Verdict(action=Action.HOLD, reasons=("store",)))
    assert (held.size_factor_ppm, held.reduce_only, held.reasons) == (0, True, ("store",))


def test_a_latched_market_is_killed_with_its_trip() -> None:
    permission = granted(healthy(), trip_id="t1")
    assert (permission.killed, permission.trip_id, permission.reasons) == (True, "t1", ("killed",))
    assert (permission.min_position_e8, permission.max_position_e8, permission.size_factor_ppm) == (0, 0, 0)


def test_a_kill_is_in_force_before_its_trip_has_an_id() -> None:
    verdict = Verdict(action=Action.KILL, reasons=("runaway",), kill_reasons=("runaway",))
    permission = granted(healthy(), verdict)
    assert (permission.killed, permission.trip_id, permission.reasons) == (True, "", ("killed", "runaway"))


def test_a_closed_market_is_closed_and_not_killed() -> None:
    permission = granted(healthy(), closed=True)
    assert (permission.closed, permission.killed, permission.reduce_only) == (True, False, True)
    assert permission.reasons == ("closed",)


def test_other_markets_positions_leave_less_of_the_gross_limit() -> None:
    account = solvent(gross_notional_e8=45_000 * E8)
    lowest, highest = allowed_range(healthy(), account, account_limits(), reduce_only=False)
    assert (lowest, highest) == (-E8 // 10, E8 // 10)


def test_a_full_net_limit_leaves_only_the_side_that_lowers_it() -> None:
    account = solvent(net_notional_e8=30_000 * E8)
    lowest, highest = allowed_range(healthy(), account, account_limits(), reduce_only=False)
    assert (lowest, highest) == (-LIMIT_E8, 0)


def test_a_hedge_may_be_closed_even_when_that_raises_the_net_notional() -> None:
    """I32: the reducing side is never suppressed."""
    account = solvent(net_notional_e8=30_000 * E8)
    state = healthy(position_e8=-LIMIT_E8 // 2)
    assert allowed_range(state, account, account_limits(), reduce_only=False)[1] == 0


def test_no_net_limit_means_no_net_check() -> None:
    account = solvent(net_notional_e8=10**18)
    limits = account_limits(max_net_notional_e8=None)
    assert allowed_range(healthy(), account, limits, reduce_only=False)[1] == LIMIT_E8


def test_the_exchanges_room_counts_on_top_of_what_rests() -> None:
    room = TradeLimits(max_buy_e8=3 * LOT_E8, max_sell_e8=2 * LOT_E8, age_ms=0)
    state = replace(healthy(trade_limits=room).with_pending_exposure(5 * LOT_E8, 0), trade_limits=room)
    lowest, highest = allowed_range(state, solvent(), account_limits(), reduce_only=False)
    assert (lowest, highest) == (-2 * LOT_E8, 8 * LOT_E8)


@pytest.mark.parametrize(("age_ms", "left_e8"), [(0, 10), (119_999, 10), (120_000, 5), (300_000, 5), (300_001, 0)])
def test_the_exchanges_room_ages(age_ms: int, left_e8: int) -> None:
    """I29: nothing is left of a statement that is five minutes old."""
    assert capacity_e8(10, age_ms) == left_e8
    assert capacity_e8(-10, age_ms) == 0


def test_only_a_small_move_of_the_range_can_wait() -> None:
    old = granted(healthy())
    assert not is_urgent(old, replace(old, max_position_e8=old.max_position_e8 * 1000 // 1001))
    assert is_urgent(old, replace(old, max_position_e8=old.max_position_e8 * 99 // 100))
    assert is_urgent(old, replace(old, killed=True))
    assert is_urgent(old, replace(old, reasons=("store",)))
    assert is_urgent(replace(old, min_position_e8=0), old)


def test_a_mark_that_rises_shrinks_the_range() -> None:
    higher = healthy(mark_px_e8=2 * MARK_E8)
    assert granted(higher).max_position_e8 == LIMIT_E8 // 2
