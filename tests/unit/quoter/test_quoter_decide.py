"""The cycle as a whole: gate, throttle, bursts, pulls, pricing without ourselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.quoter import (
    BTC,
    NOW_MS,
    NOW_NS,
    PX,
    SECOND_NS,
    book,
    carry_out,
    order,
    part,
    permission,
    settings,
    standing,
    view,
)

from perpmaker.common.decimals import E8
from perpmaker.quoter.book import foreign_touch, is_older, with_bbo
from perpmaker.quoter.decide import Decision, State, View, decide
from perpmaker.quoter.gate import Verdict
from perpmaker.quoter.plan import Reason
from perpmaker.quoter.settings import Mode, ModelKind, Settings, SettingsError, settings_from
from perpmaker.quoter.values import BookView, LiveState, OwnFill, PublicTrade, Side


def cycle(seen: View, state: State | None = None, wanted: Settings | None = None) -> tuple[State, Decision]:
    return decide(state or State(), seen, wanted or settings(), BTC)


def later(seen: View, ns: int, **changes: Any) -> View:
    """The same sight `ns` later, with book and permission renewed."""
    now_ns, now_ms = seen.standing.now_ns + ns, seen.standing.now_ms + ns // 1_000_000
    fresh = replace(
        seen.standing,
        now_ns=now_ns,
        now_ms=now_ms,
        book=book(received_ns=now_ns),
        permission=permission(valid_until_ms=now_ms + 2_000, received_ns=now_ns),
    )
    return replace(seen, standing=fresh, **changes)


def quoted() -> tuple[State, View]:
    """A full ladder in the book."""
    state, decision = cycle(view())
    return state, view(orders=carry_out(decision.plan, ()))


def test_a_fresh_quoter_places_its_ladder() -> None:
    _, decision = cycle(view())
    assert [(p.target.side, p.target.level) for p in decision.plan.places] == [
        (Side.BUY, 0),
        (Side.BUY, 1),
        (Side.SELL, 0),
        (Side.SELL, 1),
    ]
    assert decision.gate.verdict is Verdict.QUOTE


def test_the_cycle_after_a_successful_plan_changes_nothing() -> None:
    state, seen = quoted()
    _, decision = cycle(later(seen, SECOND_NS), state)
    assert decision.plan.is_empty


def test_equal_inputs_give_equal_decisions() -> None:
    assert cycle(view()) == cycle(view())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"permission": None}, "no_permission"),
        ({"permission": permission(valid_until_ms=NOW_MS - 1)}, "no_permission"),
        ({"permission": permission(received_ns=NOW_NS - 2 * SECOND_NS - 1)}, "no_permission"),
        ({"feed_live": False}, "feed_down"),
        ({"orders_known": False}, "orders_unknown"),
        ({"held": True}, "held"),
    ],
)
def test_without_a_precondition_nothing_new_is_sent_and_nothing_is_cancelled(
    changes: dict[str, Any], reason: str
) -> None:
    _, quoting = quoted()
    changes = {"started_ns": NOW_NS, **changes}
    seen = replace(quoting, standing=standing(**changes), orders=quoting.orders[:2])
    _, decision = cycle(seen)
    assert decision.gate.reasons == (reason,)
    assert decision.gate.verdict is Verdict.HOLD
    assert decision.plan.is_empty


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"permission": permission(killed=True)}, "killed"),
        ({"permission": permission(closed=True)}, "closed"),
        ({"permission": permission(received_ns=NOW_NS - 5 * SECOND_NS)}, "no_permission"),
        ({"permission": None}, "no_permission"),
        ({"book": book(received_ns=NOW_NS - 3 * SECOND_NS)}, "stale_market_data"),
        ({"book": None}, "stale_market_data"),
        ({"draining": True}, "draining"),
    ],
)
def test_a_grave_reason_empties_the_book(changes: dict[str, Any], reason: str) -> None:
    _, quoting = quoted()
    _, decision = cycle(replace(quoting, standing=standing(**changes)))
    assert reason in decision.gate.reasons
    assert {cancel.order for cancel in decision.plan.cancels} == set(quoting.orders)
    assert not decision.plan.adds


@pytest.mark.parametrize("mode", [Mode.PAUSED, Mode.SHADOW])
def test_a_mode_that_sends_nothing_empties_the_book_but_still_decides(mode: Mode) -> None:
    _, quoting = quoted()
    _, decision = cycle(quoting, wanted=settings(mode=mode))
    assert len(decision.plan.cancels) == 4
    assert len(decision.ladder.levels) == 4


@pytest.mark.parametrize(
    ("changes", "reason"), [({"fenced": True}, "fenced"), ({"connected": False}, "order_state_down")]
)
def test_a_quoter_without_its_session_sends_nothing_at_all(changes: dict[str, Any], reason: str) -> None:
    _, quoting = quoted()
    _, decision = cycle(replace(quoting, standing=standing(draining=True, **changes)))
    assert reason in decision.gate.reasons
    assert decision.plan.is_empty


def test_orders_of_an_earlier_session_wait_for_the_first_book_and_permission() -> None:
    adopted = (order(Side.BUY, PX - 30 * E8),)
    starting = standing(started_ns=NOW_NS, book=None, permission=None)
    _, decision = cycle(View(starting, 0, adopted))
    assert decision.plan.is_empty
    _, decision = cycle(View(standing(started_ns=NOW_NS, permission=None), 0, adopted))
    assert decision.plan.is_empty


def test_adopted_orders_near_their_target_are_kept() -> None:
    _, first = cycle(view())
    adopted = tuple(replace(live, cloid=f"0xold{i}") for i, live in enumerate(carry_out(first.plan, ())))
    _, decision = cycle(view(orders=adopted))
    assert decision.plan.is_empty


def test_a_one_sided_book_is_no_place_to_quote() -> None:
    _, quoting = quoted()
    lonely = BookView(book().bids, (), NOW_MS, NOW_NS)
    _, decision = cycle(replace(quoting, standing=standing(book=lonely)))
    assert decision.diagnostics == ("one_sided_book",)
    assert len(decision.plan.cancels) == 4


def test_an_input_the_model_cannot_use_gives_no_quotes_and_a_word() -> None:
    _, decision = cycle(view(), wanted=settings(model=ModelKind.FIXED, fixed_half_spread_bps=0.0))
    assert decision.diagnostics == ("not_quotable_fixed_half_spread",)
    assert decision.plan.is_empty


def test_replacements_are_throttled_but_not_for_ever() -> None:
    state, seen = quoted()
    moved = replace(
        later(seen, SECOND_NS // 20),
        standing=standing(now_ns=NOW_NS + SECOND_NS // 20, book=book(PX + 9 * E8, PX + 11 * E8)),
    )
    state, decision = cycle(moved, state)
    assert decision.plan.is_empty
    assert {skip.reason for skip in decision.plan.skips} == {Reason.THROTTLED}
    moved = replace(moved, standing=replace(moved.standing, now_ns=NOW_NS + SECOND_NS // 5))
    _, decision = cycle(moved, state)
    assert len(decision.plan.replaces) == 4


def test_an_empty_side_is_filled_without_waiting_for_the_throttle() -> None:
    state, seen = quoted()
    bids_only = tuple(o for o in seen.orders if o.side is Side.BUY)
    wanted = settings(min_requote_interval_ns=10 * SECOND_NS)
    _, decision = cycle(later(seen, SECOND_NS // 5, orders=bids_only), state, wanted)
    assert [placement.target.side for placement in decision.plan.places] == [Side.SELL, Side.SELL]


def test_an_empty_side_is_not_tried_again_with_every_book() -> None:
    state, seen = quoted()
    _, decision = cycle(later(seen, SECOND_NS // 1_000, orders=()), state)
    assert decision.plan.is_empty


def test_a_quote_beyond_the_fair_price_is_cancelled_even_while_throttled() -> None:
    state, seen = quoted()
    fallen = standing(now_ns=NOW_NS + SECOND_NS // 20, book=book(PX - 60 * E8, PX - 58 * E8))
    _, decision = cycle(replace(seen, standing=fallen), state)
    assert {cancel.reason for cancel in decision.plan.cancels} == {Reason.STALE}
    assert {cancel.order.side for cancel in decision.plan.cancels} == {Side.BUY}


def test_a_cancel_is_not_repeated_within_a_second() -> None:
    state, seen = quoted()
    state, first = cycle(later(replace(seen, standing=replace(seen.standing, draining=True)), 0), state)
    state, again = cycle(later(replace(seen, standing=replace(seen.standing, draining=True)), SECOND_NS // 2), state)
    _, third = cycle(later(replace(seen, standing=replace(seen.standing, draining=True)), 2 * SECOND_NS), state)
    assert (len(first.plan.cancels), len(again.plan.cancels), len(third.plan.cancels)) == (4, 0, 4)


def test_four_fills_of_one_side_in_two_seconds_cancel_that_side_for_two_more() -> None:
    state, seen = quoted()
    fills = tuple(OwnFill(Side.BUY, NOW_NS + i * SECOND_NS // 4) for i in range(4))
    state, decision = cycle(later(seen, SECOND_NS, fills=fills), state)
    assert {cancel.order.side for cancel in decision.plan.cancels} == {Side.BUY}
    assert "burst_buy" in decision.diagnostics
    asks = tuple(o for o in seen.orders if o.side is Side.SELL)
    state, decision = cycle(later(seen, 2 * SECOND_NS, orders=asks), state)
    assert not decision.plan.adds
    _, decision = cycle(later(seen, 3 * SECOND_NS, orders=asks), state)
    assert [placement.target.side for placement in decision.plan.places] == [Side.BUY, Side.BUY]


def test_a_burst_never_suppresses_the_side_that_reduces_the_position() -> None:
    state, seen = quoted()
    fills = tuple(OwnFill(Side.BUY, NOW_NS + i * SECOND_NS // 4) for i in range(4))
    _, decision = cycle(later(replace(seen, position_e8=-E8 // 1000), SECOND_NS, fills=fills), state)
    assert "burst_buy" not in decision.diagnostics
    assert any(level.side is Side.BUY for level in decision.ladder.levels)


@pytest.mark.parametrize(
    "fills",
    [
        tuple(OwnFill(Side.SELL, NOW_NS + i * SECOND_NS) for i in range(4)),
        tuple(OwnFill(side, NOW_NS) for side in (Side.BUY, Side.SELL) * 3),
    ],
)
def test_slow_or_mixed_fills_are_no_burst(fills: tuple[OwnFill, ...]) -> None:
    state, seen = quoted()
    _, decision = cycle(later(seen, 3 * SECOND_NS, fills=fills), state)
    assert not decision.plan.cancels


def test_the_window_of_a_burst_slides_with_the_fills() -> None:
    state, seen = quoted()
    times = (0, 1_500, 2_500, 3_000, 3_400)
    fills = tuple(OwnFill(Side.SELL, NOW_NS + ms * 1_000_000) for ms in times)
    state, decision = cycle(later(seen, 4 * SECOND_NS, fills=fills), state)
    assert {cancel.order.side for cancel in decision.plan.cancels} == {Side.SELL}


def test_every_trade_is_used_once() -> None:
    seen = replace(view(), trades=(PublicTrade(PX, E8),) * 5)
    state, _ = cycle(seen)
    state, _ = cycle(view(), state)
    assert state.intensity.seen == 5


def test_our_own_orders_do_not_move_the_price_we_quote_from() -> None:
    ours = order(Side.BUY, PX - E8 // 2, sz_e8=E8)
    joined = replace(book(), bids=((ours.px_e8, ours.remaining_e8), *book().bids))
    _, alone = cycle(view())
    _, among = cycle(view(orders=(ours,), book=joined))
    assert among.quote is not None
    assert alone.quote is not None
    assert among.quote.fair == alone.quote.fair


def test_a_level_that_an_unknown_order_may_or_may_not_explain_is_not_crossed() -> None:
    unknown = order(Side.SELL, PX - 50 * E8, sz_e8=E8, state=LiveState.UNKNOWN)
    low = replace(book(), asks=((unknown.px_e8, E8), *book().asks))
    _, decision = cycle(view(orders=(unknown,), book=replace(low, bids=((PX - 60 * E8, E8),))))
    bids = [level.px_e8 for level in decision.ladder.levels if level.side is Side.BUY]
    assert bids
    assert max(bids) < unknown.px_e8


def test_a_refused_replacement_becomes_a_cancel() -> None:
    state, seen = quoted()
    moved = replace(later(seen, SECOND_NS), refused_replaces=frozenset({seen.orders[0].cloid}))
    moved = replace(
        moved, standing=replace(moved.standing, book=book(PX + 9 * E8, PX + 11 * E8, received_ns=NOW_NS + SECOND_NS))
    )
    _, decision = cycle(moved, state)
    assert [cancel.order for cancel in decision.plan.cancels] == [seen.orders[0]]
    assert len(decision.plan.replaces) == 3


def test_a_newer_best_price_cuts_the_depth_it_contradicts() -> None:
    merged = with_bbo(book(), (PX - 2 * E8, 7), None, exchange_time_ms=NOW_MS + 1, received_ns=NOW_NS)
    assert merged.bids == ((PX - 2 * E8, 7), (PX - 3 * E8, E8))
    assert merged.asks == ()
    first = with_bbo(None, None, (PX, 7), exchange_time_ms=NOW_MS, received_ns=NOW_NS)
    assert first.asks == ((PX, 7),)


def test_a_frame_from_before_the_view_is_recognised() -> None:
    assert is_older(NOW_MS - 1, book())
    assert not is_older(NOW_MS, book())
    assert not is_older(0, book())
    assert not is_older(1, None)


def test_a_touch_that_is_all_ours_is_looked_through() -> None:
    assert foreign_touch(((PX, 5), (PX - 1, 9)), {PX: 5}) == (PX - 1, 9)
    assert foreign_touch(((PX, 5),), {PX: 5}) is None


def test_contradictions_in_a_part_are_told_together() -> None:
    wrong = part(model="Fixed", min_half_spread_bps=9.0, max_half_spread_bps=8.0, horizon_s=float("inf"))
    wrong = wrong.model_copy(
        update={"inventory": wrong.inventory.model_copy(update={"target_notional_e8": -9_000 * E8})}
    )
    with pytest.raises(SettingsError) as refused:
        settings_from(wrong)
    assert len(refused.value.problems) == 4
