"""Checks that look at the order alone, in the exchange's order. The first failure refuses the whole action.

Zero size, lot, price, tick, trigger price, the shape of the group, then the band around the mark. Nothing that fails
here gets an oid or a record. Source: Hyperliquid documentation, "Error responses"; order as measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from perpmaker.venue.engine import action_texts, texts
from perpmaker.venue.engine.orders import Grouping, NewOrder, Tif
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.engine.texts import text_of

_SPOT = range(10_000, 100_000)
"""Numbers of spot pairs. Source: Hyperliquid documentation, "Asset IDs"."""


def unknown_asset(state: State, assets: Iterable[int]) -> str | None:
    """What an action is told that names an asset which cannot be traded here, or None."""
    missing = next((asset for asset in assets if not state.is_listed(asset)), None)
    if missing is None:
        return None
    return action_texts.SPOT_UNKNOWN if missing in _SPOT else action_texts.PERP_UNKNOWN.format(asset=missing)


def static_error(state: State, orders: Sequence[NewOrder], grouping: Grouping = Grouping.NONE) -> str | None:
    """Text of the first static violation, or None. Assets must already be known."""
    alone = (text for order in orders if (text := _error_of(state, order, grouping)))
    return next(alone, None) or _error_of_group(orders, grouping) or _error_of_priority(orders)


def _error_of(state: State, order: NewOrder, grouping: Grouping) -> str | None:
    market = state.market(order.asset)
    own_words = state.rules.orders.texts
    is_whole_position = grouping is Grouping.POSITION_TPSL and order.trigger is not None
    if order.asset in state.halted:
        return f"{texts.HALTED} asset={order.asset}"
    if not order.sz_e8 and not is_whole_position:
        return texts.ZERO_SIZE
    if not market.is_on_lot(order.sz_e8):
        return texts.INVALID_SIZE
    if not order.px_e8:
        return texts.INVALID_PRICE
    if state.rules.orders.tick_is_static and not market.is_on_tick(order.px_e8):
        return text_of(own_words, Status.TICK_REJECTED, order.asset)
    trigger = order.trigger
    if trigger is not None and not (trigger.px_e8 and market.is_on_tick(trigger.px_e8)):
        return text_of(own_words, Status.BAD_TRIGGER_PX_REJECTED, order.asset)
    reference, percent = state.mark_px_e8(order.asset), state.rules.orders.band_percent
    nearest = 100 - percent
    if order.px_e8 * 100 <= reference * nearest or order.px_e8 * nearest > reference * 100:
        return texts.OUTSIDE_BAND.format(percent=percent)
    return None


def _error_of_group(orders: Sequence[NewOrder], grouping: Grouping) -> str | None:
    """The shape of a group: its children are trigger orders of its market that only reduce."""
    if grouping is Grouping.NONE:
        return None
    children = orders[1:] if grouping is Grouping.NORMAL_TPSL else orders
    if any(child.trigger is None or child.asset != orders[0].asset for child in children):
        return texts.GROUP_SHAPE
    return None if all(child.reduce_only for child in children) else texts.CHILDREN_REDUCE


def _error_of_priority(orders: Sequence[NewOrder]) -> str | None:
    """Priority may be bought for IOC orders, or for post-only orders that may open a position."""
    if not any(order.priority_e8 for order in orders):
        return None
    if any(order.trigger is not None for order in orders):
        return texts.PRIORITY_SHAPE
    all_ioc = all(order.tif is Tif.IOC for order in orders)
    all_alo = all(order.tif is Tif.ALO and not order.reduce_only for order in orders)
    return None if all_ioc or all_alo else texts.PRIORITY_SHAPE
