"""Closing the position before a market is given up: no ladder, immediate-or-cancel orders towards zero. Pure.

Guarantees: every order is reduce-only, no larger than the position, and priced no worse than the allowed slippage from
the mark; at most one is alive, and none while any other order of the market may still fill; so |position| never grows
by it and zero is never crossed. A remainder smaller than the smallest order counts as flat: the exchange takes such an
order only if it closes the position in one go, which the order before it has already tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.plan import NOTHING, Cancel, Placement, Plan, Reason
from perpmaker.quoter.values import BookView, LiveOrder, LiveState, Side, TargetLevel

ATTEMPT_INTERVAL_NS: Final = 500_000_000
"""Time from one order to the next: longer than fills take to arrive after their order's answer."""

_PPM: Final = 1_000_000
_PPM_PER_BPS: Final = 100


@dataclass(frozen=True, slots=True)
class Holding:
    """What is to be closed; sizes of 1e-8 base units."""

    position_e8: int
    possible_buys_e8: int
    """What orders still known to order-state may yet execute, announced executions without trade ids included."""
    possible_sells_e8: int
    orders: tuple[LiveOrder, ...]

    @property
    def closing_side(self) -> Side:
        """Side of the orders that close it."""
        return Side.SELL if self.position_e8 > 0 else Side.BUY

    @property
    def is_settled(self) -> bool:
        """Whether the position is all there is: no order can change it any more."""
        return not (self.orders or self.possible_buys_e8 or self.possible_sells_e8)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next; `word` says why nothing is done although the position is not flat."""

    plan: Plan = NOTHING
    flat: bool = False
    word: str = ""


def reference_px_e8(mark_px_e8: int, book: BookView | None) -> int:
    """Price that slippage is counted from: the mark, the mid while no mark was heard, 0 without both."""
    if mark_px_e8 > 0:
        return mark_px_e8
    touch = book.touch_e8 if book is not None else None
    return 0 if touch is None else sum(touch) // 2


def is_flat(position_e8: int, reference_e8: int, rules: InstrumentRules) -> bool:
    """Whether there is nothing left that an order could close."""
    if position_e8 == 0:
        return True
    return reference_e8 > 0 and abs(position_e8) < rules.smallest_size(reference_e8)


def worst_price_e8(side: Side, reference_e8: int, slippage_bps: float, rules: InstrumentRules) -> int:
    """Last valid price within the slippage; 0 when there is none."""
    slippage_ppm = round(slippage_bps * _PPM_PER_BPS)
    if side is Side.SELL:
        return rules.round_up(-(-reference_e8 * (_PPM - slippage_ppm) // _PPM))
    return rules.round_down(reference_e8 * (_PPM + slippage_ppm) // _PPM)


def leave_the_book(orders: Iterable[LiveOrder]) -> Plan:
    """Cancel what rests; immediate orders end by themselves."""
    return Plan(
        cancels=tuple(
            Cancel(order, Reason.PULL)
            for order in orders
            if order.state is not LiveState.CANCELLING and not order.immediate
        )
    )


def next_step(
    holding: Holding,
    mark_px_e8: int,
    book: BookView | None,
    rules: InstrumentRules,
    slippage_bps: float,
    *,
    since_attempt_ns: int,
) -> Step:
    """One step towards flat."""
    if holding.orders:
        return Step(leave_the_book(holding.orders), word="orders_leaving")
    if not holding.is_settled:
        return Step(word="fills_awaited")
    reference_e8 = reference_px_e8(mark_px_e8, book)
    if is_flat(holding.position_e8, reference_e8, rules):
        return Step(flat=True)
    if reference_e8 == 0 or book is None:
        return Step(word="no_market_data")
    side = holding.closing_side
    px_e8 = worst_price_e8(side, reference_e8, slippage_bps, rules)
    if not _is_marketable(side, px_e8, book):
        return Step(word="no_liquidity_within_slippage")
    if since_attempt_ns < ATTEMPT_INTERVAL_NS:
        return Step(word="next_attempt")
    sz_e8 = rules.round_size_down(abs(holding.position_e8))
    if rules.violation(px_e8, sz_e8, closes_position=sz_e8 == abs(holding.position_e8)) is not None:
        return Step(word="no_valid_order")
    target = TargetLevel(side, 0, px_e8, sz_e8, reduce_only=True, immediate=True)
    return Step(Plan(places=(Placement(target, Reason.FLATTEN),)))


def _is_marketable(side: Side, px_e8: int, book: BookView) -> bool:
    if side is Side.SELL:
        return bool(book.bids) and 0 < px_e8 <= book.bids[0][0]
    return bool(book.asks) and px_e8 >= book.asks[0][0]
