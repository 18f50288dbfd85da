"""The answers of `POST /info`.

Asking about an address announces it, which tells the faucet later that it is a real one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar, assert_never

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account, FundingPayment, LedgerEntry
from perpmaker.venue.views import accounts, markets, orders
from perpmaker.venue.wire import info_requests as ask
from perpmaker.venue.wire.decode import UnreadableError

_PAGE = 2_000
_RANGE_PAGE = 500
_Timed = TypeVar("_Timed", LedgerEntry, FundingPayment)


def answer_info(venue: Venue, request: ask.InfoRequest) -> Any:
    """The JSON value of the answer. Raises `UnreadableError` with status 500 where the exchange fails."""
    if isinstance(request, ask.UserRequest):
        return _about_user(venue, request)
    state = venue.state
    if isinstance(request, (ask.Meta, ask.MetaAndAssetCtxs, ask.AllMids)) and request.dex:
        raise UnreadableError(500, "null")
    match request:
        case ask.Meta():
            return markets.meta(state)
        case ask.MetaAndAssetCtxs():
            return [markets.meta(state), [markets.asset_ctx(state, m) for m in state.markets]]
        case ask.AllPerpMetas():
            return [markets.meta(state)]
        case ask.PerpDexs():
            return [None]
        case ask.MarginTable():
            return markets.margin_table(state, request.id)
        case ask.SpotMeta():
            return markets.SPOT_META
        case ask.SpotMetaAndAssetCtxs():
            return [markets.SPOT_META, []]
        case ask.ExchangeStatus():
            return {"time": state.now_ms, "specialStatuses": None}
        case ask.AllMids():
            return markets.all_mids(state)
        case ask.L2Book():
            return _book(venue, request)
        case ask.RecentTrades():
            market = state.market_of(request.coin)
            if market is None:
                raise UnreadableError(500, "null")
            return [orders.trade(state, t) for t in reversed(state.trades[market.asset])]
        case _:
            assert_never(request)


def _book(venue: Venue, request: ask.L2Book) -> Any:
    if not markets.is_valid_grouping(request.n_sig_figs, request.mantissa):
        raise UnreadableError(500, "null")
    market = venue.state.market_of(request.coin)
    if market is None:
        return None
    return markets.l2_book(venue.state, market, figures=request.n_sig_figs, mantissa=request.mantissa)


def _about_user(venue: Venue, request: ask.UserRequest) -> Any:
    state = venue.state
    venue.admission.announced.add(request.user)
    account = accounts.account_or_empty(state, request.user)
    match request:
        case ask.ClearinghouseState():
            return accounts.clearinghouse_state(state, account)
        case ask.SpotClearinghouseState():
            return accounts.spot_clearinghouse_state(state, account)
        case ask.OpenOrders():
            return orders.open_orders(state, account)
        case ask.FrontendOpenOrders():
            return orders.frontend_open_orders(state, account)
        case ask.OrderStatus():
            order = account.find(request.oid)
            if order is None:
                return {"status": "unknownOid"}
            return {"status": "order", "order": orders.order_record(state, order)}
        case ask.HistoricalOrders():
            newest_first = islice(reversed(account.records.values()), _PAGE)
            return [orders.order_record(state, order) for order in newest_first]
        case ask.UserFills():
            return [orders.fill(state, made) for made in islice(reversed(account.fills), _PAGE)]
        case ask.UserFillsByTime():
            return _fills_by_time(venue, account, request)
        case ask.UserFunding():
            return [
                {
                    "time": p.time_ms,
                    "hash": "0x" + "0" * 64,
                    "delta": {"type": "funding"} | _without_time(orders.funding_event(state, p)),
                }
                for p in _in_range(account.funding, request.start_time, request.end_time)
            ]
        case ask.UserNonFundingLedgerUpdates():
            entries = _in_range(account.ledger, request.start_time, request.end_time)
            return [orders.deposit(entry) for entry in entries]
        case ask.UserRateLimit():
            return accounts.user_rate_limit(state, account)
        case ask.UserFees():
            return accounts.user_fees(state, account)
        case ask.UserRole():
            return _role(venue, request.user)
        case ask.ExtraAgents():
            return [
                {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until_ms}
                for agent in venue.admission.agents.of(request.user)
                if agent.name
            ]
        case ask.SubAccounts():
            return accounts.sub_accounts(state, account)
        case ask.ActiveAssetData():
            market = state.market_of(request.coin)
            if market is None:
                raise UnreadableError(500, "null")
            return accounts.active_asset_data(state, account, market)
        case ask.MaxBuilderFee():
            return account.builder_approvals.get(request.builder.lower(), 0)
        case ask.UserAbstraction():
            return account.abstraction
        case _:
            assert_never(request)


def _fills_by_time(venue: Venue, account: Account, request: ask.UserFillsByTime) -> list[dict[str, Any]]:
    last = venue.state.now_ms if request.end_time is None else request.end_time
    wanted = (made for made in account.fills if request.start_time <= made.time_ms <= last)
    return [orders.fill(venue.state, made) for made in islice(wanted, _PAGE)]


def _in_range(entries: Iterable[_Timed], start_ms: int, end_ms: int | None) -> list[_Timed]:
    """Oldest first, both ends included, one page."""
    wanted = (e for e in entries if start_ms <= e.time_ms and (end_ms is None or e.time_ms <= end_ms))
    return list(islice(wanted, _RANGE_PAGE))


def _without_time(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != "time"}


def _role(venue: Venue, address: str) -> dict[str, Any]:
    master = venue.admission.agents.master_of(address, venue.state.now_ms)
    if master is not None:
        return {"role": "agent", "data": {"user": master}}
    account = venue.state.accounts.get(address)
    if account is None:
        return {"role": "missing"}
    if account.master is not None:
        return {"role": "subAccount", "data": {"master": account.master}}
    return {"role": "user"}
