"""From the bytes of a request to an action the engine can run, or the exchange's refusal to read it.

The canonical form (decimals normalised, hex in lower case, unset flags left out) is what is hashed for the
signature: a client may send `"64000.0"` but must have signed `"64000"`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from perpmaker.hyperliquid import wire
from perpmaker.venue.engine import actions
from perpmaker.venue.engine.orders import Builder, Grouping, NewOrder, Tif, Trigger
from perpmaker.venue.units import parse_e8
from perpmaker.venue.wire.account_actions import account_action_to_engine, canonical_account_action
from perpmaker.venue.wire.json_text import first_with_text, repeated_key
from perpmaker.venue.wire.values import address_of, cloid_of, decimal, unsigned

__all__ = ["MALFORMED", "UNREADABLE", "UnreadableError", "address_of", "canonical", "cloid_of", "decode_envelope"]

MALFORMED = "Failed to parse the request body as JSON"
UNREADABLE = "Failed to deserialize the JSON body into the target type"

_HEX_WORD = re.compile(r"\A0x[0-9a-fA-F]{1,64}\Z")
_GROUPINGS = ("na", "normalTpsl", "positionTpsl")
_MAX_PRIORITY = 10**8
_ENVELOPE = msgspec.json.Decoder(wire.Envelope)


@dataclass(slots=True)
class UnreadableError(Exception):
    """A body that is refused before anything is looked up: HTTP status and text."""

    status: int
    text: str


def decode_envelope(body: bytes | msgspec.Raw) -> wire.Envelope:
    """Read an `/exchange` body into its canonical form. Raises `UnreadableError` (400 or 422).

    What follows the first JSON value is ignored; a key that is given twice makes the body unreadable.
    """
    try:
        value, text = first_with_text(bytes(body))
    except ValueError as error:
        raise UnreadableError(400, f"{MALFORMED}: {error}") from None
    try:
        if (repeated := repeated_key(value)) is not None:
            raise ValueError(f"duplicate field `{repeated}`")
        envelope = _ENVELOPE.decode(text)
        return replace(
            envelope,
            action=canonical(envelope.action),
            nonce=unsigned(envelope.nonce),
            signature=_checked_signature(envelope.signature),
            vault_address=None if envelope.vault_address is None else address_of(envelope.vault_address),
            expires_after=None if envelope.expires_after is None else unsigned(envelope.expires_after),
        )
    except (ValueError, RecursionError) as error:  # msgspec's own refusals are of the first kind too
        raise UnreadableError(422, f"{UNREADABLE}: {error}") from None


def _checked_signature(signature: wire.Signature) -> wire.Signature:
    if not (_HEX_WORD.match(signature.r) and _HEX_WORD.match(signature.s)):
        raise ValueError("invalid signature")
    return signature


def canonical(action: wire.Action) -> wire.Action:
    """The form whose msgpack bytes are hashed. Raises `ValueError` for values outside the wire's types."""
    match action:
        case wire.OrderAction(orders, grouping, builder):
            if isinstance(grouping, str) and grouping not in _GROUPINGS:
                raise ValueError(f"unknown grouping {grouping!r}")
            if isinstance(grouping, wire.PriorityGrouping) and not 0 <= grouping.p <= _MAX_PRIORITY:
                raise ValueError(f"priority out of range: {grouping.p}")
            if builder is not UNSET:
                builder = wire.Builder(address_of(builder.b), unsigned(builder.f))
            return replace(action, orders=tuple(_canonical_order(o) for o in orders), builder=builder)
        case wire.CancelAction(cancels, fast):
            pairs = tuple(wire.CancelWire(unsigned(c.a), unsigned(c.o)) for c in cancels)
            return wire.CancelAction(pairs, _flag(fast))
        case wire.CancelByCloidAction(cancels, fast):
            named = tuple(wire.CancelByCloidWire(unsigned(c.asset), cloid_of(c.cloid)) for c in cancels)
            return wire.CancelByCloidAction(named, _flag(fast))
        case wire.ModifyAction(oid, order, always):
            return wire.ModifyAction(_canonical_target(oid), _canonical_order(order), _flag(always))
        case wire.BatchModifyAction(modifies, always):
            items = tuple(wire.ModifyWire(_canonical_target(m.oid), _canonical_order(m.order)) for m in modifies)
            return wire.BatchModifyAction(items, _flag(always))
        case wire.ScheduleCancelAction(time):
            return action if time is UNSET else wire.ScheduleCancelAction(unsigned(time))
        case wire.UpdateLeverageAction(asset, _, leverage):
            return replace(action, asset=unsigned(asset), leverage=unsigned(leverage))
        case wire.TwapOrderAction(twap):
            return wire.TwapOrderAction(replace(twap, a=unsigned(twap.a), s=decimal(twap.s), m=unsigned(twap.m)))
        case wire.TwapCancelAction(asset, number):
            return wire.TwapCancelAction(unsigned(asset), unsigned(number))
        case wire.NoopAction():
            return action
        case _:
            return canonical_account_action(action)


