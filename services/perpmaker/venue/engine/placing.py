"""Placing one order that passed the static checks: runtime checks, matching, resting or waiting.

A refusal here leaves a terminal record with its own oid, unless the order was refused before the engine took it up
(after an upgrade, or for want of an approval).
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.venue.engine import texts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.checks import own_in_the_way, refusal_of, refusal_of_trigger
from perpmaker.venue.engine.matching import match
from perpmaker.venue.engine.orders import NewOrder, Order, Tif, Wait
from perpmaker.venue.engine.reduce_only import closable_e8, trim_reduce_only
from perpmaker.venue.engine.resting import drop, hold, rest
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.engine.sub_accounts import approved_builder_fee
from perpmaker.venue.engine.texts import text_of
from perpmaker.venue.units import E8


@dataclass(frozen=True, slots=True)
class Resting:
    """Accepted, nothing executed yet."""

    order: Order


@dataclass(frozen=True, slots=True)
class Executed:
    """At least something executed at once; a GTC remainder, if any, rests under the same oid."""

    order: Order
    total_sz_e8: int
    avg_px_e8: int


@dataclass(frozen=True, slots=True)
class Held:
    """Accepted, open and outside the book until its trigger or its parent lets it go."""

    order: Order


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted; `text` is what the exchange would say."""

    text: str


Outcome = Resting | Executed | Held | Refused


def place(
    state: State,
    account: Account,
    wanted: NewOrder,
    *,
    protects_position: bool = False,
    parent: Order | None = None,
    wait: Wait = Wait.TRIGGER,
    twap_id: int | None = None,
) -> Outcome:
    """Run one placement. `parent` and `wait` are for children; `wait` matters to trigger orders only."""
    if text := _unrecorded_refusal(state, account, wanted):
        return Refused(text)
    order = _record(state, account, wanted)
    order.twap_id = twap_id
    if forced := state.gates.take_refusal(account.address):
        return _refuse(state, account, order, forced, {})
    if wanted.trigger is None:
        return enter(state, account, order)
    order.is_position_tpsl = protects_position
    order.parent = None if parent is None else parent.oid
    if refusal := refusal_of_trigger(state, account, order, parent):
        return _refuse(state, account, order, *refusal)
    hold(state, order, wait)
    return Held(order)


def enter(state: State, account: Account, order: Order) -> Outcome:
    """Take an order to the book, now or when its trigger fired."""
    asset = order.asset
    if order.reduce_only and (closable := closable_e8(account, asset, is_buy=order.is_buy)):
        order.sz_e8 = order.recorded_sz_e8 = min(order.sz_e8, closable)
    if refusal := refusal_of(state, account, order):
        return _refuse(state, account, order, *refusal)
    for own in own_in_the_way(state, order):
        drop(state, own, Status.SELF_TRADE_CANCELED)
    executed, paid = match(state, account, state.market(asset), order)
    if executed:
        trim_reduce_only(state, account, asset)
    if order.sz_e8 and order.tif.may_rest:
        rest(state, order)
        if order.reduce_only:
            trim_reduce_only(state, account, asset)
    elif executed:
        # What an IOC could not execute stays in its record as its size.
        state.set_status(order, Status.FILLED)
        account.remember(order)
    else:
        return _refuse(state, account, order, Status.IOC_REJECTED, {})
    if not executed:
        return Resting(order)
    return Executed(order, executed, paid * E8 // executed)


def _unrecorded_refusal(state: State, account: Account, wanted: NewOrder) -> str | None:
    if wanted.refusal is not None:
        return wanted.refusal
    if state.gates.post_only and wanted.tif is not Tif.ALO:
        return texts.POST_ONLY_PERIOD
    if wanted.builder is not None:
        approved = approved_builder_fee(state, account, wanted.builder.address)
        if wanted.builder.fee_tenths_bp > approved:
            return texts.BUILDER_UNAPPROVED
    if wanted.cloid is not None and not state.rules.orders.cloid_reuse_while_open:
        current = account.find(wanted.cloid)
        if current is not None and current.is_open:
            return f"{texts.CLOID_IN_USE} asset={wanted.asset}"
    return None


def _record(state: State, account: Account, wanted: NewOrder) -> Order:
    tif = wanted.tif
    if wanted.trigger is not None:
        tif = Tif.IOC if wanted.trigger.is_market else Tif.GTC
    return Order(
        oid=state.take_oid(),
        address=account.address,
        asset=wanted.asset,
        is_buy=wanted.is_buy,
        px_e8=wanted.px_e8,
        sz_e8=wanted.sz_e8,
        orig_sz_e8=wanted.sz_e8,
        tif=tif,
        reduce_only=wanted.reduce_only,
        cloid=wanted.cloid,
        placed_ms=state.now_ms,
        status=Status.OPEN,
        status_ms=state.now_ms,
        recorded_sz_e8=wanted.sz_e8,
        trigger=wanted.trigger,
        builder=wanted.builder,
        priority_e8=wanted.priority_e8,
    )


def _refuse(state: State, account: Account, order: Order, status: Status, facts: dict[str, str]) -> Refused:
    state.set_status(order, status)
    account.remember(order)
    return Refused(text_of(state.rules.orders.texts, status, order.asset, **facts))
