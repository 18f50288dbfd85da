"""Checks that look at the order alone, in the exchange's order. The first failure refuses the whole action.

Zero size, lot, price, tick, then the band around the mark. Nothing that fails here gets an oid or a record.
"""

from __future__ import annotations

from collections.abc import Iterable

from perpmaker.venue.engine.orders import NewOrder
from perpmaker.venue.engine.state import State


def unknown_asset(state: State, assets: Iterable[int]) -> str | None:
    missing = next((asset for asset in assets if not state.is_listed(asset)), None)
    return None if missing is None else f"Invalid perp asset {missing}"


def static_error(state: State, orders: Iterable[NewOrder]) -> str | None:
    """Text of the first static violation, or None. Assets must already be known."""
    return next((text for order in orders if (text := _error_of(state, order))), None)


def _error_of(state: State, order: NewOrder) -> str | None:
    market = state.market(order.asset)
    if not order.sz_e8:
        return "Order has zero size."
    if not market.is_on_lot(order.sz_e8):
        return "Order has invalid size."
    if not order.px_e8:
        return "Order has invalid price."
    if not market.is_on_tick(order.px_e8):
        return f"Price must be divisible by tick size. asset={order.asset}"
    reference, band = state.mark_px_e8(order.asset), state.rules.band_fraction
    if order.px_e8 * band <= reference or order.px_e8 > reference * band:
        percent = 100 - 100 // band
        return f"Order price cannot be more than {percent}% away from the reference price"
    return None
