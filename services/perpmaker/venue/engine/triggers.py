"""Trigger orders go live when the mark reaches them.

A fired order keeps its oid, is `triggered` for a moment and then enters the book like a new one: a market order as
IOC bounded by its price, a limit order as GTC. All checks of a placement apply then.
Source: Hyperliquid documentation, "Take profit and stop loss orders".
"""

from __future__ import annotations

from perpmaker.venue.engine.families import settle_families
from perpmaker.venue.engine.orders import Order, Wait
from perpmaker.venue.engine.placing import enter
from perpmaker.venue.engine.reduce_only import closable_e8
from perpmaker.venue.engine.resting import release
from perpmaker.venue.engine.state import State


def fire_triggers(state: State) -> None:
    """Release every waiting order the mark has reached, oldest first within each market.

    Nothing fires while only post-only orders pass.
    """
    if state.gates.post_only:
        return
    for asset in sorted(state.waiting):
        mark = state.mark_px_e8(asset)
        for order in list(state.waiting.get(asset, {}).values()):
            if order.is_open and _is_due(order, mark):
                _fire(state, order)


def _is_due(order: Order, mark_px_e8: int) -> bool:
    trigger = order.trigger
    if trigger is None or order.wait is not Wait.TRIGGER:
        return False
    return trigger.is_reached(mark_px_e8, is_buy=order.is_buy)


def _fire(state: State, order: Order) -> None:
    account = state.accounts[order.address]
    state.begin_transaction()
    release(state, order)
    if order.is_position_tpsl and not order.orig_sz_e8:
        order.sz_e8 = order.orig_sz_e8 = closable_e8(account, order.asset, is_buy=order.is_buy)
    enter(state, account, order)
    settle_families(state)
