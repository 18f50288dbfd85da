"""Orders that belong together: a parent and what protects it, and siblings of which one is enough.

When a parent is filled its children start to watch the mark; when it ends otherwise they end with it, unless it was
cancelled for lack of margin after a part was filled. When one of two siblings is filled the other goes. Orders that
protect a whole position go when the position does.
Source: Hyperliquid documentation, "Take profit and stop loss orders".
"""

from __future__ import annotations

from collections.abc import Sequence

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.orders import Grouping, NewOrder, Order, Wait
from perpmaker.venue.engine.placing import Held, Outcome, Refused, place
from perpmaker.venue.engine.reduce_only import closable_e8
from perpmaker.venue.engine.resting import drop
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import Status


def place_group(state: State, account: Account, wanted: Sequence[NewOrder], grouping: Grouping) -> list[Outcome]:
    """Place the orders of one action, each seeing the effects of those before it."""
    match grouping:
        case Grouping.NONE:
            return [_alone(state, account, order) for order in wanted]
        case Grouping.NORMAL_TPSL:
            return _with_children(state, account, wanted)
        case Grouping.POSITION_TPSL:
            outcomes = [place(state, account, order, protects_position=True) for order in wanted]
            _introduce(outcomes)
            settle_families(state)
            return outcomes


def _alone(state: State, account: Account, wanted: NewOrder) -> Outcome:
    outcome = place(state, account, wanted)
    settle_families(state)
    return outcome


def _with_children(state: State, account: Account, wanted: Sequence[NewOrder]) -> list[Outcome]:
    outcome = place(state, account, wanted[0])
    if isinstance(outcome, Refused):
        return [outcome for _ in wanted]
    parent = outcome.order
    wait = Wait.TRIGGER if parent.status is Status.FILLED else Wait.FILL
    children = [place(state, account, child, parent=parent, wait=wait) for child in wanted[1:]]
    parent.children = _introduce(children)
    settle_families(state)
    return [outcome, *children]


def _introduce(outcomes: Sequence[Outcome]) -> tuple[int, ...]:
    held = [outcome.order for outcome in outcomes if isinstance(outcome, Held)]
    for order in held:
        order.siblings = tuple(other.oid for other in held if other is not order)
    return tuple(order.oid for order in held)


def settle_families(state: State) -> None:
    """Carry out what the orders that ended since the last call mean for their families."""
    while state.ended:
        order = state.ended.popleft()
        account = state.accounts[order.address]
        for child in _open(account, order.children):
            if order.status is Status.FILLED or (order.status is Status.MARGIN_CANCELED and order.filled_sz_e8):
                child.wait = Wait.TRIGGER if child.is_waiting else child.wait
                state.events.touched_orders.add(order.address)
            else:
                drop(state, child, Status.CANCELED)
        if order.status is Status.FILLED:
            for sibling in _open(account, order.siblings):
                drop(state, sibling, Status.SIBLING_FILLED_CANCELED)
    while state.moved:
        address, asset = next(iter(state.moved))
        del state.moved[address, asset]
        _let_go_of(state, state.accounts[address], asset)


def _open(account: Account, oids: tuple[int, ...]) -> list[Order]:
    return [order for oid in oids if (order := account.open_orders.get(oid)) is not None]


def _let_go_of(state: State, account: Account, asset: int) -> None:
    for order in list(state.waiting.get(asset, {}).values()):
        if order.address != account.address or not order.is_position_tpsl:
            continue
        if not closable_e8(account, asset, is_buy=order.is_buy):
            drop(state, order, Status.REDUCE_ONLY_CANCELED)
