"""Predicates on the picture of a market."""

from __future__ import annotations

import pytest
from tests.support.risk import MARK_E8, healthy, solvent

from perpmaker.common.decimals import E8
from perpmaker.risk.shares import share_ppm

LIMIT_E8 = E8 // 5


def test_without_live_orders_the_worst_case_is_the_position() -> None:
    state = healthy(position_e8=7)
    assert (state.worst_max_e8, state.worst_min_e8, state.net_pending_e8) == (7, 7, 0)


def test_with_pending_exposure_fills_every_pending_figure() -> None:
    state = healthy(position_e8=10).with_pending_exposure(30, 5)
    assert (state.pending.active_bid_e8, state.pending.active_ask_e8) == (30, 5)
    assert (state.net_pending_e8, state.worst_max_e8, state.worst_min_e8) == (25, 40, 5)


@pytest.mark.parametrize(
    ("bid_e8", "ask_e8", "long", "short"),
    [
        (LIMIT_E8, LIMIT_E8, False, False),
        (LIMIT_E8 + 1, 0, True, False),
        (0, LIMIT_E8 + 1, False, True),
        (LIMIT_E8 + 1, LIMIT_E8 + 1, True, True),
    ],
)
def test_worst_case_exceeds_limits_by_side(bid_e8: int, ask_e8: int, long: bool, short: bool) -> None:
    state = healthy().with_pending_exposure(bid_e8, ask_e8)
    assert state.worst_case_exceeds_long_limit is long
    assert state.worst_case_exceeds_short_limit is short
    assert state.worst_case_exceeds_limits is (long or short)


def test_worst_case_notional_takes_the_larger_side() -> None:
    state = healthy(position_e8=E8).with_pending_exposure(E8, 4 * E8)
    assert state.worst_case_notional_e8 == 3 * MARK_E8


@pytest.mark.parametrize(
    ("bid_e8", "ask_e8", "balanced"), [(0, 0, True), (110, 90, False), (109, 91, True), (91, 109, True), (1, 0, False)]
)
def test_a_book_is_balanced_within_a_tenth(bid_e8: int, ask_e8: int, balanced: bool) -> None:
    assert healthy().with_pending_exposure(bid_e8, ask_e8).is_book_balanced is balanced


def test_a_drawdown_is_never_negative() -> None:
    assert healthy(peak_pnl_e8=0, day_pnl_e8=5).drawdown_e8 == 0
    assert solvent(peak_pnl_e8=9, day_pnl_e8=-1).drawdown_e8 == 10


def test_a_short_has_negative_signed_notional() -> None:
    assert healthy(position_e8=-E8).signed_notional_e8 == -MARK_E8


@pytest.mark.parametrize(
    ("value", "limit", "share"), [(-1, 5, 0), (0, 0, 0), (1, 0, 10**9), (1, 3, 333_334), (3, 3, 1_000_000)]
)
def test_shares_round_up(value: int, limit: int, share: int) -> None:
    assert share_ppm(value, limit) == share
