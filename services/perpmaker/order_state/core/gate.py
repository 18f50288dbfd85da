"""The pre-trade gate: no accepted order can take the position out of its permission, whatever fills and in which order.

Items are judged in plan order and cumulatively. Cancels always pass. A new order passes if the position would stay
permitted with every order of its side that may still fill, this one included, filled. Orders that only shrink the
position (reduce-only by flag, and together not larger than the position) pass through a pause after refusals, through a
drift hold and through an expired permission: they cannot add risk.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from perpmaker.common import cloid as cloids
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.plan import Judged, Judgement, NewOrder, Plan, Replacement, Verdict
from perpmaker.order_state.core.transitions import ACTIVE, State

_MAX_INT64 = 2**63 - 1


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What risk allows in a market; positions in 1e-8, `not_after_ms` by the wall clock."""

    min_position_e8: int
    max_position_e8: int
    not_after_ms: int
    reduce_only: bool = False
    killed: bool = False
    closed: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the gate looks at, for one market at one moment.

    `permission` is the newest one seen, valid or not; `permission_valid` says which. `hold_reasons` stop every new
    order, `drift` only those that do not shrink. `max_possible_*` are those of `Exposure`.
    """

    epoch: int
    tag: int
    orders: Mapping[str, TrackedOrder]
    position_e8: int
    max_possible_bid_e8: int
    max_possible_ask_e8: int
    permission: Permission | None
    permission_valid: bool
    hold_reasons: tuple[str, ...] = ()
    drift: bool = False
    buys_pausing: bool = False
    sells_pausing: bool = False
    rules: InstrumentRules | None = None


class _Running:
    """Exposure as it grows with each accepted item."""

    def __init__(self, situation: Situation) -> None:
        self.bid_e8 = situation.max_possible_bid_e8
        self.ask_e8 = situation.max_possible_ask_e8
        self.seen: set[str] = set()
        self.blocked = {
            (order.is_buy, order.level) for order in situation.orders.values() if order.state is State.UNKNOWN
        }

    def accept(self, order: NewOrder) -> None:
        self.seen.add(order.cloid)
        if order.is_buy:
            self.bid_e8 += order.sz_e8
        else:
            self.ask_e8 += order.sz_e8


def _malformed(order: NewOrder, plan: Plan, situation: Situation) -> str | None:
    decoded = cloids.decode(order.cloid)
    if decoded is None:
        return "cloid is not one of ours"
    if decoded.tag != situation.tag or decoded.epoch != plan.epoch:
        return "cloid names another market or session"
    if decoded.is_buy != order.is_buy or decoded.level != order.level:
        return "cloid names another side or level"
    if not (0 < order.px_e8 <= _MAX_INT64 and 0 < order.sz_e8 <= _MAX_INT64):
        return "price and size must be positive"
    if order.time_in_force not in (1, 2, 3):
        return "time in force is not set"
    if situation.rules is not None:
        closes = order.reduce_only and order.sz_e8 >= abs(situation.position_e8)
        violation = situation.rules.violation(order.px_e8, order.sz_e8, closes_position=closes)
        if violation is not None:
            return f"{violation}: px {order.px_e8}, sz {order.sz_e8}"
    return None


def _shrinks(order: NewOrder, situation: Situation, running: _Running) -> bool:
    """Whether the order, with all that may fill before it, can only bring the position closer to zero."""
    position = situation.position_e8
    if order.is_buy:
        return running.bid_e8 + order.sz_e8 <= -position
    return running.ask_e8 + order.sz_e8 <= position


def _judge_new(order: NewOrder, plan: Plan, situation: Situation, running: _Running) -> tuple[Verdict, str]:
    if plan.epoch != situation.epoch:
        return Verdict.FENCED, f"session {plan.epoch} is not the newest, {situation.epoch}"
    malformed = _malformed(order, plan, situation)
    if malformed is not None:
        return Verdict.INVALID, malformed
    if order.cloid in situation.orders or order.cloid in running.seen:
        return Verdict.DUPLICATE, "cloid was seen before"
    permission = situation.permission
    if permission is not None and (permission.killed or permission.closed):
        return Verdict.FORBIDDEN, "killed" if permission.killed else "closed"
    if situation.hold_reasons:
        return Verdict.HELD, ", ".join(situation.hold_reasons)
    shrinks = _shrinks(order, situation, running)
    harmless = shrinks and order.reduce_only
    if permission is None or not (situation.permission_valid or harmless):
        return Verdict.NO_PERMISSION, "no permission was ever received" if permission is None else "expired"
    if situation.drift and not harmless:
        return Verdict.HELD, "drift"
    if (order.is_buy, order.level) in running.blocked:
        return Verdict.LEVEL_BLOCKED, f"an order at level {order.level} has an unknown outcome"
    if (situation.buys_pausing if order.is_buy else situation.sells_pausing) and not shrinks:
        return Verdict.BACKOFF, "pausing after refusals"
    if permission.reduce_only and not shrinks:
        return Verdict.FORBIDDEN, "reduce-only"
    if harmless:
        return Verdict.ACCEPTED, ""
    position = situation.position_e8
    if order.is_buy and position + running.bid_e8 + order.sz_e8 > permission.max_position_e8:
        worst, limit = position + running.bid_e8 + order.sz_e8, permission.max_position_e8
        return Verdict.EXPOSURE, f"position could become {worst}, allowed is at most {limit}"
    if not order.is_buy and position - running.ask_e8 - order.sz_e8 < permission.min_position_e8:
        worst, limit = position - running.ask_e8 - order.sz_e8, permission.min_position_e8
        return Verdict.EXPOSURE, f"position could become {worst}, allowed is at least {limit}"
    return Verdict.ACCEPTED, ""


def _judge_cancel(cloid: str, situation: Situation) -> Judged:
    order = situation.orders.get(cloid)
    if order is None:
        return Judged(cloid, Verdict.NOT_LIVE, "not known")
    if order.is_terminal:
        return Judged(cloid, Verdict.NOT_LIVE, f"over: {order.state.name}")
    return Judged(cloid, Verdict.ACCEPTED)


def _judge_replace(
    item: Replacement, plan: Plan, situation: Situation, running: _Running, cancelled: set[str]
) -> tuple[Verdict, str]:
    old = situation.orders.get(item.old_cloid)
    if old is None:
        return Verdict.NOT_LIVE, "the order to replace is not known"
    if old.state not in ACTIVE or item.old_cloid in cancelled:
        return Verdict.NOT_LIVE, f"the order to replace is {old.state.name} or already being cancelled"
    if old.is_buy != item.order.is_buy:
        return Verdict.INVALID, "a replacement keeps the side"
    return _judge_new(item.order, plan, situation, running)


def judge(plan: Plan, situation: Situation) -> Judgement:
    """Verdicts on a plan. Pure: the same plan in the same situation always gets the same verdicts."""
    running = _Running(situation)
    cancels = tuple(_judge_cancel(cloid, situation) for cloid in plan.cancels)
    cancelled = set(plan.cancels)
    replaces: list[Judged] = []
    for item in plan.replaces:
        verdict, detail = _judge_replace(item, plan, situation, running, cancelled)
        replaces.append(Judged(item.order.cloid, verdict, detail))
        if verdict is Verdict.ACCEPTED:
            running.accept(item.order)
            cancelled.add(item.old_cloid)
    places: list[Judged] = []
    for order in plan.places:
        verdict, detail = _judge_new(order, plan, situation, running)
        places.append(Judged(order.cloid, verdict, detail))
        if verdict is Verdict.ACCEPTED:
            running.accept(order)
    return Judgement(cancels, tuple(replaces), tuple(places))
