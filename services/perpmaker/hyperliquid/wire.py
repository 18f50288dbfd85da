"""Wire types of the exchange's order entry: actions, envelopes, responses.

Field order is the canonical order of the exchange's msgpack hash, absent optionals are omitted, and unknown keys are
refused, so one encoding of these structs serves signing and sending alike. Source: Hyperliquid exchange endpoint and
the official SDK's signing order.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

Tif = Literal["Alo", "Ioc", "Gtc", "FrontendMarket"]


class LimitTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of a limit order."""

    tif: Tif


class TriggerTerms(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Terms of a stop or take-profit order."""

    is_market: bool
    trigger_px: str
    tpsl: Literal["tp", "sl"]


class OrderType(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of limit and trigger is set."""

    limit: LimitTerms | UnsetType = UNSET
    trigger: TriggerTerms | UnsetType = UNSET


class OrderWire(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One order: asset, is-buy, price, size, reduce-only, type, client id. Prices and sizes are decimal strings."""

    a: int
    b: bool
    p: str
    s: str
    r: bool
    t: OrderType
    c: str | UnsetType = UNSET


class Builder(Struct, frozen=True, forbid_unknown_fields=True):
    """Builder address and its fee in tenths of a basis point."""

    b: str
    f: int


class PriorityGrouping(Struct, frozen=True, forbid_unknown_fields=True):
    """Priority fee as a fraction p/1e8 of notional."""

    p: int


class OrderAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="order"):
    """Place orders."""

    orders: tuple[OrderWire, ...]
    grouping: str | PriorityGrouping
    builder: Builder | UnsetType = UNSET


class CancelWire(Struct, frozen=True, forbid_unknown_fields=True):
    """Asset and order id."""

    a: int
    o: int


class CancelAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="cancel"):
    """Cancel by order id."""

    cancels: tuple[CancelWire, ...]
    f: bool | UnsetType = UNSET


class CancelByCloidWire(Struct, frozen=True, forbid_unknown_fields=True):
    """Asset and client order id."""

    asset: int
    cloid: str


class CancelByCloidAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="cancelByCloid"):
    """Cancel by client order id."""

    cancels: tuple[CancelByCloidWire, ...]
    f: bool | UnsetType = UNSET


class ModifyWire(Struct, frozen=True, forbid_unknown_fields=True):
    """Order id or client order id, and its replacement."""

    oid: int | str
    order: OrderWire


class ModifyAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="modify"):
    """Replace one order; the answer carries no order id."""

    oid: int | str
    order: OrderWire
    a: bool | UnsetType = UNSET


class BatchModifyAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="batchModify"):
    """Replace several orders; answers like `order`."""

    modifies: tuple[ModifyWire, ...]
    a: bool | UnsetType = UNSET


class ScheduleCancelAction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="scheduleCancel"):
    """Dead man's switch: cancel everything at `time` ms, or clear it when absent."""

    time: int | UnsetType = UNSET


class UpdateLeverageAction(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="updateLeverage"):
    """Set leverage and margin mode of an asset."""

    asset: int
    is_cross: bool
    leverage: int


class NoopAction(Struct, frozen=True, forbid_unknown_fields=True, tag="noop"):
    """Does nothing but consume its nonce."""


class ApproveAgentAction(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="approveAgent"):
    """Approve an API wallet; signed by the user as readable typed data."""

    signature_chain_id: str
    hyperliquid_chain: str
    agent_address: str
    nonce: int
    agent_name: str | None = None


L1Action = (
    OrderAction
    | CancelAction
    | CancelByCloidAction
    | ModifyAction
    | BatchModifyAction
    | ScheduleCancelAction
    | UpdateLeverageAction
    | NoopAction
)
"""Actions signed as a phantom agent over their msgpack hash."""

Action = L1Action | ApproveAgentAction
"""Every action this version speaks."""


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """Recoverable signature; r and s are 0x hex of one to 64 digits."""

    r: str
    s: str
    v: int


class Envelope(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Body of POST /exchange and payload of a WebSocket action post."""

    action: Action
    nonce: int
    signature: Signature
    vault_address: str | None = None
    expires_after: int | None = None


class RestingStatus(Struct, frozen=True, omit_defaults=True):
    """The order rests in the book."""

    oid: int
    cloid: str | None = None


class FilledStatus(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The order executed at once, in whole or in part."""

    total_sz: str
    avg_px: str
    oid: int
    cloid: str | None = None


class ItemStatus(Struct, frozen=True, omit_defaults=True):
    """One entry of `statuses` in object form; exactly one field is set."""

    resting: RestingStatus | None = None
    filled: FilledStatus | None = None
    error: str | None = None


class StatusesData(Struct, frozen=True):
    """Per-item results; bare strings are `success`, `waitingForFill`, `waitingForTrigger`."""

    statuses: tuple[ItemStatus | str, ...]


class OkResponse(Struct, frozen=True, omit_defaults=True):
    """Answer of an accepted action: its type and, for batches, per-item statuses."""

    type: str
    data: StatusesData | msgspec.Raw | None = None


class ExchangeAnswer(Struct, frozen=True):
    """Top-level answer: status "ok" with a response object, or "err" with a text."""

    status: Literal["ok", "err"]
    response: msgspec.Raw


_MSGPACK = msgspec.msgpack.Encoder()


def canonical_msgpack(action: L1Action) -> bytes:
    """Bytes the exchange hashes for an action (before nonce, vault and expiry are appended)."""
    return _MSGPACK.encode(action)
