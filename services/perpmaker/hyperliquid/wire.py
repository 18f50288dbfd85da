"""Wire types of the exchange's order entry: actions and envelopes.

Field order is the canonical order of the exchange's msgpack hash, absent optionals are omitted, and unknown keys are
refused, so one encoding of these structs serves signing and sending alike. Source: Hyperliquid exchange endpoint and
the official SDK's signing order.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from perpmaker.hyperliquid.owner_wire import UserSignedAction

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


class UpdateIsolatedMarginAction(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="updateIsolatedMargin"
):
    """Move `ntli` (signed, USD scaled by 1e6) into or out of the margin of an isolated position."""

    asset: int
    is_buy: bool
    ntli: int


class TopUpIsolatedOnlyMarginAction(Struct, frozen=True, forbid_unknown_fields=True, tag="topUpIsolatedOnlyMargin"):
    """Add margin to an isolated-only position until it has this leverage, a decimal string."""

    asset: int
    leverage: str


class TwapWire(Struct, frozen=True, forbid_unknown_fields=True):
    """Asset, is-buy, size, reduce-only, minutes, and whether the times of slices are randomised."""

    a: int
    b: bool
    s: str
    r: bool
    m: int
    t: bool


class TwapOrderAction(Struct, frozen=True, forbid_unknown_fields=True, tag="twapOrder"):
    """Trade a size in slices over some minutes."""

    twap: TwapWire


class TwapCancelAction(Struct, frozen=True, forbid_unknown_fields=True, tag="twapCancel"):
    """Asset and TWAP id."""

    a: int
    t: int


class ReserveRequestWeightAction(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="reserveRequestWeight"
):
    """Buy requests beyond what the traded volume gives, for itself or for `destination`."""

    weight: int
    destination: str | UnsetType = UNSET


class CreateSubAccountAction(Struct, frozen=True, forbid_unknown_fields=True, tag="createSubAccount"):
    """Open a sub-account; the answer carries its address."""

    name: str


class SubAccountModifyAction(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="subAccountModify"):
    """Rename a sub-account."""

    sub_account_user: str
    name: str


class SubAccountTransferAction(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="subAccountTransfer"
):
    """Move `usd` (scaled by 1e6) into a sub-account or back."""

    sub_account_user: str
    is_deposit: bool
    usd: int


class SubAccountSpotTransferAction(
    Struct, frozen=True, forbid_unknown_fields=True, rename="camel", tag="subAccountSpotTransfer"
):
    """Move a token (`NAME:id`) between the spot balances of a master and a sub-account."""

    sub_account_user: str
    is_deposit: bool
    token: str
    amount: str


class SetReferrerAction(Struct, frozen=True, forbid_unknown_fields=True, tag="setReferrer"):
    """Name the code of whoever brought this user."""

    code: str


class AgentSetAbstractionAction(Struct, frozen=True, forbid_unknown_fields=True, tag="agentSetAbstraction"):
    """Choose the account mode: `i` separate, `u` unified, `p` portfolio margin."""

    abstraction: Literal["i", "u", "p"]


L1Action = (
    OrderAction
    | CancelAction
    | CancelByCloidAction
    | ModifyAction
    | BatchModifyAction
    | ScheduleCancelAction
    | UpdateLeverageAction
    | UpdateIsolatedMarginAction
    | TopUpIsolatedOnlyMarginAction
    | NoopAction
    | TwapOrderAction
    | TwapCancelAction
    | ReserveRequestWeightAction
    | CreateSubAccountAction
    | SubAccountModifyAction
    | SubAccountTransferAction
    | SubAccountSpotTransferAction
    | SetReferrerAction
    | AgentSetAbstractionAction
)
"""Actions signed as a phantom agent over their msgpack hash."""

Action = L1Action | UserSignedAction
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


_MSGPACK = msgspec.msgpack.Encoder()


def canonical_msgpack(action: L1Action) -> bytes:
    """Bytes the exchange hashes for an action (before nonce, vault and expiry are appended)."""
    return _MSGPACK.encode(action)
