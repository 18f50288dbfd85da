"""The answers of `POST /info` about one address. An address never seen reads as an empty account."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar, assert_never

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account, FundingPayment, LedgerEntry
from perpmaker.venue.engine.orders import Order
from perpmaker.venue.engine.sub_accounts import approved_builder_fee
from perpmaker.venue.views import accounts, clearinghouse, fee_rates, fills, orders, profile, twaps
from perpmaker.venue.views.dexes import MAIN
from perpmaker.venue.views.history import RANGE_PAGE
from perpmaker.venue.wire import info_requests as ask
from perpmaker.venue.wire.decode import UnreadableError

RECORDS_PAGE = 2_000
_Timed = TypeVar("_Timed", LedgerEntry, FundingPayment)


def about_user(venue: Venue, request: ask.UserRequest) -> Any:
    """The JSON value of the answer. Raises `UnreadableError` (500) for a market that is not listed."""
    state = venue.state
    account = accounts.account_or_empty(state, request.user)
    match request:
        case ask.ClearinghouseState(_, dex):
            return clearinghouse.clearinghouse_state(state, account, dex or MAIN, venue.answers)
        case ask.SpotClearinghouseState():
            return accounts.spot_clearinghouse_state(state, account)
        case ask.OpenOrders(_, dex):
            return orders.open_orders(state, account, dex or MAIN)
        case ask.FrontendOpenOrders(_, dex):
            return orders.frontend_open_orders(state, account, dex or MAIN)
        case ask.OrderStatus(_, reference):
            return order_status(venue, account, reference)
        case ask.HistoricalOrders():
            return historical_orders(venue, account)
        case ask.UserFills(_, aggregated):
            return fills.newest(state, account, aggregated=bool(aggregated))
        case ask.UserFillsByTime(_, start_ms, end_ms, aggregated):
            return fills.between(state, account, start_ms, end_ms, aggregated=bool(aggregated))
        case ask.UserFunding(_, start_ms, end_ms):
            paid = _in_range(account.funding, start_ms, end_ms)
            return [orders.funding_entry(state, payment) for payment in paid]
        case ask.UserNonFundingLedgerUpdates(_, start_ms, end_ms):
            return [orders.deposit(entry) for entry in _in_range(account.ledger, start_ms, end_ms)]
        case ask.UserRateLimit():
            return accounts.user_rate_limit(state, account)
        case ask.UserFees():
            return fee_rates.user_fees(state, account)
        case ask.ExtraAgents():
            return [
                {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until_ms}
                for agent in venue.admission.agents.of(request.user)
                if agent.name
            ]
        case ask.ActiveAssetData(_, coin):
            market = state.market_of(coin)
            if market is None:
                raise UnreadableError(500, "null")
            return clearinghouse.active_asset_data(state, account, market)
        case ask.TwapHistory(user):
            return twaps.history(state, user)
        case ask.UserTwapSliceFills():
            return twaps.slice_fills(state, account)
        case ask.UserTwapSliceFillsByTime(_, start_ms, end_ms):
            return twaps.slice_fills_between(state, account, start_ms, end_ms)
        case ask.UserVaultEquities():
            return []
        case _:
            return _about_standing(venue, account, request)


_Standing = (
    ask.UserRole
    | ask.SubAccounts
    | ask.MaxBuilderFee
    | ask.UserAbstraction
    | ask.Portfolio
    | ask.Referral
    | ask.LegalCheck
    | ask.PreTransferCheck
)


def _about_standing(venue: Venue, account: Account, request: _Standing) -> Any:
    match request:
        case ask.UserRole(user):
            return profile.role(venue, user)
        case ask.SubAccounts():
            return accounts.sub_accounts(venue.state, account)
        case ask.MaxBuilderFee(_, builder):
            return approved_builder_fee(venue.state, account, builder)
        case ask.UserAbstraction():
            return account.abstraction
        case ask.Portfolio():
            return profile.portfolio(venue, account)
        case ask.Referral():
            return profile.referral(account)
        case ask.LegalCheck():
            return profile.legal_check()
        case ask.PreTransferCheck(user):
            return profile.pre_transfer_check(venue, user)
        case _:
            assert_never(request)


def order_status(venue: Venue, account: Account, reference: int | str) -> dict[str, Any]:
    """The remembered order by oid, or the latest by cloid once the index knows it."""
    order = account.find(reference)
    if order is None or (isinstance(reference, str) and _is_unindexed(venue, order)):
        return {"status": "unknownOid"}
    return {"status": "order", "order": orders.order_record(venue.state, order)}


def _is_unindexed(venue: Venue, order: Order) -> bool:
    """The lag is between half and all of the longest one, and the same whenever one asks about the order."""
    longest_ms = venue.answers.index_lag_ms
    lag_ms = longest_ms // 2 + order.oid * 7_919 % (longest_ms // 2 + 1)
    return longest_ms > 0 and venue.state.now_ms < order.placed_ms + lag_ms


def historical_orders(venue: Venue, account: Account) -> list[dict[str, Any]]:
    """Records, newest first."""
    newest_first = islice(reversed(account.records.values()), RECORDS_PAGE)
    return [orders.order_record(venue.state, order) for order in newest_first]


def _in_range(entries: Iterable[_Timed], start_ms: int, end_ms: int | None) -> list[_Timed]:
    """Oldest first, both ends included, one page."""
    wanted = (e for e in entries if start_ms <= e.time_ms and (end_ms is None or e.time_ms <= end_ms))
    return list(islice(wanted, RANGE_PAGE))
