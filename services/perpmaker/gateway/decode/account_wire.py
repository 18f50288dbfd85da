"""Account frames and reads as typed structs; unknown keys are ignored, wrong types are errors.

Decimals stay text here and are read exactly by `decode.account`. Source: Hyperliquid docs, "Info endpoint" and
"Subscriptions".
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class OrderWireInfo(Struct, frozen=True, rename="camel"):
    """Order as open orders, order status and order updates show it."""

    coin: str
    side: str
    limit_px: str
    sz: str
    oid: int
    timestamp: int
    orig_sz: str
    cloid: str | None = None
    reduce_only: bool = False


class OrderUpdateWire(Struct, frozen=True, rename="camel"):
    """Entry of `orderUpdates`, and the inner record of `orderStatus`."""

    order: OrderWireInfo
    status: str
    status_timestamp: int


class OrderStatusWire(Struct, frozen=True):
    """Answer of `orderStatus`: "order" or "unknownOid"."""

    status: str
    order: OrderUpdateWire | None = None


class FillWire(Struct, frozen=True, rename="camel"):
    """Execution of the account; `crossed` means taker."""

    coin: str
    px: str
    sz: str
    side: str
    time: int
    start_position: str
    oid: int
    crossed: bool
    fee: str
    tid: int
    fee_token: str
    cloid: str | None = None
    liquidation: dict[str, Any] | None = None


class UserFillsWire(Struct, frozen=True, rename="camel"):
    """`userFills`."""

    fills: tuple[FillWire, ...]
    is_snapshot: bool = False


class OpenOrdersWire(Struct, frozen=True):
    """`openOrders`."""

    orders: tuple[OrderWireInfo, ...]
    dex: str = ""


class LeverageWire(Struct, frozen=True):
    """Leverage setting."""

    type: str
    value: int


class PositionWire(Struct, frozen=True, rename="camel"):
    """Position of one coin."""

    coin: str
    szi: str
    leverage: LeverageWire
    unrealized_pnl: str
    entry_px: str | None = None
    liquidation_px: str | None = None


class AssetPositionWire(Struct, frozen=True):
    """Wrapper of a position."""

    position: PositionWire


class MarginSummaryWire(Struct, frozen=True, rename="camel"):
    """Equity and margin."""

    account_value: str
    total_margin_used: str


class ClearinghouseWire(Struct, frozen=True, rename="camel"):
    """`clearinghouseState`."""

    margin_summary: MarginSummaryWire
    withdrawable: str
    asset_positions: tuple[AssetPositionWire, ...]
    time: int


class ClearinghouseFrameWire(Struct, frozen=True, rename="camel"):
    """`clearinghouseState` as pushed."""

    clearinghouse_state: ClearinghouseWire
    dex: str = ""


class ActiveAssetDataWire(Struct, frozen=True, rename="camel"):
    """What the account may trade; pairs are buy, sell."""

    coin: str
    leverage: LeverageWire
    max_trade_szs: tuple[str, str]


class FundingWire(Struct, frozen=True, rename="camel"):
    """Funding payment; positive when received."""

    time: int
    coin: str
    usdc: str
    szi: str
    funding_rate: str


class UserFundingsWire(Struct, frozen=True, rename="camel"):
    """`userFundings`."""

    fundings: tuple[FundingWire, ...]
    is_snapshot: bool = False


class LedgerEntryWire(Struct, frozen=True):
    """Ledger change; the keys of `delta` depend on its type."""

    time: int
    delta: dict[str, Any]


class LedgerUpdatesWire(Struct, frozen=True, rename="camel"):
    """`userNonFundingLedgerUpdates`."""

    non_funding_ledger_updates: tuple[LedgerEntryWire, ...]
    is_snapshot: bool = False


class NonUserCancelWire(Struct, frozen=True):
    """Order the exchange cancelled."""

    coin: str
    oid: int


class LiquidationWire(Struct, frozen=True):
    """Liquidation of the account."""

    liquidated_ntl_pos: str


class UserEventWire(Struct, frozen=True, rename="camel"):
    """`user` channel: exactly one field is set; fills and funding have channels of their own."""

    non_user_cancel: tuple[NonUserCancelWire, ...] | None = None
    liquidation: LiquidationWire | None = None


ORDER_UPDATES = msgspec.json.Decoder(tuple[OrderUpdateWire, ...])
ORDER_STATUS = msgspec.json.Decoder(OrderStatusWire)
USER_FILLS = msgspec.json.Decoder(UserFillsWire)
FILLS = msgspec.json.Decoder(tuple[FillWire, ...])
OPEN_ORDERS = msgspec.json.Decoder(OpenOrdersWire)
OPEN_ORDERS_LIST = msgspec.json.Decoder(tuple[OrderWireInfo, ...])
CLEARINGHOUSE_FRAME = msgspec.json.Decoder(ClearinghouseFrameWire)
CLEARINGHOUSE = msgspec.json.Decoder(ClearinghouseWire)
ACTIVE_ASSET_DATA = msgspec.json.Decoder(ActiveAssetDataWire)
USER_FUNDINGS = msgspec.json.Decoder(UserFundingsWire)
LEDGER_UPDATES = msgspec.json.Decoder(LedgerUpdatesWire)
LEDGER_LIST = msgspec.json.Decoder(tuple[LedgerEntryWire, ...])
USER_EVENT = msgspec.json.Decoder(UserEventWire)
