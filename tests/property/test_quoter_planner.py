"""Plans: idempotent, convergent, one order per level, within the room (I4, I9)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.support.quoter import PX, carry_out, order, target

from perpmaker.common.decimals import E8
from perpmaker.quoter.plan import Plan, Reason
from perpmaker.quoter.planner import Room, plan_ladder, restrain
from perpmaker.quoter.values import SIDES, LiveOrder, LiveState, Side, TargetLevel

TOLERANCE = 1.0
DEFERRED = {Reason.IN_DOUBT, Reason.OWN_CROSS, Reason.EXPOSURE}
WIDE = Room(100 * E8, 100 * E8)
sizes = st.integers(1, 20).map(lambda lots: lots * 100_000)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[TargetLevel, ...]:
    """Ordered, distinct levels around a moving mid, 0 to 4 a side."""
    mid = PX + draw(st.integers(-300, 300)) * E8
    levels: list[TargetLevel] = []
    for side in SIDES:
        px_e8 = mid
        for level in range(draw(st.integers(0, 4))):
            px_e8 -= side.sign * draw(st.integers(1, 40)) * E8
            levels.append(target(side, px_e8, level=level, sz_e8=draw(sizes)))
    return tuple(levels)


@st.composite
def books(draw: st.DrawFn, states: st.SearchStrategy[LiveState]) -> tuple[LiveOrder, ...]:
    """Our orders, not crossing each other, with levels that may repeat or be stale."""
    mid = PX + draw(st.integers(-300, 300)) * E8
    return tuple(
        order(
            side,
            mid - side.sign * draw(st.integers(1, 200)) * E8,
            level=draw(st.integers(0, 5)),
            sz_e8=draw(sizes),
            state=draw(states),
        )
        for side in draw(st.lists(st.sampled_from(SIDES), max_size=8))
    )


working_books = books(st.just(LiveState.WORKING))
any_books = books(st.sampled_from(LiveState))


def plan(targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...], room: Room = WIDE) -> Plan:
    return plan_ladder(targets, orders, tolerance=TOLERANCE, room=room)


def is_aligned(targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]) -> bool:
    """One order per target, at its level and within tolerance, and no other."""
    served = {(o.side, o.level): o for o in orders}
    return len(orders) == len(targets) == len(served) and all(
        (t.side, t.level) in served
        and abs(served[t.side, t.level].px_e8 / t.px_e8 - 1) * 1e4 <= TOLERANCE
        and 0.5 * t.sz_e8 <= served[t.side, t.level].remaining_e8 <= 1.25 * t.sz_e8
        for t in targets
    )


@examples(max_examples=300, deadline=None)
@given(ladders(), working_books)
def test_replanning_after_a_successful_plan_is_empty(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]
) -> None:
    """I9: idempotence, for plans that left nothing for later."""
    first = plan(targets, orders)
    assume(not any(cancel.reason is Reason.DRIFT for cancel in first.cancels))
    assume(not any(skip.reason in DEFERRED for skip in first.skips))
    after = carry_out(first, orders)
    assert plan(targets, after).is_empty
    assert is_aligned(targets, after)


@examples(max_examples=300, deadline=None)
@given(ladders(), working_books)
def test_any_book_converges_to_the_ladder_within_three_plans(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]
) -> None:
    """I9: convergence."""
    for _ in range(3):
        orders = carry_out(plan(targets, orders), orders)
    assert is_aligned(targets, orders)
    assert plan(targets, orders).is_empty


@examples(max_examples=300, deadline=None)
@given(ladders(), working_books)
def test_a_room_that_fits_the_ladder_and_nothing_more_is_enough_to_converge(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]
) -> None:
    """I9 at the limit, where nothing can be replaced and everything has to be cancelled first."""
    room = Room(*(sum(t.sz_e8 for t in targets if t.side is side) for side in SIDES))
    for _ in range(3):
        orders = carry_out(plan(targets, orders, room), orders)
    assert is_aligned(targets, orders)


@examples(max_examples=300, deadline=None)
@given(ladders(), any_books)
def test_a_level_never_gets_an_order_while_another_of_that_level_is_alive(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]
) -> None:
    """I4: at most one live order per side and level comes from a plan."""
    found = plan(targets, orders)
    given_away = {r.order.cloid for r in found.replaces} | {c.order.cloid for c in found.cancels}
    new = [(r.target.side, r.target.level) for r in found.replaces] + [
        (p.target.side, p.target.level) for p in found.places
    ]
    assert len(new) == len(set(new))
    stays = {(o.side, o.level) for o in orders if o.state is not LiveState.WORKING or o.cloid not in given_away}
    assert not stays & {(p.target.side, p.target.level) for p in found.places}
    assert all(r.order.state is LiveState.WORKING for r in found.replaces)


@examples(max_examples=300, deadline=None)
@given(ladders(), any_books, st.integers(0, 60), st.integers(0, 60))
def test_no_plan_can_fill_beyond_the_room(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...], buy_lots: int, sell_lots: int
) -> None:
    """I22: the worst case after a plan stays within the room, or does not grow where it was beyond already."""
    room = Room(buy_lots * 100_000, sell_lots * 100_000)
    found = plan(targets, orders, room)
    for side in SIDES:
        before = sum(o.remaining_e8 for o in orders if o.side is side)
        added = sum(p.target.sz_e8 for p in found.places if p.target.side is side)
        added += sum(r.target.sz_e8 for r in found.replaces if r.target.side is side)
        assert before + added <= max(room.of(side), before)


@examples(max_examples=200, deadline=None)
@given(ladders(), any_books)
def test_no_new_order_meets_an_order_of_ours(targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...]) -> None:
    """A plan never trades with itself."""
    found = plan(targets, orders)
    new = [r.target for r in found.replaces] + [p.target for p in found.places]
    there = [o for o in orders if o.state is not LiveState.UNKNOWN]
    for wanted in new:
        for live in there:
            if live.side is not wanted.side:
                assert (live.px_e8 - wanted.px_e8) * wanted.side.sign > 0


@examples(max_examples=200, deadline=None)
@given(ladders(), any_books, st.sampled_from([Reason.HELD, Reason.THROTTLED]))
def test_restraining_a_plan_keeps_every_cancel_and_adds_nothing(
    targets: tuple[TargetLevel, ...], orders: tuple[LiveOrder, ...], reason: Reason
) -> None:
    """I8: cancels are never held back."""
    found = plan(targets, orders)
    held = restrain(found, reason, fair=float(PX))
    assert not held.adds
    assert set(found.cancels) <= set(held.cancels)


@examples(max_examples=100, deadline=None)
@given(working_books)
def test_without_targets_everything_is_cancelled(orders: tuple[LiveOrder, ...]) -> None:
    """Orders without a target do not stay."""
    assert {cancel.order for cancel in plan((), orders).cancels} == set(orders)


@examples(max_examples=100, deadline=None)
@given(ladders(), st.sampled_from([Side.BUY, Side.SELL]))
def test_an_unknown_order_blocks_its_level_until_it_is_resolved(targets: tuple[TargetLevel, ...], side: Side) -> None:
    """The level stays blocked however often it is planned, and is served at once afterwards."""
    mine = [t for t in targets if t.side is side]
    assume(mine)
    doubtful = order(side, mine[0].px_e8, level=mine[0].level, sz_e8=mine[0].sz_e8, state=LiveState.UNKNOWN)
    orders: tuple[LiveOrder, ...] = (doubtful,)
    for _ in range(3):
        orders = carry_out(plan(targets, orders), orders)
    assert [o for o in orders if (o.side, o.level) == (side, mine[0].level)] == [doubtful]
    landed = tuple(replace(o, state=LiveState.WORKING) for o in orders)
    assert plan(targets, landed).is_empty
    never_landed = tuple(o for o in orders if o is not doubtful)
    assert [p.target for p in plan(targets, never_landed).places] == [mine[0]]
