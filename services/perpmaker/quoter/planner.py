"""From a target ladder and the live orders to the next plan. Pure and stateless.

Guarantees: after the plan succeeds, planning again is empty, save for what the plan itself deferred;
deferrals resolve within two further plans; a level whose order is in doubt gets no second order; a plan never
lets the side's total pass its room even if every live order, cancelled and replaced ones included, fills first;
only working orders are replaced.

Levels are identified by (side, level) as written into the client order id. An order whose level is gone or
taken serves the nearest free target within 100 bps, by a replacement that also corrects its level. Beyond 100
bps from every target the side has drifted: everything is cancelled, and nothing is placed until it has left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perpmaker.quoter.plan import Cancel, Placement, Plan, Reason, Replacement, Skip
from perpmaker.quoter.values import SIDES, LiveOrder, LiveState, Side, TargetLevel

MATCH_WINDOW_BPS = 100.0
DRIFT_LIMIT_BPS = 100.0
OVERSIZE_TOLERANCE = 0.25
UNDERSIZE_TOLERANCE = 0.5
"""Shares of the target size that are left alone: a resize costs a request and the place in the queue."""
_OF_HALF_SPREAD = 0.1
_AT_MOST_OF_HALF_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Room:
    """Largest total size per side."""

    buy_e8: int
    sell_e8: int

    def of(self, side: Side) -> int:
        """The side's room."""
        return self.buy_e8 if side is Side.BUY else self.sell_e8


def tolerance_bps(configured_bps: float, half_spread_bps: float, tick_bps: float) -> float:
    """Price difference that is not worth a request: grows with the half-spread and the tick, never beyond
    half of the half-spread unless one tick is wider than that.
    """
    wanted = max(configured_bps, _OF_HALF_SPREAD * half_spread_bps)
    return max(min(wanted, _AT_MOST_OF_HALF_SPREAD * half_spread_bps), tick_bps)


def distance_bps(a_e8: int, b_e8: int) -> float:
    """Distance of two prices relative to the second."""
    return abs(a_e8 / b_e8 - 1.0) * 1e4


def drift_bps(orders: Iterable[LiveOrder], targets: Iterable[TargetLevel], side: Side) -> float:
    """Farthest any order of a side is from its nearest target; 0 when there are no orders or no targets.

    Orders in doubt do not count: their level waits for evidence, the others need not.
    """
    prices = [target.px_e8 for target in targets if target.side is side]
    if not prices:
        return 0.0
    return max(
        (
            min(distance_bps(order.px_e8, px_e8) for px_e8 in prices)
            for order in orders
            if order.side is side and order.state is not LiveState.UNKNOWN
        ),
        default=0.0,
    )


def cancel_all(orders: Iterable[LiveOrder], reason: Reason) -> Plan:
    """Cancel whatever is not being cancelled already, orders in doubt included."""
    return Plan(cancels=tuple(Cancel(o, reason) for o in orders if o.state is not LiveState.CANCELLING))


@dataclass(frozen=True, slots=True)
class _Match:
    """One side's orders laid against its targets."""

    pairs: list[tuple[LiveOrder, TargetLevel]]
    unserved: list[TargetLevel]
    spare: list[LiveOrder]
    in_doubt: dict[int, LiveState]
    """Levels with an order that is not working, and the worst such state."""


