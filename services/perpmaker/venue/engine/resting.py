"""The only ways an open order's place in the venue changes: it enters, waits, shrinks, goes live, or leaves.

Book, owner's open orders, waiting room and margin reservation move together here and nowhere else.
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.orders import Order, Wait
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import NON_USER_CANCELS, Status


def rest(state: State, order: Order) -> None:
    account = state.accounts[order.address]
    tail_ms = state.now_ms - state.rules.orders.alo_priority_ms
    order.rested_ms = state.now_ms
    state.book(order.asset).side(order.is_buy).add(order, jumps_after_ms=tail_ms)
    account.open_orders[order.oid] = order
    account.reserve(order, order.sz_e8)
    state.set_status(order, Status.OPEN)
    account.remember(order)
    state.events.touched_books.add(order.asset)


def hold(state: State, order: Order, wait: Wait) -> None:
    """Keep an order open outside the book until its price or its parent lets it go on."""
    account = state.accounts[order.address]
    order.wait = wait
    state.waiting.setdefault(order.asset, {})[order.oid] = order
    account.open_orders[order.oid] = order
    state.set_status(order, Status.OPEN)
    account.remember(order)


def release(state: State, order: Order) -> None:
    """Let a waiting order go on to the book; what happens to it there is not decided here."""
    _leave_waiting(state, state.accounts[order.address], order)
    order.wait = Wait.NOTHING
    order.has_fired = True
    state.set_status(order, Status.TRIGGERED)


def shrink(state: State, order: Order, by_e8: int) -> None:
    """Take size off an order that keeps some. Its record is not refreshed: the status did not change."""
    account = state.accounts[order.address]
    state.book(order.asset).side(order.is_buy).shrink(order, by_e8)
    account.reserve(order, -by_e8)
    state.events.touched_books.add(order.asset)
    state.events.touched_orders.add(order.address)


def drop(state: State, order: Order, status: Status) -> None:
    """End an open order for the reason `status` names, keeping what was left as its size."""
    _leave(state, order)
    state.set_status(order, status)
    if status in NON_USER_CANCELS:
        state.events.engine_cancels.append(order)


def cancel_all(state: State, account: Account, status: Status, asset: int | None = None) -> int:
    """End all open orders of an account, or those in one market, for one reason. Returns how many."""
    doomed = [o for o in account.open_orders.values() if asset is None or o.asset == asset]
    for order in doomed:
        if order.is_open:
            drop(state, order, status)
    return len(doomed)


def complete(state: State, order: Order) -> None:
    """Take out an order of which everything was just executed."""
    _leave(state, order)
    order.sz_e8 = 0
    state.set_status(order, Status.FILLED)


def _leave(state: State, order: Order) -> None:
    account = state.accounts[order.address]
    if order.is_waiting:
        _leave_waiting(state, account, order)
        return
    state.book(order.asset).side(order.is_buy).remove(order)
    account.reserve(order, -order.sz_e8)
    del account.open_orders[order.oid]
    state.events.touched_books.add(order.asset)


def _leave_waiting(state: State, account: Account, order: Order) -> None:
    room = state.waiting[order.asset]
    del room[order.oid]
    if not room:
        del state.waiting[order.asset]
    del account.open_orders[order.oid]
