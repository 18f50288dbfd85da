"""The actions of the exchange, decoded, and in which order a block runs them.

Within a block: first what sends no GTC or IOC order to a book, then cancels, then everything else; within a class
in order of arrival. So a post-only order and a cancel always beat a taker of the same block.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from perpmaker.venue.engine.account_actions import AccountAction
from perpmaker.venue.engine.orders import Grouping, NewOrder, Tif


class ActionClass(IntEnum):
    """Execution order within one block."""

    PASSIVE = 1
    CANCEL = 2
    TAKING = 3


@dataclass(frozen=True, slots=True)
class PlaceOrders:
    orders: tuple[NewOrder, ...]
    grouping: Grouping = Grouping.NONE


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """Pairs of asset and oid, or of asset and cloid when the client cancels by its own ids."""

    targets: tuple[tuple[int, int | str], ...]
    fast: bool = False


@dataclass(frozen=True, slots=True)
class Modification:
    """Replace the order known by oid or cloid."""

    target: int | str
    order: NewOrder


@dataclass(frozen=True, slots=True)
class ModifyOrders:
    """Cancel-replace. With `always_place` the new order is placed even if the old one was already gone.

    `is_single` tells `modify` from `batchModify`: same effect, different answer.
    """

    items: tuple[Modification, ...]
    always_place: bool = False
    is_single: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleCancel:
    time_ms: int | None


@dataclass(frozen=True, slots=True)
class UpdateLeverage:
    asset: int
    is_cross: bool
    leverage: int


@dataclass(frozen=True, slots=True)
class Noop:
    """Burns its nonce, nothing else."""


@dataclass(frozen=True, slots=True)
class StartTwap:
    asset: int
    is_buy: bool
    sz_e8: int
    reduce_only: bool
    minutes: int
    is_randomized: bool


@dataclass(frozen=True, slots=True)
class StopTwap:
    asset: int
    twap_id: int


Action = (
    PlaceOrders
    | CancelOrders
    | ModifyOrders
    | ScheduleCancel
    | UpdateLeverage
    | Noop
    | StartTwap
    | StopTwap
    | AccountAction
)


def class_of(action: Action) -> ActionClass:
    """Where in the block an action runs. One GTC or IOC order moves the whole batch to the end."""
    match action:
        case CancelOrders():
            return ActionClass.CANCEL
        case PlaceOrders(orders):
            placed = orders
        case ModifyOrders(items):
            placed = tuple(item.order for item in items)
        case _:
            return ActionClass.PASSIVE
    takes = any(order.tif is not Tif.ALO and order.trigger is None for order in placed)
    return ActionClass.TAKING if takes else ActionClass.PASSIVE


def order_key(action: Action) -> tuple[ActionClass, int]:
    """Sort key within one block: class, then within the takers whoever pays more for priority goes first.

    A fee moves an IOC forward by up to 45 ms per basis point, so within one block of the default length any fee
    beats none. Source: Hyperliquid documentation, "Priority fees".
    """
    kind = class_of(action)
    if kind is not ActionClass.TAKING or not isinstance(action, PlaceOrders):
        return kind, 0
    return kind, -max((order.priority_e8 for order in action.orders), default=0)


def item_count(action: Action) -> int:
    """What the action costs of an address's request budget."""
    match action:
        case PlaceOrders(orders):
            return len(orders)
        case CancelOrders(targets):
            return len(targets)
        case ModifyOrders(items):
            return len(items)
        case _:
            return 1