def _match(targets: Iterable[TargetLevel], orders: tuple[LiveOrder, ...], side: Side) -> _Match:
    """Pair working orders with targets: by level, then the rest by nearest price among levels without
    doubt."""
    free = {t.level: t for t in targets if t.side is side}
    in_doubt: dict[int, LiveState] = {}
    for order in orders:
        if order.state is not LiveState.WORKING and in_doubt.get(order.level) is not LiveState.UNKNOWN:
            in_doubt[order.level] = order.state
    working = [order for order in orders if order.state is LiveState.WORKING]
    working.sort(key=lambda order: _distance_to_own_level(order, free))
    pairs: list[tuple[LiveOrder, TargetLevel]] = []
    homeless: list[LiveOrder] = []
    for order in working:
        target = free.get(order.level)
        if target is None or distance_bps(order.px_e8, target.px_e8) > MATCH_WINDOW_BPS:
            homeless.append(order)
        else:
            del free[order.level]
            pairs.append((order, target))
    spare: list[LiveOrder] = []
    for order in homeless:
        choices = (target for target in free.values() if target.level not in in_doubt)
        nearest = min(choices, key=lambda t: distance_bps(order.px_e8, t.px_e8), default=None)
        if nearest is None or distance_bps(order.px_e8, nearest.px_e8) > MATCH_WINDOW_BPS:
            spare.append(order)
        else:
            del free[nearest.level]
            pairs.append((order, nearest))
    return _Match(pairs, list(free.values()), spare, in_doubt)


def _distance_to_own_level(order: LiveOrder, targets: dict[int, TargetLevel]) -> float:
    target = targets.get(order.level)
    return distance_bps(order.px_e8, target.px_e8) if target is not None else float("inf")


def _change(
    order: LiveOrder, target: TargetLevel, tolerance: float, *, in_the_way: bool, must_shrink: bool
) -> Reason | None:
    """Why an order has to be replaced by its target; None when it may stay.

    `in_the_way` says that it stands where the other side wants to quote: where one tick is wider than the
    half-spread, an order within tolerance would keep the other side out for ever.
    """
    if order.level != target.level:
        return Reason.RELEVEL
    if in_the_way or distance_bps(order.px_e8, target.px_e8) > tolerance:
        return Reason.PRICE
    excess = order.remaining_e8 - target.sz_e8
    if excess > OVERSIZE_TOLERANCE * target.sz_e8 or (must_shrink and excess > 0):
        return Reason.SIZE
    if -excess > UNDERSIZE_TOLERANCE * target.sz_e8:
        return Reason.SIZE
    return None


def _meets_own(target: TargetLevel, opposite: Iterable[LiveOrder]) -> bool:
    """Whether the target would trade with an order of ours that is surely or soon in the book."""
    if target.side is Side.BUY:
        return any(order.px_e8 <= target.px_e8 for order in opposite)
    return any(order.px_e8 >= target.px_e8 for order in opposite)


