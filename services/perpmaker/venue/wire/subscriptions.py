"""What may be said on a WebSocket, and which streams there are.

A subscription is a value: equal subscriptions are the same stream. Its encoding is the normalised echo the
exchange sends back, with optional fields as null.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from perpmaker.venue.wire.decode import address_of
from perpmaker.venue.wire.info_requests import Interval
from perpmaker.venue.wire.json_text import is_too_deep


class AllMids(msgspec.Struct, frozen=True, tag="allMids"):
    dex: str | None = None


class L2Book(msgspec.Struct, frozen=True, tag="l2Book", rename="camel"):
    coin: str
    n_sig_figs: int | None = None
    mantissa: int | None = None
    fast: bool | UnsetType | None = UNSET


class Bbo(msgspec.Struct, frozen=True, tag="bbo"):
    coin: str


class Trades(msgspec.Struct, frozen=True, tag="trades"):
    coin: str


class Candle(msgspec.Struct, frozen=True, tag="candle"):
    coin: str
    interval: Interval


class AssetCtxs(msgspec.Struct, frozen=True, tag="assetCtxs"):
    dex: str | None = None


class AllDexsAssetCtxs(msgspec.Struct, frozen=True, tag="allDexsAssetCtxs"):
    pass


class FastAssetCtxs(msgspec.Struct, frozen=True, tag="fastAssetCtxs"):
    pass


class SpotAssetCtxs(msgspec.Struct, frozen=True, tag="spotAssetCtxs"):
    pass


class ActiveAssetCtx(msgspec.Struct, frozen=True, tag="activeAssetCtx"):
    coin: str


class OrderUpdates(msgspec.Struct, frozen=True, tag="orderUpdates"):
    user: str


class UserFills(msgspec.Struct, frozen=True, tag="userFills", rename="camel"):
    user: str
    aggregate_by_time: bool | None = False


class UserEvents(msgspec.Struct, frozen=True, tag="userEvents"):
    user: str


class OpenOrders(msgspec.Struct, frozen=True, tag="openOrders"):
    user: str
    dex: str | None = None


class ClearinghouseState(msgspec.Struct, frozen=True, tag="clearinghouseState"):
    user: str
    dex: str | None = None


class ActiveAssetData(msgspec.Struct, frozen=True, tag="activeAssetData"):
    user: str
    coin: str


class UserFundings(msgspec.Struct, frozen=True, tag="userFundings"):
    user: str


class UserNonFundingLedgerUpdates(msgspec.Struct, frozen=True, tag="userNonFundingLedgerUpdates"):
    user: str


class UserHistoricalOrders(msgspec.Struct, frozen=True, tag="userHistoricalOrders"):
    user: str


class Notification(msgspec.Struct, frozen=True, tag="notification"):
    user: str


class TwapStates(msgspec.Struct, frozen=True, tag="twapStates"):
    user: str
    dex: str | None = None


class UserTwapSliceFills(msgspec.Struct, frozen=True, tag="userTwapSliceFills"):
    user: str


class UserTwapHistory(msgspec.Struct, frozen=True, tag="userTwapHistory"):
    user: str


class SpotState(msgspec.Struct, frozen=True, tag="spotState"):
    user: str


class AllDexsClearinghouseState(msgspec.Struct, frozen=True, tag="allDexsClearinghouseState"):
    user: str


class WebData2(msgspec.Struct, frozen=True, tag="webData2"):
    user: str


class WebData3(msgspec.Struct, frozen=True, tag="webData3"):
    user: str


MarketStream = (
    AllMids
    | L2Book
    | Bbo
    | Trades
    | Candle
    | ActiveAssetCtx
    | AssetCtxs
    | AllDexsAssetCtxs
    | FastAssetCtxs
    | SpotAssetCtxs
)
UserStream = (
    OrderUpdates
    | UserFills
    | UserEvents
    | OpenOrders
    | ClearinghouseState
    | ActiveAssetData
    | UserFundings
    | UserNonFundingLedgerUpdates
    | UserHistoricalOrders
    | Notification
    | TwapStates
    | UserTwapSliceFills
    | UserTwapHistory
    | SpotState
    | AllDexsClearinghouseState
    | WebData2
    | WebData3
)
Subscription = MarketStream | UserStream


class Ping(msgspec.Struct, tag_field="method", tag="ping"):
    pass


class PostBody(msgspec.Struct):
    type: Literal["info", "action"]
    payload: msgspec.Raw


class Post(msgspec.Struct, tag_field="method", tag="post"):
    id: int
    request: PostBody


class Subscribe(msgspec.Struct, tag_field="method", tag="subscribe"):
    subscription: msgspec.Raw


class Unsubscribe(msgspec.Struct, tag_field="method", tag="unsubscribe"):
    subscription: msgspec.Raw


Request = Ping | Post | Subscribe | Unsubscribe
_REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_SUBSCRIPTION: msgspec.json.Decoder[Subscription] = msgspec.json.Decoder(Subscription)


def decode_request(frame: bytes) -> Request | None:
    """Read one client frame, or None when it is no request at all."""
    if is_too_deep(frame):
        return None
    try:
        return _REQUEST.decode(frame)
    except (ValueError, RecursionError):  # msgspec's own refusals are of the first kind too
        return None


def decode_subscription(raw: msgspec.Raw) -> Subscription | None:
    """Read a subscription in its normal form, or None when there is no such stream."""
    try:
        wanted = _SUBSCRIPTION.decode(raw)
        return replace(wanted, user=address_of(wanted.user)) if isinstance(wanted, UserStream) else wanted
    except (ValueError, RecursionError):
        return None
