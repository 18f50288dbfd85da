"""Reduce-only orders never hold more than there is to close.

After every change of a position: orders on the side that no longer reduces are cancelled, and if the rest add
up to more than the position, the oldest give way first.
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.orders import Order, Status
from perpmaker.venue.engine.resting import drop, shrink
from perpmaker.venue.engine.state import State


def closable_e8(account: Account, asset: int, *, is_buy: bool) -> int:
    """How much a reduce-only order of this side may execute; zero when it would not reduce."""
    szi = account.szi_e8(asset)
    return abs(szi) if szi and (szi < 0) == is_buy else 0


def trim_reduce_only(state: State, account: Account, asset: int) -> None:
    """Bring this account's resting reduce-only orders of one market back inside its position."""
    state.moved[account.address, asset] = None
    orders = [o for o in account.open_orders.values() if o.reduce_only and o.asset == asset and not o.is_waiting]
    for is_buy in (True, False):
        side = [o for o in orders if o.is_buy == is_buy]
        trim_to(state, side, closable_e8(account, asset, is_buy=is_buy))


def trim_to(state: State, oldest_first: list[Order], allowed_e8: int) -> None:
    """Bring these orders of one side down to a total size, the oldest giving way first."""
    _trim(state, oldest_first, sum(order.sz_e8 for order in oldest_first) - allowed_e8)


def _trim(state: State, oldest_first: list[Order], excess: int) -> None:
    for order in oldest_first:
        if excess <= 0:
            return
        if order.sz_e8 <= excess:
            excess -= order.sz_e8
            drop(state, order, Status.REDUCE_ONLY_CANCELED)
        else:
            shrink(state, order, excess)
            return
