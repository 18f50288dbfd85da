"""Plans to exchange actions: pure, exact, in the canonical form that is signed.

Plans become cancels (by client id; by order id for orders without one), modifies and orders, in this sequence, so that
what leaves the book leaves first. Modifies and orders are batched by class (post-only, GTC, IOC), since the exchange
executes the classes of a block at different times, and lists longer than MAX_ITEMS are cut. An action may hold items of
several markets. Source: Hyperliquid documentation, "Rate limits and user limits" and "Exchange endpoint".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from perpmaker.common.decimals import format_e8
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.hyperliquid.wire import (
    BatchModifyAction,
    CancelAction,
    CancelByCloidAction,
    CancelByCloidWire,
    CancelWire,
    L1Action,
    LimitTerms,
    ModifyWire,
    OrderAction,
    OrderType,
    OrderWire,
)
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

MAX_ITEMS = 39
"""Items of one action: from 40 on it weighs more on the IP budget. The exchange takes up to 200."""

_TERMS = {
    common.TIME_IN_FORCE_POST_ONLY: OrderType(limit=LimitTerms(tif="Alo")),
    common.TIME_IN_FORCE_IOC: OrderType(limit=LimitTerms(tif="Ioc")),
    common.TIME_IN_FORCE_GTC: OrderType(limit=LimitTerms(tif="Gtc")),
}
_IS_BUY = {common.SIDE_BUY: True, common.SIDE_SELL: False}


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One action and the names its outcomes go by."""

    kind: pb.ActionKind.ValueType
    action: L1Action
    names: tuple[str, ...]
    """Per item: the cloid placed, created by a modify, or cancelled; the decimal order id where there is no cloid."""
    positions: tuple[int, ...]
    """Per item: its place in the list that the action was made from."""

    @property
    def is_cancel(self) -> bool:
        """Whether the action only takes orders away."""
        return self.kind == pb.ACTION_KIND_CANCEL

    @property
    def brings_to_life(self) -> tuple[str, ...]:
        """Cloids that may exist at the exchange once this was sent."""
        return () if self.is_cancel else self.names


def cancel_actions(asset_id: int, cancels: Sequence[pb.CancelOrder]) -> list[PlannedAction]:
    """Actions that cancel all the orders named."""
    return cancels_of([(asset_id, cancel) for cancel in cancels])


def cancels_of(cancels: Sequence[tuple[int, pb.CancelOrder]]) -> list[PlannedAction]:
    """The same for orders of several markets, each with its asset number."""
    numbered = list(enumerate(cancels))
    actions = []
    for chunk in _chunks([entry for entry in numbered if entry[1][1].cloid]):
        by_cloid = CancelByCloidAction(cancels=tuple(CancelByCloidWire(asset=a, cloid=c.cloid) for _, (a, c) in chunk))
        names = tuple(c.cloid for _, (_, c) in chunk)
        actions.append(PlannedAction(pb.ACTION_KIND_CANCEL, by_cloid, names, tuple(n for n, _ in chunk)))
    for chunk in _chunks([entry for entry in numbered if not entry[1][1].cloid]):
        by_oid = CancelAction(cancels=tuple(CancelWire(a=a, o=c.oid) for _, (a, c) in chunk))
        names = tuple(str(c.oid) for _, (_, c) in chunk)
        actions.append(PlannedAction(pb.ACTION_KIND_CANCEL, by_oid, names, tuple(n for n, _ in chunk)))
    return actions


def modify_actions(asset_id: int, modifies: Sequence[pb.ModifyOrder]) -> list[PlannedAction]:
    """Actions that replace orders; every item must be valid."""
    return modifies_of([(asset_id, modify) for modify in modifies])


def modifies_of(modifies: Sequence[tuple[int, pb.ModifyOrder]]) -> list[PlannedAction]:
    """The same for orders of several markets, each with its asset number."""
    return [
        PlannedAction(
            pb.ACTION_KIND_MODIFY,
            BatchModifyAction(
                modifies=tuple(ModifyWire(oid=m.old_cloid, order=_order_wire(a, m.order)) for _, (a, m) in chunk)
            ),
            tuple(m.order.cloid for _, (_, m) in chunk),
            tuple(n for n, _ in chunk),
        )
        for chunk in _chunks_of_classes(modifies, [modify.order.time_in_force for _, modify in modifies])
    ]


def place_actions(asset_id: int, places: Sequence[pb.PlaceOrder]) -> list[PlannedAction]:
    """Actions that place orders; every item must be valid."""
    return places_of([(asset_id, place) for place in places])


def places_of(places: Sequence[tuple[int, pb.PlaceOrder]]) -> list[PlannedAction]:
    """The same for orders of several markets, each with its asset number."""
    return [
        PlannedAction(
            pb.ACTION_KIND_PLACE,
            OrderAction(orders=tuple(_order_wire(a, place) for _, (a, place) in chunk), grouping="na"),
            tuple(place.cloid for _, (_, place) in chunk),
            tuple(n for n, _ in chunk),
        )
        for chunk in _chunks_of_classes(places, [place.time_in_force for _, place in places])
    ]


def is_valid_place(rules: InstrumentRules, place: pb.PlaceOrder) -> bool:
    """Whether the exchange's static rules let the order pass; one that breaks them would take its whole batch down.

    The minimum value is left to the exchange for reduce-only orders, where closing a position in full is exempt.
    """
    return (
        bool(place.cloid)
        and place.side in _IS_BUY
        and place.time_in_force in _TERMS
        and rules.violation(place.px_e8, place.sz_e8, closes_position=place.reduce_only) is None
    )


def is_valid_modify(rules: InstrumentRules, modify: pb.ModifyOrder) -> bool:
    """The same for a replacement."""
    return bool(modify.old_cloid) and is_valid_place(rules, modify.order)


def _order_wire(asset_id: int, place: pb.PlaceOrder) -> OrderWire:
    return OrderWire(
        a=asset_id,
        b=_IS_BUY[place.side],
        p=format_e8(place.px_e8),
        s=format_e8(place.sz_e8),
        r=place.reduce_only,
        t=_TERMS[place.time_in_force],
        c=place.cloid,
    )


Item = TypeVar("Item")


def _chunks_of_classes(
    items: Sequence[Item], classes: Sequence[common.TimeInForce.ValueType]
) -> Iterator[Sequence[tuple[int, Item]]]:
    """Items with their places, those of a class together."""
    for time_in_force in _TERMS:
        if time_in_force in classes:
            yield from _chunks([(n, item) for n, item in enumerate(items) if classes[n] == time_in_force])


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), MAX_ITEMS):
        yield items[start : start + MAX_ITEMS]
