"""From the bytes of a request to an action the engine can run, or the exchange's refusal to read it.

The canonical form (decimals normalised, hex in lower case, unset flags left out) is what is hashed for the
signature: a client may send `"64000.0"` but must have signed `"64000"`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never, get_args

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from perpmaker.hyperliquid import wire
from perpmaker.venue.engine import actions
from perpmaker.venue.engine.orders import Builder, Grouping, NewOrder, Tif, Trigger
from perpmaker.venue.units import canonical_e8, parse_e8

MALFORMED = "Failed to parse the request body as JSON"
UNREADABLE = "Failed to deserialize the JSON body into the target type"

_CLOID = re.compile(r"\A0x[0-9a-fA-F]{32}\Z")
_ADDRESS = re.compile(r"\A(?:0x)?[0-9a-fA-F]{40}\Z")
_HEX_WORD = re.compile(r"\A0x[0-9a-fA-F]{1,64}\Z")
_GROUPINGS = ("na", "normalTpsl", "positionTpsl")
_U64 = 2**64
_MAX_PRIORITY = 10**8
_ENVELOPE = msgspec.json.Decoder(wire.Envelope)


@dataclass(slots=True)
class UnreadableError(Exception):
    """A body that is refused before anything is looked up: HTTP status and text."""

    status: int
    text: str


def decode_envelope(body: bytes | msgspec.Raw) -> wire.Envelope:
    """Read an `/exchange` body into its canonical form. Raises `UnreadableError` (400 or 422)."""
    try:
        envelope = _ENVELOPE.decode(body)
        return replace(
            envelope,
            action=canonical(envelope.action),
            nonce=_unsigned(envelope.nonce),
            signature=_checked_signature(envelope.signature),
            vault_address=None if envelope.vault_address is None else address_of(envelope.vault_address),
            expires_after=None if envelope.expires_after is None else _unsigned(envelope.expires_after),
        )
    except (msgspec.ValidationError, ValueError) as error:
        if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
            raise UnreadableError(400, f"{MALFORMED}: {error}") from None
        raise UnreadableError(422, f"{UNREADABLE}: {error}") from None


def address_of(text: str) -> str:
    """An address in lower case with prefix. Raises `ValueError`; an upper-case `0X` is not accepted."""
    if not _ADDRESS.match(text):
        raise ValueError(f"invalid address {text!r}")
    return "0x" + text.removeprefix("0x").lower()


def cloid_of(text: str) -> str:
    if not _CLOID.match(text):
        raise ValueError(f"invalid cloid {text!r}")
    return text.lower()


def _unsigned(value: int) -> int:
    if not 0 <= value < _U64:
        raise ValueError(f"integer out of range: {value}")
    return value


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
                builder = wire.Builder(address_of(builder.b), _unsigned(builder.f))
            return replace(action, orders=tuple(_canonical_order(o) for o in orders), builder=builder)
        case wire.CancelAction(cancels, fast):
            pairs = tuple(wire.CancelWire(_unsigned(c.a), _unsigned(c.o)) for c in cancels)
            return wire.CancelAction(pairs, _flag(fast))
        case wire.CancelByCloidAction(cancels, fast):
            named = tuple(wire.CancelByCloidWire(_unsigned(c.asset), cloid_of(c.cloid)) for c in cancels)
            return wire.CancelByCloidAction(named, _flag(fast))
        case wire.ModifyAction(oid, order, always):
            return wire.ModifyAction(_canonical_target(oid), _canonical_order(order), _flag(always))
        case wire.BatchModifyAction(modifies, always):
            items = tuple(wire.ModifyWire(_canonical_target(m.oid), _canonical_order(m.order)) for m in modifies)
            return wire.BatchModifyAction(items, _flag(always))
        case wire.ScheduleCancelAction(time):
            return action if time is UNSET else wire.ScheduleCancelAction(_unsigned(time))
        case wire.UpdateLeverageAction(asset, _, leverage):
            return replace(action, asset=_unsigned(asset), leverage=_unsigned(leverage))
        case wire.NoopAction():
            return action
        case wire.ApproveAgentAction():
            return _canonical_approval(action)
        case _:
            assert_never(action)


def _canonical_approval(action: wire.ApproveAgentAction) -> wire.ApproveAgentAction:
    if action.hyperliquid_chain not in ("Mainnet", "Testnet"):
        raise ValueError(f"unknown hyperliquidChain {action.hyperliquid_chain!r}")
    _unsigned(int(action.signature_chain_id, 16))
    return replace(
        action,
        agent_address=address_of(action.agent_address),
        nonce=_unsigned(action.nonce),
        agent_name=action.agent_name or "",
    )


def _flag(value: bool | msgspec.UnsetType) -> bool | msgspec.UnsetType:
    return value or UNSET


def _canonical_target(oid: int | str) -> int | str:
    return cloid_of(oid) if isinstance(oid, str) else _unsigned(oid)


def _canonical_order(order: wire.OrderWire) -> wire.OrderWire:
    kinds = (order.t.limit is not UNSET) + (order.t.trigger is not UNSET)
    if kinds != 1:
        raise ValueError("exactly one of limit and trigger must be given")
    terms = order.t
    if terms.trigger is not UNSET:
        trigger = replace(terms.trigger, trigger_px=_decimal(terms.trigger.trigger_px))
        terms = wire.OrderType(trigger=trigger)
    return replace(
        order,
        a=_unsigned(order.a),
        p=_decimal(order.p),
        s=_decimal(order.s),
        t=terms,
        c=order.c if order.c is UNSET else cloid_of(order.c),
    )


def _decimal(text: str) -> str:
    return canonical_e8(parse_e8(text))


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
        case wire.NoopAction():
            return actions.Noop()
        case wire.ApproveAgentAction():
            return actions.ApproveAgent(action.agent_address, action.agent_name or "", action.nonce)
        case _:
            assert_never(action)


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
