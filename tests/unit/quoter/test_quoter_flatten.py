"""One step towards flat at a time: what it waits for, what it sends, when it is done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.quoter import BTC, NOW_NS, PX, SECOND_NS, book, order, permission, view
from tests.support.quoter import settings as quoter_settings

from perpmaker.common.decimals import E8
from perpmaker.quoter.decide import Decision, State, View, decide
from perpmaker.quoter.plan import Reason
from perpmaker.quoter.settings import Mode
from perpmaker.quoter.two_sided import TwoSided
from perpmaker.quoter.values import LiveOrder, LiveState, Side

FLATTEN = quoter_settings(mode=Mode.FLATTEN, flatten_max_slippage_bps=20.0)


def _decide(seen: View, *, last_ns: int = NOW_NS - SECOND_NS) -> Decision:
    return decide(State(last_new_orders_ns=last_ns), seen, FLATTEN, BTC)[1]


def _with(seen: View, **changes: int) -> View:
    return replace(seen, **changes)


@pytest.mark.parametrize(
    ("position_e8", "side", "px_e8"),
    [(E8 // 10, Side.SELL, 59_880 * E8), (-E8 // 10, Side.BUY, 60_120 * E8)],
)
def test_one_reduce_only_immediate_order_for_all_of_it_at_the_worst_price_allowed(
    position_e8: int, side: Side, px_e8: int
) -> None:
    decision = _decide(view(position_e8=position_e8))
    (placement,) = decision.plan.places
    assert placement.reason is Reason.FLATTEN
    target = placement.target
    assert (target.side, target.px_e8, target.sz_e8) == (side, px_e8, E8 // 10)
    assert (target.reduce_only, target.immediate) == (True, True)
    assert not decision.flat
    assert decision.ladder.levels == ()


def test_slippage_is_counted_from_the_mark_once_it_is_known() -> None:
    decision = _decide(_with(view(position_e8=E8), mark_px_e8=60_050 * E8))
    assert decision.plan.places[0].target.px_e8 == 59_930 * E8


def test_nothing_is_sent_while_everybody_bids_below_the_worst_price() -> None:
    decision = _decide(_with(view(position_e8=E8), mark_px_e8=61_000 * E8))
    assert decision.plan.is_empty
    assert decision.diagnostics == ("no_liquidity_within_slippage",)


def test_orders_leave_the_book_before_the_position_is_touched() -> None:
    resting = (order(Side.BUY, PX), order(Side.SELL, PX, state=LiveState.UNKNOWN))
    decision = _decide(view(position_e8=E8, orders=resting))
    assert [cancel.order for cancel in decision.plan.cancels] == list(resting)
    assert not decision.plan.adds


def test_an_immediate_order_under_way_is_neither_cancelled_nor_doubled() -> None:
    own = LiveOrder("0x1", Side.SELL, 0, PX, E8, LiveState.PENDING, immediate=True)
    assert _decide(view(position_e8=E8, orders=(own,))).plan.is_empty


@pytest.mark.parametrize("possible", ["possible_buys_e8", "possible_sells_e8"])
def test_announced_executions_are_awaited(possible: str) -> None:
    decision = _decide(_with(view(position_e8=E8), **{possible: E8}))
    assert decision.plan.is_empty
    assert decision.diagnostics == ("fills_awaited",)
    assert not decision.flat


def test_attempts_are_half_a_second_apart() -> None:
    assert _decide(view(position_e8=E8), last_ns=NOW_NS - SECOND_NS // 4).plan.is_empty


@pytest.mark.parametrize(("sz_e8", "flat"), [(0, True), (16_000, True), (-16_000, True), (17_000, False)])
def test_a_remainder_smaller_than_the_smallest_order_is_flat(sz_e8: int, flat: bool) -> None:
    """0.00016 BTC is worth $9.60, 0.00017 BTC $10.20."""
    assert _decide(view(position_e8=sz_e8)).flat is flat


def test_a_position_that_is_not_known_is_not_flat() -> None:
    assert not _decide(view(position_e8=0, orders_known=False)).flat


@pytest.mark.parametrize(
    "changes",
    [
        {"permission": permission(killed=True)},
        {"permission": permission(closed=True)},
        {"permission": None},
        {"held": True},
        {"feed_live": False},
        {"draining": True},
        {"connected": False},
    ],
)
def test_the_gate_stops_it_like_any_new_order(changes: dict[str, object]) -> None:
    assert not _decide(view(position_e8=E8, **changes)).plan.adds


def test_reduce_only_permission_lets_it_through() -> None:
    allowed = permission(reduce_only=True, min_position_e8=0, max_position_e8=E8)
    assert _decide(view(position_e8=E8, permission=allowed)).plan.adds


def test_the_share_of_two_sided_time_is_that_of_the_last_hour() -> None:
    share = TwoSided()
    assert share.ppm == 0
    for second in range(3600):
        share.observe(float(second), 1.0, both=second < 900)
    assert share.ppm == 250_000
    for second in range(3600, 7200):
        share.observe(float(second), 1.0, both=True)
    assert share.ppm == 1_000_000


def test_a_book_without_a_side_to_trade_with_is_waited_for() -> None:
    empty = book(depth=0)
    assert _decide(_with(view(position_e8=E8, book=empty), mark_px_e8=PX)).diagnostics == (
        "no_liquidity_within_slippage",
    )
