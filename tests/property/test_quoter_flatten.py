"""Closing a position: |position| never grows, zero is never crossed, and with somebody to trade with it ends flat."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import hypothesis.strategies as st
from hypothesis import given, settings
from tests.support.quoter import BTC, NOW_NS, PX, book, order, standing
from tests.support.quoter import settings as quoter_settings

from perpmaker.common.decimals import E8
from perpmaker.quoter.decide import State, View, decide
from perpmaker.quoter.flatten import is_flat
from perpmaker.quoter.plan import Plan
from perpmaker.quoter.settings import Mode
from perpmaker.quoter.values import BookView, LiveOrder, LiveState, Side, TargetLevel

STEP_NS = 600_000_000
SLIPPAGE_BPS = 20.0
FLATTEN = quoter_settings(mode=Mode.FLATTEN, flatten_max_slippage_bps=SLIPPAGE_BPS)
LOTS = E8 // 10**BTC.sz_decimals


@dataclass
class Exchange:
    """Executes immediate orders against a book and, as it likes, orders that rest; tells fills late if asked to."""

    position_e8: int
    resting: list[LiveOrder]
    told_e8: int = 0
    announced: tuple[int, int] = (0, 0)
    path: list[int] = field(default_factory=list)
    sent: list[TargetLevel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told_e8 = self.position_e8
        self.path.append(self.position_e8)

    def fill_resting(self, index: int) -> None:
        """A ladder order that has not left yet is hit."""
        hit = self.resting.pop(index % len(self.resting))
        self.position_e8 += hit.side.sign * hit.remaining_e8
        self.told_e8 = self.position_e8
        self.path = [self.position_e8]

    def take(self, plan: Plan, depth_e8: int, *, late: bool) -> None:
        assert not plan.replaces
        assert len(plan.places) <= 1
        leaving = {cancel.order.cloid for cancel in plan.cancels}
        self.resting = [each for each in self.resting if each.cloid not in leaving]
        for placement in plan.places:
            target = placement.target
            self.sent.append(target)
            executed = min(target.sz_e8, depth_e8)
            self.position_e8 += target.side.sign * executed
            self.path.append(self.position_e8)
            if late:
                self.announced = (executed, 0) if target.side is Side.BUY else (0, executed)
        if not late:
            self.tell()

    def tell(self) -> None:
        self.told_e8, self.announced = self.position_e8, (0, 0)


sizes = st.integers(1, 10**6).map(lambda lots: lots * LOTS)
ladder = st.lists(
    st.builds(
        lambda side, sz_e8, state: order(side, PX, sz_e8=sz_e8, state=state),
        st.sampled_from(Side),
        sizes,
        st.sampled_from([LiveState.WORKING, LiveState.PENDING, LiveState.UNKNOWN, LiveState.CANCELLING]),
    ),
    max_size=4,
)
events = st.lists(
    st.tuples(st.sampled_from(["cycle", "late", "hit", "tell"]), st.integers(0, 10**6)), min_size=1, max_size=40
)


def _view(exchange: Exchange, seen: BookView, now_ns: int, mark_e8: int) -> View:
    at = standing(now_ns=now_ns, book=seen, permission=replace(_PERMISSION, received_ns=now_ns))
    buys, sells = exchange.announced
    return View(
        standing=at,
        position_e8=exchange.told_e8,
        orders=tuple(exchange.resting),
        mark_px_e8=mark_e8,
        possible_buys_e8=buys + sum(o.remaining_e8 for o in exchange.resting if o.side is Side.BUY),
        possible_sells_e8=sells + sum(o.remaining_e8 for o in exchange.resting if o.side is Side.SELL),
    )


_PERMISSION = standing().permission
assert _PERMISSION is not None


def _shrinks_only(path: list[int]) -> bool:
    return all(abs(b) <= abs(a) and a * b >= 0 for a, b in itertools.pairwise(path))


@settings(max_examples=300)
@given(st.one_of(sizes, sizes.map(lambda size: -size), st.just(0)), ladder, events, st.sampled_from([0, PX]))
def test_the_position_never_grows_and_never_crosses_zero(
    position_e8: int, resting: list[LiveOrder], happening: list[tuple[str, int]], mark_e8: int
) -> None:
    exchange, state, now_ns = Exchange(position_e8, list(resting)), State(), NOW_NS
    for event, number in happening:
        now_ns += STEP_NS
        if event == "hit" and exchange.resting:
            exchange.fill_resting(number)
        elif event == "tell":
            exchange.tell()
        else:
            seen = book(received_ns=now_ns)
            state, decision = decide(state, _view(exchange, seen, now_ns, mark_e8), FLATTEN, BTC)
            assert all(cancel.order in exchange.resting for cancel in decision.plan.cancels)
            if decision.flat:
                assert not exchange.resting
                assert is_flat(exchange.position_e8, mark_e8 or PX, BTC)
            exchange.take(decision.plan, number * LOTS, late=event == "late")
        assert _shrinks_only(exchange.path)
    for target in exchange.sent:
        assert (target.reduce_only, target.immediate) == (True, True)
        assert BTC.violation(target.px_e8, target.sz_e8, closes_position=True) is None
        assert abs(target.px_e8 - PX) <= PX * SLIPPAGE_BPS / 1e4


@given(st.one_of(sizes, sizes.map(lambda size: -size)), ladder, st.integers(1, 10**6))
def test_with_somebody_to_trade_with_it_ends_flat(position_e8: int, resting: list[LiveOrder], depth_lots: int) -> None:
    depth_e8 = max(depth_lots * LOTS, abs(position_e8) // 20 // LOTS * LOTS)
    exchange, state, now_ns = Exchange(position_e8, list(resting)), State(), NOW_NS
    # What is being cancelled already leaves without our asking again.
    exchange.resting = [each for each in exchange.resting if each.state is not LiveState.CANCELLING]
    for _ in range(30):
        now_ns += STEP_NS
        state, decision = decide(state, _view(exchange, book(received_ns=now_ns), now_ns, PX), FLATTEN, BTC)
        if decision.flat:
            break
        exchange.take(decision.plan, depth_e8, late=False)
    assert decision.flat
    assert is_flat(exchange.position_e8, PX, BTC)