def _flag(value: bool | msgspec.UnsetType) -> bool | msgspec.UnsetType:
    return value or UNSET


def _canonical_target(oid: int | str) -> int | str:
    return cloid_of(oid) if isinstance(oid, str) else unsigned(oid)


def _canonical_order(order: wire.OrderWire) -> wire.OrderWire:
    kinds = (order.t.limit is not UNSET) + (order.t.trigger is not UNSET)
    if kinds != 1:
        raise ValueError("exactly one of limit and trigger must be given")
    terms = order.t
    if terms.trigger is not UNSET:
        trigger = replace(terms.trigger, trigger_px=decimal(terms.trigger.trigger_px))
        terms = wire.OrderType(trigger=trigger)
    return replace(
        order,
        a=unsigned(order.a),
        p=decimal(order.p),
        s=decimal(order.s),
        t=terms,
        c=order.c if order.c is UNSET else cloid_of(order.c),
    )


def to_engine(action: wire.Action) -> actions.Action:
    """Translate a canonical action into the engine's terms."""
    match action:
        case wire.OrderAction(orders, grouping, builder):
            placed = tuple(_new_order(order, grouping, builder) for order in orders)
            return actions.PlaceOrders(placed, Grouping(grouping) if isinstance(grouping, str) else Grouping.NONE)
        case wire.CancelAction(cancels, fast):
            return actions.CancelOrders(tuple((c.a, c.o) for c in cancels), fast=fast is True)
        case wire.CancelByCloidAction(cancels, fast):
            return actions.CancelOrders(tuple((c.asset, c.cloid) for c in cancels), fast=fast is True)
        case wire.ModifyAction(oid, order, always):
            item = actions.Modification(oid, _new_order(order))
            return actions.ModifyOrders((item,), always_place=always is True, is_single=True)
        case wire.BatchModifyAction(modifies, always):
            items = tuple(actions.Modification(m.oid, _new_order(m.order)) for m in modifies)
            return actions.ModifyOrders(items, always_place=always is True)
        case wire.ScheduleCancelAction(time):
            return actions.ScheduleCancel(None if time is UNSET else time)
        case wire.UpdateLeverageAction(asset, is_cross, leverage):
            return actions.UpdateLeverage(asset, is_cross, leverage)
        case wire.TwapOrderAction(twap):
            return actions.StartTwap(twap.a, twap.b, parse_e8(twap.s), twap.r, twap.m, twap.t)
        case wire.TwapCancelAction(asset, number):
            return actions.StopTwap(asset, number)
        case wire.NoopAction():
            return actions.Noop()
        case _:
            return account_action_to_engine(action)


def _new_order(
    order: wire.OrderWire,
    grouping: str | wire.PriorityGrouping = "na",
    builder: wire.Builder | msgspec.UnsetType = UNSET,
) -> NewOrder:
    limit, trigger = order.t.limit, order.t.trigger
    return NewOrder(
        asset=order.a,
        is_buy=order.b,
        px_e8=parse_e8(order.p),
        sz_e8=parse_e8(order.s),
        tif=Tif.GTC if limit is UNSET else Tif(limit.tif),
        reduce_only=order.r,
        cloid=None if order.c is UNSET else order.c,
        trigger=None if trigger is UNSET else _trigger(trigger),
        builder=None if builder is UNSET else Builder(builder.b, builder.f),
        priority_e8=grouping.p if isinstance(grouping, wire.PriorityGrouping) else 0,
    )


def _trigger(terms: wire.TriggerTerms) -> Trigger:
    return Trigger(parse_e8(terms.trigger_px), terms.is_market, is_take_profit=terms.tpsl == "tp")


ACTION_TYPES = tuple(str(kind.__struct_config__.tag) for kind in get_args(wire.Action))
