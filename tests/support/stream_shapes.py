"""The shapes of WebSocket messages by channel, written from the documentation and recorded frames.

Source: Hyperliquid documentation, "WebSocket", subscriptions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from tests.support import account_shapes as of_account
from tests.support import market_shapes as of_market
from tests.support.exchange_shapes import Address, Amount, Count, Shape, Time


class AllMids(Shape):
    mids: dict[str, Amount]
    dex: str | UnsetType = UNSET


class ActiveAssetCtx(Shape):
    coin: str
    ctx: of_market.AssetCtx


class AssetCtxs(Shape):
    dex: str
    ctxs: list[of_market.AssetCtx]


class AllDexsAssetCtxs(Shape):
    ctxs: list[tuple[str, list[of_market.AssetCtx]]]


class UserFills(Shape):
    user: Address
    fills: list[of_account.Fill]
    is_snapshot: bool | UnsetType = UNSET


class UserFundings(Shape):
    user: Address
    fundings: list[of_account.FundingEvent]
    is_snapshot: bool | UnsetType = UNSET


class LedgerUpdates(Shape):
    user: Address
    non_funding_ledger_updates: list[of_account.LedgerUpdate]
    is_snapshot: bool | UnsetType = UNSET


class OrderHistory(Shape):
    user: Address
    order_history: list[of_account.OrderRecord]
    is_snapshot: bool | UnsetType = UNSET


class OpenOrders(Shape):
    dex: str
    user: Address
    orders: list[of_account.FrontendOrder]


class ClearinghouseState(Shape):
    dex: str
    user: Address
    clearinghouse_state: of_account.ClearinghouseState


class AllDexsClearinghouseState(Shape):
    user: Address
    clearinghouse_states: list[tuple[str, of_account.ClearinghouseState]]


class SpotState(Shape):
    user: Address
    spot_state: of_account.SpotState


class TwapStates(Shape):
    dex: str
    user: Address
    states: list[tuple[Count, dict[str, Any]]]


class TwapSliceFills(Shape):
    user: Address
    twap_slice_fills: list[dict[str, Any]]
    is_snapshot: bool | UnsetType = UNSET


class TwapHistory(Shape):
    user: Address
    history: list[dict[str, Any]]
    is_snapshot: bool | UnsetType = UNSET


class Cancelled(Shape):
    coin: str
    oid: Count


class Liquidation(Struct, forbid_unknown_fields=True):
    lid: Count
    liquidator: Address
    liquidated_user: Address
    liquidated_ntl_pos: Amount
    liquidated_account_value: Amount


class UserEvent(Shape):
    """Exactly one of these at a time."""

    fills: list[of_account.Fill] | UnsetType = UNSET
    funding: of_account.FundingEvent | UnsetType = UNSET
    liquidation: Liquidation | UnsetType = UNSET
    non_user_cancel: list[Cancelled] | UnsetType = UNSET


class WebUser(Shape):
    agent_address: Address | None
    agent_valid_until: Time | None
    cum_ledger: Amount
    server_time: Time
    is_vault: bool
    user: Address


class WebDexState(Shape):
    total_vault_equity: Amount
    perps_at_open_interest_cap: list[str] | UnsetType = UNSET
    leading_vaults: list[Any] | UnsetType = UNSET


class WebData3(Shape):
    user_state: WebUser
    perp_dex_states: list[WebDexState]


class WebData2(Shape):
    clearinghouse_state: of_account.ClearinghouseState
    leading_vaults: list[Any]
    total_vault_equity: Amount
    open_orders: list[of_account.FrontendOrder]
    agent_address: Address | None
    agent_valid_until: Time | None
    cum_ledger: Amount
    meta: of_market.PerpMeta
    asset_ctxs: list[of_market.AssetCtx]
    server_time: Time
    is_vault: bool
    user: Address
    twap_states: list[Any]
    spot_state: of_account.SpotState
    spot_asset_ctxs: list[Any]
    perps_at_open_interest_cap: list[str]


class Notification(Shape):
    notification: str


CHANNELS: dict[str, Any] = {
    "allMids": AllMids,
    "l2Book": of_market.L2Book,
    "bbo": of_market.Bbo,
    "trades": list[of_market.Trade],
    "candle": of_market.Candle,
    "activeAssetCtx": ActiveAssetCtx,
    "assetCtxs": AssetCtxs,
    "allDexsAssetCtxs": AllDexsAssetCtxs,
    "fastAssetCtxs": Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]+=*$")],
    "spotAssetCtxs": list[of_market.SpotContext],
    "orderUpdates": list[of_account.OrderUpdate],
    "userFills": UserFills,
    "user": UserEvent,
    "openOrders": OpenOrders,
    "clearinghouseState": ClearinghouseState,
    "allDexsClearinghouseState": AllDexsClearinghouseState,
    "activeAssetData": of_account.ActiveAssetData,
    "userFundings": UserFundings,
    "userNonFundingLedgerUpdates": LedgerUpdates,
    "userHistoricalOrders": OrderHistory,
    "notification": Notification,
    "twapStates": TwapStates,
    "userTwapSliceFills": TwapSliceFills,
    "userTwapHistory": TwapHistory,
    "spotState": SpotState,
    "webData2": WebData2,
    "webData3": WebData3,
    "pong": Literal[None],
    "error": str,
}
"""Shape of the data of each channel."""
