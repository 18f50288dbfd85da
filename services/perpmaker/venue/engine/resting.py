"""The only three ways a resting order's place in the venue changes: it enters, shrinks, or leaves.

Book, owner's open orders and margin reservation move together here and nowhere else.
"""

from __future__ import annotations

from perpmaker.venue.engine.orders import Order, Status
from perpmaker.venue.engine.state import State


def rest(state: State, order: Order) -> None:
    account = state.accounts[order.address]
    state.book(order.asset).side(order.is_buy).add(order)
    account.open_orders[order.oid] = order
    account.reserve(order, order.sz_e8)
    state.set_status(order, Status.OPEN)
    account.remember(order)
    state.events.touched_books.add(order.asset)


def shrink(state: State, order: Order, by_e8: int) -> None:
    """Take size off an order that keeps some. Its record is not refreshed: the status did not change."""
    account = state.accounts[order.address]
    state.book(order.asset).side(order.is_buy).shrink(order, by_e8)
    account.reserve(order, -by_e8)
    state.events.touched_books.add(order.asset)
    state.events.touched_orders.add(order.address)


def drop(state: State, order: Order, status: Status) -> None:
    """Take an order out of the book for the reason `status` names, keeping what was left as its size."""
    _leave(state, order)
    state.set_status(order, status)
    if status in (Status.MARGIN_CANCELED, Status.SCHEDULED_CANCEL):
        state.events.engine_cancels.append(order)


def complete(state: State, order: Order) -> None:
    """Take out an order of which everything was just executed."""
    _leave(state, order)
    order.sz_e8 = 0
    state.set_status(order, Status.FILLED)


def _leave(state: State, order: Order) -> None:
    account = state.accounts[order.address]
    state.book(order.asset).side(order.is_buy).remove(order)
    account.reserve(order, -order.sz_e8)
    del account.open_orders[order.oid]
    state.events.touched_books.add(order.asset)