def plan_ladder(
    targets: tuple[TargetLevel, ...],
    orders: tuple[LiveOrder, ...],
    *,
    tolerance: float,
    room: Room,
    not_replaceable: frozenset[str] = frozenset(),
) -> Plan:
    """The next step from the live orders (of any session and state) toward the targets.

    `tolerance` is the price difference in bps that is left alone. `not_replaceable` are client ids whose
    replacement was refused: they are cancelled instead when they have to move.
    """
    if max(drift_bps(orders, targets, side) for side in SIDES) > DRIFT_LIMIT_BPS:
        return cancel_all(orders, Reason.DRIFT)
    cancels: list[Cancel] = []
    replaces: list[Replacement] = []
    places: list[Placement] = []
    skips: list[Skip] = []
    for side in SIDES:
        own = tuple(order for order in orders if order.side is side)
        # An opposite order in doubt that really crossed would have traded; the exchange would refuse, not match, ours.
        opposite = tuple(o for o in orders if o.side is not side and o.state is not LiveState.UNKNOWN)
        wanted_opposite = tuple(target.px_e8 for target in targets if target.side is not side)
        match = _match(targets, own, side)
        cancels += (Cancel(order, Reason.NO_TARGET) for order in match.spare)
        live_e8 = sum(order.remaining_e8 for order in own)
        leaving_e8 = sum(order.remaining_e8 for order in match.spare)
        wanted_e8 = live_e8 - leaving_e8 + sum(target.sz_e8 for target in match.unserved)
        # What may execute, now and after this plan: a cancelled order counts until it has left, and a replacement
        # together with the order it replaces, as order-state's gate counts them.
        worst_e8 = live_e8
        for order, target in match.pairs:
            change = _change(
                order,
                target,
                tolerance,
                in_the_way=any((order.px_e8 - px_e8) * side.sign >= 0 for px_e8 in wanted_opposite),
                must_shrink=wanted_e8 > room.of(side),
            )
            doubt = match.in_doubt.get(order.level)
            if change is None:
                skips.append(Skip(side, target.level, Reason.WITHIN_TOLERANCE))
            elif order.cloid in not_replaceable:
                cancels.append(Cancel(order, Reason.REFUSED))
            elif doubt is LiveState.UNKNOWN:
                cancels.append(Cancel(order, Reason.IN_DOUBT))
            elif doubt is not None:
                skips.append(Skip(side, target.level, Reason.IN_DOUBT))
            elif _meets_own(target, opposite):
                skips.append(Skip(side, target.level, Reason.OWN_CROSS))
            elif worst_e8 + target.sz_e8 > room.of(side):
                # A remnant gives way only when the whole order fits in its place: it is better than an empty level.
                is_remnant = change is Reason.SIZE and order.remaining_e8 < target.sz_e8
                if is_remnant and worst_e8 - order.remaining_e8 + target.sz_e8 > room.of(side):
                    skips.append(Skip(side, target.level, Reason.EXPOSURE))
                else:
                    cancels.append(Cancel(order, Reason.EXPOSURE))
            else:
                replaces.append(Replacement(order, target, change))
                worst_e8 += target.sz_e8
        for target in match.unserved:
            if target.level in match.in_doubt:
                skips.append(Skip(side, target.level, Reason.IN_DOUBT))
            elif _meets_own(target, opposite):
                skips.append(Skip(side, target.level, Reason.OWN_CROSS))
            elif worst_e8 + target.sz_e8 > room.of(side):
                skips.append(Skip(side, target.level, Reason.EXPOSURE))
            else:
                places.append(Placement(target, Reason.NEW_LEVEL))
                worst_e8 += target.sz_e8
    return Plan(tuple(cancels), tuple(replaces), tuple(places), tuple(skips))


def within_count(plan: Plan, live: int, limit: int) -> Plan:
    """Leave out the new orders that would take a market over its number of live orders.

    A replacement and what it replaces are both live until the exchange has answered, so each counts as one more.
    Replacements come first: they keep a side quoted.
    """
    room = max(0, limit - live)
    replaces, places = plan.replaces[:room], plan.places[: max(0, room - len(plan.replaces))]
    if len(replaces) == len(plan.replaces) and len(places) == len(plan.places):
        return plan
    skips = (
        *plan.skips,
        *(Skip(item.order.side, item.target.level, Reason.TOO_MANY) for item in plan.replaces[len(replaces) :]),
        *(Skip(item.target.side, item.target.level, Reason.TOO_MANY) for item in plan.places[len(places) :]),
    )
    return Plan(plan.cancels, replaces, places, skips)


def restrain(plan: Plan, reason: Reason, *, fair: float, may_fill: frozenset[Side] = frozenset()) -> Plan:
    """Take the new orders out of a plan, leaving cancels.

    An order that was to be replaced stays, unless it stands on the wrong side of the fair price: that one is
    cancelled. Placements survive on the sides in `may_fill`.
    """
    cancels = list(plan.cancels)
    skips = list(plan.skips)
    places: list[Placement] = []
    for replacement in plan.replaces:
        order = replacement.order
        if (order.px_e8 - fair) * order.side.sign > 0:
            cancels.append(Cancel(order, Reason.STALE))
        else:
            skips.append(Skip(order.side, replacement.target.level, reason))
    for placement in plan.places:
        if placement.target.side in may_fill:
            places.append(placement)
        else:
            skips.append(Skip(placement.target.side, placement.target.level, reason))
    return Plan(tuple(cancels), (), tuple(places), tuple(skips))
