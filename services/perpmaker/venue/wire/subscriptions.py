"""What may be said on a WebSocket, and which streams there are.

A subscription is a value: equal subscriptions are the same stream. Its encoding is the normalised echo the
exchange sends back, with optional fields as null.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from perpmaker.venue.engine.markets import Market
from perpmaker.venue.wire.decode import address_of


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


class ActiveAssetCtx(msgspec.Struct, frozen=True, tag="activeAssetCtx"):
    coin: str


class OrderUpdates(msgspec.Struct, frozen=True, tag="orderUpdates"):
    user: str


class UserFills(msgspec.Struct, frozen=True, tag="userFills", rename="camel"):
    user: str
    aggregate_by_time: bool = False


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


MarketStream = AllMids | L2Book | Bbo | Trades | ActiveAssetCtx
UserStream = (
    OrderUpdates
    | UserFills
    | UserEvents
    | OpenOrders
    | ClearinghouseState
    | ActiveAssetData
    | UserFundings
    | UserNonFundingLedgerUpdates
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
    try:
        return _REQUEST.decode(frame)
    except msgspec.DecodeError:
        return None


def decode_subscription(raw: msgspec.Raw, markets: tuple[Market, ...]) -> Subscription | None:
    """Read a subscription in its normal form, or None when there is no such stream."""
    try:
        wanted = _SUBSCRIPTION.decode(raw)
        if isinstance(wanted, UserStream):
            wanted = replace(wanted, user=address_of(wanted.user))
    except (msgspec.DecodeError, ValueError):
        return None
    coin = getattr(wanted, "coin", None)
    if coin is not None and coin not in {market.coin for market in markets}:
        return None
    return wanted
