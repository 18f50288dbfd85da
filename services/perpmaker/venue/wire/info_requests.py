"""What `POST /info` may be asked, one struct per request type.

Unknown request types, missing, mistyped and repeated fields are unreadable (422); extra fields are ignored, and so
is whatever follows the first JSON value. `["userRole", "0x..."]` means the same as the object with these fields
in their order. Source: Hyperliquid documentation, "Info endpoint"; the ways of reading as measured.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

from perpmaker.venue.wire.decode import MALFORMED, UNREADABLE, UnreadableError, address_of, cloid_of
from perpmaker.venue.wire.json_text import JsonObject, first_value

Unsigned = Annotated[int, msgspec.Meta(ge=0)]
Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]


class Meta(msgspec.Struct, tag="meta"):
    dex: str | None = None


class MetaAndAssetCtxs(msgspec.Struct, tag="metaAndAssetCtxs"):
    dex: str | None = None


class AllPerpMetas(msgspec.Struct, tag="allPerpMetas"):
    pass


class PerpDexs(msgspec.Struct, tag="perpDexs"):
    pass


class MarginTable(msgspec.Struct, tag="marginTable"):
    id: Unsigned


class PerpsAtOpenInterestCap(msgspec.Struct, tag="perpsAtOpenInterestCap"):
    dex: str | None = None


class MaxMarketOrderNtls(msgspec.Struct, tag="maxMarketOrderNtls"):
    pass


class PerpDexLimits(msgspec.Struct, tag="perpDexLimits"):
    dex: str


class PerpDexStatus(msgspec.Struct, tag="perpDexStatus"):
    dex: str | None = None


class PredictedFundings(msgspec.Struct, tag="predictedFundings"):
    pass


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
    n_sig_figs: Unsigned | None = None
    mantissa: Unsigned | None = None


class RecentTrades(msgspec.Struct, tag="recentTrades"):
    coin: str


class CandleRange(msgspec.Struct, rename="camel"):
    coin: str
    interval: Interval
    start_time: Unsigned
    end_time: Unsigned | None = None


class CandleSnapshot(msgspec.Struct, tag="candleSnapshot"):
    req: CandleRange


class FundingHistory(msgspec.Struct, tag="fundingHistory", rename="camel"):
    coin: str
    start_time: Unsigned
    end_time: Unsigned | None = None


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
    oid: Unsigned | str


class HistoricalOrders(msgspec.Struct, tag="historicalOrders"):
    user: str


class UserFills(msgspec.Struct, tag="userFills", rename="camel"):
    user: str
    aggregate_by_time: bool | None = None


class UserFillsByTime(msgspec.Struct, tag="userFillsByTime", rename="camel"):
    user: str
    start_time: Unsigned
    end_time: Unsigned | None = None
    aggregate_by_time: bool | None = None


class TwapHistory(msgspec.Struct, tag="twapHistory"):
    user: str


class UserTwapSliceFills(msgspec.Struct, tag="userTwapSliceFills"):
    user: str


class UserTwapSliceFillsByTime(msgspec.Struct, tag="userTwapSliceFillsByTime", rename="camel"):
    user: str
    start_time: Unsigned
    end_time: Unsigned | None = None
    aggregate_by_time: bool | None = None


class UserFunding(msgspec.Struct, tag="userFunding", rename="camel"):
    user: str
    start_time: Unsigned = 0
    end_time: Unsigned | None = None


class UserNonFundingLedgerUpdates(msgspec.Struct, tag="userNonFundingLedgerUpdates", rename="camel"):
    user: str
    start_time: Unsigned = 0
    end_time: Unsigned | None = None


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


class Portfolio(msgspec.Struct, tag="portfolio"):
    user: str


class Referral(msgspec.Struct, tag="referral"):
    user: str


class UserVaultEquities(msgspec.Struct, tag="userVaultEquities"):
    user: str


class LegalCheck(msgspec.Struct, tag="legalCheck"):
    user: str


class PreTransferCheck(msgspec.Struct, tag="preTransferCheck"):
    user: str
    source: str


UserRequest = (
    ClearinghouseState
    | SpotClearinghouseState
    | OpenOrders
    | FrontendOpenOrders
    | OrderStatus
    | HistoricalOrders
    | UserFills
    | UserFillsByTime
    | TwapHistory
    | UserTwapSliceFills
    | UserTwapSliceFillsByTime
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
    | Portfolio
    | Referral
    | UserVaultEquities
    | LegalCheck
    | PreTransferCheck
)
MarketRequest = (
    Meta
    | MetaAndAssetCtxs
    | AllPerpMetas
    | PerpDexs
    | MarginTable
    | PerpsAtOpenInterestCap
    | MaxMarketOrderNtls
    | PerpDexLimits
    | PerpDexStatus
    | PredictedFundings
    | SpotMeta
    | SpotMetaAndAssetCtxs
    | ExchangeStatus
    | AllMids
    | L2Book
    | RecentTrades
    | CandleSnapshot
    | FundingHistory
)
InfoRequest = MarketRequest | UserRequest
REQUEST_TYPES: dict[str, type[msgspec.Struct]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(InfoRequest)
}


def decode_info(body: bytes | msgspec.Raw) -> InfoRequest:
    """Read an `/info` body. Raises `UnreadableError` (400 or 422)."""
    try:
        value = first_value(bytes(body))
    except ValueError as error:
        raise UnreadableError(400, f"{MALFORMED}: {error}") from None
    try:
        return _request(_named(value))
    except ValueError as error:  # msgspec's own refusals are of this kind too
        raise UnreadableError(422, f"{UNREADABLE}: {error}") from None


def _named(value: Any) -> Any:
    """The object form of a request given by position."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return value
    names = _field_names(value[0])
    if len(value) - 1 > len(names):
        raise ValueError(f"invalid length {len(value)}")
    return JsonObject([("type", value[0]), *zip(names, value[1:], strict=False)])


def _field_names(request_type: str) -> tuple[str, ...]:
    kind = REQUEST_TYPES.get(request_type)
    return () if kind is None else kind.__struct_encode_fields__


def _request(value: Any) -> InfoRequest:
    _refuse_repeated(value)
    request: InfoRequest = msgspec.convert(value, InfoRequest)
    if isinstance(request, UserRequest):
        request.user = address_of(request.user)
    match request:
        case OrderStatus(_, str(cloid)):
            request.oid = cloid_of(cloid)
        case MaxBuilderFee(_, builder):
            request.builder = address_of(builder)
    return request


def _refuse_repeated(value: Any) -> None:
    """A known field given twice makes the request unreadable, also inside `req`."""
    if not isinstance(value, JsonObject):
        return
    known = {"type", *_field_names(str(value.get("type")))}
    if repeated := sorted(value.repeated & known):
        raise ValueError(f"duplicate field `{repeated[0]}`")
    inner = value.get("req")
    if isinstance(inner, JsonObject) and inner.repeated & set(CandleRange.__struct_encode_fields__):
        raise ValueError(f"duplicate field `{min(inner.repeated)}`")
