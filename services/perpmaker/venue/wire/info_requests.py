"""What `POST /info` may be asked, one struct per request type.

Unknown request types, missing and mistyped fields are unreadable (422); extra fields are ignored.
"""

from __future__ import annotations

import msgspec

from perpmaker.venue.wire.decode import MALFORMED, UNREADABLE, UnreadableError, address_of, cloid_of


class Meta(msgspec.Struct, tag="meta"):
    dex: str | None = None


class MetaAndAssetCtxs(msgspec.Struct, tag="metaAndAssetCtxs"):
    dex: str | None = None


class AllPerpMetas(msgspec.Struct, tag="allPerpMetas"):
    pass


class PerpDexs(msgspec.Struct, tag="perpDexs"):
    pass


class MarginTable(msgspec.Struct, tag="marginTable"):
    id: int


class SpotMeta(msgspec.Struct, tag="spotMeta"):
    pass


class SpotMetaAndAssetCtxs(msgspec.Struct, tag="spotMetaAndAssetCtxs"):
    pass


class ExchangeStatus(msgspec.Struct, tag="exchangeStatus"):
    pass


class AllMids(msgspec.Struct, tag="allMids"):
    dex: str | None = None


class L2Book(msgspec.Struct, tag="l2Book", rename="camel"):
    coin: str
    n_sig_figs: int | None = None
    mantissa: int | None = None


class RecentTrades(msgspec.Struct, tag="recentTrades"):
    coin: str


class ClearinghouseState(msgspec.Struct, tag="clearinghouseState"):
    user: str
    dex: str | None = None


class SpotClearinghouseState(msgspec.Struct, tag="spotClearinghouseState"):
    user: str


class OpenOrders(msgspec.Struct, tag="openOrders"):
    user: str
    dex: str | None = None


class FrontendOpenOrders(msgspec.Struct, tag="frontendOpenOrders"):
    user: str
    dex: str | None = None


class OrderStatus(msgspec.Struct, tag="orderStatus"):
    user: str
    oid: int | str


class HistoricalOrders(msgspec.Struct, tag="historicalOrders"):
    user: str


class UserFills(msgspec.Struct, tag="userFills"):
    user: str


class UserFillsByTime(msgspec.Struct, tag="userFillsByTime", rename="camel"):
    user: str
    start_time: int
    end_time: int | None = None


class UserFunding(msgspec.Struct, tag="userFunding", rename="camel"):
    user: str
    start_time: int = 0
    end_time: int | None = None


class UserNonFundingLedgerUpdates(msgspec.Struct, tag="userNonFundingLedgerUpdates", rename="camel"):
    user: str
    start_time: int = 0
    end_time: int | None = None


class UserRateLimit(msgspec.Struct, tag="userRateLimit"):
    user: str


class UserFees(msgspec.Struct, tag="userFees"):
    user: str


class UserRole(msgspec.Struct, tag="userRole"):
    user: str


class ExtraAgents(msgspec.Struct, tag="extraAgents"):
    user: str


class SubAccounts(msgspec.Struct, tag="subAccounts"):
    user: str


class ActiveAssetData(msgspec.Struct, tag="activeAssetData"):
    user: str
    coin: str


class MaxBuilderFee(msgspec.Struct, tag="maxBuilderFee"):
    user: str
    builder: str


class UserAbstraction(msgspec.Struct, tag="userAbstraction"):
    user: str


UserRequest = (
    ClearinghouseState
    | SpotClearinghouseState
    | OpenOrders
    | FrontendOpenOrders
    | OrderStatus
    | HistoricalOrders
    | UserFills
    | UserFillsByTime
    | UserFunding
    | UserNonFundingLedgerUpdates
    | UserRateLimit
    | UserFees
    | UserRole
    | ExtraAgents
    | SubAccounts
    | ActiveAssetData
    | MaxBuilderFee
    | UserAbstraction
)
MarketRequest = (
    Meta
    | MetaAndAssetCtxs
    | AllPerpMetas
    | PerpDexs
    | MarginTable
    | SpotMeta
    | SpotMetaAndAssetCtxs
    | ExchangeStatus
    | AllMids
    | L2Book
    | RecentTrades
)
InfoRequest = MarketRequest | UserRequest
_DECODER: msgspec.json.Decoder[InfoRequest] = msgspec.json.Decoder(InfoRequest)


def decode_info(body: bytes | msgspec.Raw) -> InfoRequest:
    """Read an `/info` body. Raises `UnreadableError` (400 or 422)."""
    try:
        request = _DECODER.decode(body)
        if isinstance(request, UserRequest):
            request.user = address_of(request.user)
        if isinstance(request, OrderStatus) and isinstance(request.oid, str):
            request.oid = cloid_of(request.oid)
    except msgspec.ValidationError as error:
        raise UnreadableError(422, f"{UNREADABLE}: {error}") from None
    except msgspec.DecodeError as error:
        raise UnreadableError(400, f"{MALFORMED}: {error}") from None
    except ValueError as error:
        raise UnreadableError(422, f"{UNREADABLE}: {error}") from None
    return request
