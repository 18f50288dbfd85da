"""Each verdict of the gate has its reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.support.order_state import MARKET, T0, TAG, cloid, e8, new_order, order, resting

from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.order_state.core.gate import Permission, Situation, judge
from perpmaker.order_state.core.plan import NewOrder, Plan, Replacement, Verdict
from perpmaker.order_state.core.transitions import State

OPEN = Permission(min_position_e8=-e8("5"), max_position_e8=e8("5"), not_after_ms=T0 + 2000)
CALM = Situation(
    epoch=1,
    tag=TAG,
    orders={},
    position_e8=0,
    max_possible_bid_e8=0,
    max_possible_ask_e8=0,
    permission=OPEN,
    permission_valid=True,
)


def verdict_on(item: NewOrder, situation: Situation = CALM, epoch: int = 1) -> Verdict:
    plan = Plan(market=MARKET, epoch=epoch, sequence=1, places=(item,))
    return judge(plan, situation).places[0].verdict


def test_an_order_inside_the_permission_passes():
    assert verdict_on(new_order(1)) is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"permission": None}, Verdict.NO_PERMISSION),
        ({"permission_valid": False}, Verdict.NO_PERMISSION),
        ({"permission": replace(OPEN, killed=True)}, Verdict.FORBIDDEN),
        ({"permission": replace(OPEN, closed=True)}, Verdict.FORBIDDEN),
        ({"permission": replace(OPEN, killed=True), "permission_valid": False}, Verdict.FORBIDDEN),
        ({"permission": replace(OPEN, reduce_only=True)}, Verdict.FORBIDDEN),
        ({"hold_reasons": ("store",)}, Verdict.HELD),
        ({"drift": True}, Verdict.HELD),
        ({"buys_pausing": True}, Verdict.BACKOFF),
        ({"sells_pausing": True}, Verdict.ACCEPTED),
        ({"epoch": 2}, Verdict.FENCED),
        ({"position_e8": e8("4.5")}, Verdict.EXPOSURE),
        ({"max_possible_bid_e8": e8("4.01")}, Verdict.EXPOSURE),
        ({"max_possible_bid_e8": e8("4")}, Verdict.ACCEPTED),
        ({"max_possible_ask_e8": e8("50")}, Verdict.ACCEPTED),
        ({"orders": {cloid(9): order(9, state=State.UNKNOWN)}}, Verdict.LEVEL_BLOCKED),
        ({"orders": {cloid(1): resting(1)}}, Verdict.DUPLICATE),
        ({"tag": TAG + 1}, Verdict.INVALID),
    ],
)
def test_the_situation_decides(change, verdict):
    assert verdict_on(new_order(1), replace(CALM, **change)) is verdict


@pytest.mark.parametrize(
    "change",
    [
        {"permission_valid": False},
        {"drift": True},
        {"sells_pausing": True},
        {"permission": replace(OPEN, reduce_only=True)},
        {"permission": replace(OPEN, min_position_e8=e8("2"), max_position_e8=e8("3"))},
    ],
)
def test_a_reduce_only_order_within_the_position_is_never_suppressed(change):
    long = replace(CALM, position_e8=e8("2"), **change)
    assert verdict_on(new_order(1, buy=False, sz="2", reduce_only=True), long) is Verdict.ACCEPTED
    assert verdict_on(new_order(1, buy=False, sz="2.1", reduce_only=True), long) is not Verdict.ACCEPTED


def test_a_reduce_only_order_is_refused_when_no_permission_was_ever_seen():
    long = replace(CALM, position_e8=e8("2"), permission=None, permission_valid=False)
    assert verdict_on(new_order(1, buy=False, sz="1", reduce_only=True), long) is Verdict.NO_PERMISSION


def test_a_sell_beyond_the_lower_limit_is_refused():
    assert verdict_on(new_order(1, buy=False), replace(CALM, position_e8=-e8("4.5"))) is Verdict.EXPOSURE


@pytest.mark.parametrize(
    "item",
    [
        replace(new_order(1), cloid="0x1"),
        replace(new_order(1), cloid=cloid(1, epoch=2)),
        replace(new_order(1), is_buy=False),
        replace(new_order(1), level=3),
        replace(new_order(1), px_e8=0),
        replace(new_order(1), sz_e8=2**63),
        replace(new_order(1), time_in_force=0),
    ],
)
def test_a_malformed_order_is_invalid(item):
    assert verdict_on(item) is Verdict.INVALID


@pytest.mark.parametrize(
    ("px", "sz", "reduce_only", "verdict"),
    [
        ("100", "1", False, Verdict.ACCEPTED),
        ("100.001", "1", False, Verdict.INVALID),
        ("100", "1.0000001", False, Verdict.INVALID),
        ("100", "0.001", False, Verdict.INVALID),
        ("100", "0.001", True, Verdict.ACCEPTED),
    ],
)
def test_the_rules_of_the_instrument_hold_and_a_full_close_may_be_small(px, sz, reduce_only, verdict):
    rules = InstrumentRules(market=MARKET, asset_id=0, sz_decimals=5, max_leverage=50)
    situation = replace(CALM, rules=rules, position_e8=-e8("0.001") if reduce_only else 0)
    assert verdict_on(new_order(1, px=px, sz=sz, reduce_only=reduce_only), situation) is verdict


def test_items_are_judged_cumulatively_in_plan_order():
    plan = Plan(market=MARKET, epoch=1, sequence=1, places=tuple(new_order(n, sz="2", level=n) for n in (1, 2, 3)))
    assert [v.verdict for v in judge(plan, CALM).places] == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.EXPOSURE]


def test_the_same_cloid_twice_in_a_plan_is_a_duplicate():
    plan = Plan(market=MARKET, epoch=1, sequence=1, places=(new_order(1), new_order(1)))
    assert [v.verdict for v in judge(plan, CALM).places] == [Verdict.ACCEPTED, Verdict.DUPLICATE]


def test_both_legs_of_a_replacement_count():
    old = resting(1, sz_e8=e8("3"))
    situation = replace(CALM, orders={old.cloid: old}, max_possible_bid_e8=e8("3"))

    def of(sz: str) -> Verdict:
        plan = Plan(market=MARKET, epoch=1, sequence=1, replaces=(Replacement(old.cloid, new_order(2, sz=sz)),))
        return judge(plan, situation).replaces[0].verdict

    assert (of("2"), of("2.5")) == (Verdict.ACCEPTED, Verdict.EXPOSURE)


def test_a_replacement_counts_for_everything_judged_after_it():
    old = [resting(n, sz_e8=e8("1"), level=n) for n in (1, 2, 3)]
    situation = replace(CALM, orders={o.cloid: o for o in old}, max_possible_bid_e8=e8("3"))
    plan = Plan(
        market=MARKET,
        epoch=1,
        sequence=1,
        replaces=tuple(Replacement(o.cloid, new_order(10 + o.level, sz="0.75", level=o.level)) for o in old),
        places=(new_order(20, sz="0.75", level=4), new_order(21, sz="0.5", level=5)),
    )
    judgement = judge(plan, situation)
    assert [v.verdict for v in judgement.replaces] == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.EXPOSURE]
    assert [v.verdict for v in judgement.places] == [Verdict.EXPOSURE, Verdict.ACCEPTED]


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (resting(1), new_order(2), Verdict.ACCEPTED),
        (resting(1), new_order(2, buy=False), Verdict.INVALID),
        (order(1), new_order(2), Verdict.NOT_LIVE),
        (order(1, state=State.UNKNOWN), new_order(2), Verdict.NOT_LIVE),
        (order(1, state=State.CANCEL_PENDING), new_order(2), Verdict.NOT_LIVE),
        (order(5), new_order(2), Verdict.NOT_LIVE),
    ],
)
def test_only_an_order_in_the_book_can_be_replaced_by_one_of_its_side(old, new, verdict):
    plan = Plan(market=MARKET, epoch=1, sequence=1, replaces=(Replacement(cloid(1), new),))
    assert judge(plan, replace(CALM, orders={old.cloid: old})).replaces[0].verdict is verdict


def test_an_order_being_cancelled_by_the_same_plan_is_not_replaced():
    old = resting(1)
    plan = Plan(
        market=MARKET, epoch=1, sequence=1, cancels=(old.cloid,), replaces=(Replacement(old.cloid, new_order(2)),)
    )
    judged = judge(plan, replace(CALM, orders={old.cloid: old}))
    assert (judged.cancels[0].verdict, judged.replaces[0].verdict) == (Verdict.ACCEPTED, Verdict.NOT_LIVE)


def test_cancels_pass_when_everything_else_is_refused():
    old = order(1, state=State.UNKNOWN)
    locked = replace(
        CALM, orders={old.cloid: old}, permission=None, permission_valid=False, hold_reasons=("gap", "store"), epoch=9
    )
    plan = Plan(market=MARKET, epoch=1, sequence=1, cancels=(old.cloid, cloid(7)), places=(new_order(3),))
    judged = judge(plan, locked)
    assert [v.verdict for v in judged.cancels] == [Verdict.ACCEPTED, Verdict.NOT_LIVE]
    assert judged.places[0].verdict is Verdict.FENCED


def test_an_order_that_is_over_is_not_cancelled_again():
    old = order(1, state=State.FILLED)
    plan = Plan(market=MARKET, epoch=1, sequence=1, cancels=(old.cloid,))
    assert judge(plan, replace(CALM, orders={old.cloid: old})).cancels[0].verdict is Verdict.NOT_LIVE
