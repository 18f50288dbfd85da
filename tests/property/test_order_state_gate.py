"""I22, I33: no accepted order can take the position out of its permission, in whatever order live orders fill."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import assume, given
from tests.support.order_state import MARKET, T0, TAG, e8, new_order, order

from perpmaker.order_state.core.exposure import exposure_of
from perpmaker.order_state.core.gate import Permission, Situation, judge
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.plan import Plan, Replacement
from perpmaker.order_state.core.transitions import ACTIVE, State

LOT = e8("0.01")
states = st.sampled_from(
    [State.PENDING, State.RESTING, State.PARTIALLY_FILLED, State.CANCEL_PENDING, State.UNKNOWN, State.CANCELLED]
)


@st.composite
def tracked(draw: st.DrawFn, sequence: int) -> TrackedOrder:
    size = draw(st.integers(1, 200)) * LOT
    return order(
        sequence,
        is_buy=draw(st.booleans()),
        level=draw(st.integers(0, 3)),
        sz_e8=size,
        filled_e8=draw(st.integers(0, size // LOT)) * LOT,
        state=draw(states),
        state_time_ms=T0,
    )


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    live = [draw(tracked(n)) for n in range(1, draw(st.integers(0, 6)) + 1)]
    exposure = exposure_of(live, T0)
    low = draw(st.integers(-500, 500))
    return Situation(
        epoch=1,
        tag=TAG,
        orders={o.cloid: o for o in live},
        position_e8=draw(st.integers(-600, 600)) * LOT,
        max_possible_bid_e8=exposure.max_possible_bid_e8,
        max_possible_ask_e8=exposure.max_possible_ask_e8,
        permission=Permission(
            min_position_e8=low * LOT,
            max_position_e8=draw(st.integers(low, 600)) * LOT,
            not_after_ms=T0 + 2000,
            reduce_only=draw(st.booleans()),
        ),
        permission_valid=draw(st.booleans()),
        drift=draw(st.booleans()),
        buys_pausing=draw(st.booleans()),
        sells_pausing=draw(st.booleans()),
    )


@st.composite
def plans(draw: st.DrawFn, situation: Situation) -> Plan:
    def fresh(sequence: int):
        return new_order(
            sequence,
            buy=draw(st.booleans()),
            sz=str(draw(st.integers(1, 300)) / 100),
            level=draw(st.integers(0, 3)),
            reduce_only=draw(st.booleans()),
        )

    live = list(situation.orders)
    return Plan(
        market=MARKET,
        epoch=1,
        sequence=1,
        cancels=tuple(draw(st.lists(st.sampled_from(live), max_size=2))) if live else (),
        replaces=tuple(Replacement(draw(st.sampled_from(live)), fresh(100 + n)) for n in range(draw(st.integers(0, 3))))
        if live
        else (),
        places=tuple(fresh(200 + n) for n in range(draw(st.integers(0, 4)))),
    )


def accepted(plan: Plan, situation: Situation):
    judgement = judge(plan, situation)
    replaced = [item.order for item, v in zip(plan.replaces, judgement.replaces, strict=True) if v.is_accepted]
    placed = [item for item, v in zip(plan.places, judgement.places, strict=True) if v.is_accepted]
    return judgement, replaced + placed


@given(st.data())
def test_every_permutation_of_fills_stays_inside_the_permission(data: st.DataObject) -> None:
    """I22: the farthest reachable position of a side is reached when only that side fills."""
    situation = data.draw(situations())
    plan = data.draw(plans(situation))
    permission = situation.permission
    assert permission is not None
    _, orders = accepted(plan, situation)
    fills = [(o.is_buy, o.sz_e8) for o in orders] + [
        (o.is_buy, o.possible_fill_e8(T0)) for o in situation.orders.values()
    ]
    shuffled = data.draw(st.permutations(fills))
    bought = any(o.is_buy for o in orders)
    sold = any(not o.is_buy for o in orders)
    buys = sum(sz for is_buy, sz in fills if is_buy)
    sells = sum(sz for is_buy, sz in fills if not is_buy)
    position = situation.position_e8
    for is_buy, sz in shuffled:
        position += sz if is_buy else -sz
        if bought:
            assert position <= max(permission.max_position_e8, 0)
        if sold:
            assert position >= min(permission.min_position_e8, 0)
    # Only orders that shrink the position may go beyond a range that does not reach to zero.
    if bought and not all(o.reduce_only for o in orders if o.is_buy):
        assert situation.position_e8 + buys <= permission.max_position_e8
    if sold and not all(o.reduce_only for o in orders if not o.is_buy):
        assert situation.position_e8 - sells >= permission.min_position_e8


@given(st.data())
def test_reduce_only_never_adds_and_never_flips(data: st.DataObject) -> None:
    """I20, I33: the orders that may fill on the reducing side are together not larger than the position."""
    situation = data.draw(situations())
    permission = situation.permission
    assert permission is not None
    assume(permission.reduce_only or not situation.permission_valid)
    _, orders = accepted(data.draw(plans(situation)), situation)
    for o in orders:
        assert o.is_buy is (situation.position_e8 < 0)
        assert situation.position_e8 != 0
    if orders:
        side_possible = situation.max_possible_bid_e8 if orders[0].is_buy else situation.max_possible_ask_e8
        assert side_possible + sum(o.sz_e8 for o in orders) <= abs(situation.position_e8)


@given(st.data())
def test_cancels_pass_whatever_the_situation(data: st.DataObject) -> None:
    """I8."""
    situation = data.draw(situations())
    plan = data.draw(plans(situation))
    for verdict in judge(plan, situation).cancels:
        assert verdict.is_accepted is not situation.orders[verdict.cloid].is_terminal


@given(st.data())
def test_a_level_with_an_unknown_order_takes_no_other(data: st.DataObject) -> None:
    """I4."""
    situation = data.draw(situations())
    _, orders = accepted(data.draw(plans(situation)), situation)
    blocked = {(o.is_buy, o.level) for o in situation.orders.values() if o.state is State.UNKNOWN}
    assert not {(o.is_buy, o.level) for o in orders} & blocked


@given(st.data())
def test_only_orders_in_the_book_are_replaced_and_each_once(data: st.DataObject) -> None:
    situation = data.draw(situations())
    plan = data.draw(plans(situation))
    verdicts = judge(plan, situation).replaces
    replaced = [item.old_cloid for item, v in zip(plan.replaces, verdicts, strict=True) if v.is_accepted]
    assert len(replaced) == len(set(replaced))
    assert all(situation.orders[cloid].state in ACTIVE and cloid not in plan.cancels for cloid in replaced)
