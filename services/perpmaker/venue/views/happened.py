"""Streams that report events: what is told on subscribing, and what of a block belongs to the listener.

There is no snapshot of `orderUpdates`. A partial fill of a resting order is no order update unless the venue was
told otherwise. Source: Hyperliquid documentation, "WebSocket", subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account, Fill
from perpmaker.venue.engine.state import Events, OrderUpdate
from perpmaker.venue.views import accounts, fills, info_users, orders, twaps
from perpmaker.venue.views.frames import Frame
from perpmaker.venue.views.present import present
from perpmaker.venue.wire import subscriptions as subs
from perpmaker.venue.wire.subscriptions import Subscription, UserStream


def snapshot(venue: Venue, stream: Subscription) -> Frame | None:
    """What a new listener is told at once; None where the exchange sends nothing."""
    if isinstance(stream, UserStream):
        account = accounts.account_or_empty(venue.state, stream.user)
        first = _recent(venue, stream, account)
        return present(venue, stream) if first is None else first
    match stream:
        case subs.Trades(coin):
            market = venue.state.market_of(coin)
            recent = [] if market is None else [orders.trade(venue.state, t) for t in venue.state.trades[market.asset]]
            return Frame("trades", recent) if recent and venue.answers.recent_trades_first else None
        case _:
            return present(venue, stream)


def _recent(venue: Venue, stream: UserStream, account: Account) -> Frame | None:
    """Streams that begin with history, marked `isSnapshot`."""
    state = venue.state
    match stream:
        case subs.UserFills(_, aggregated):
            key, items = "fills", fills.newest(state, account, aggregated=bool(aggregated))
        case subs.UserFundings():
            key, items = "fundings", [orders.funding_event(state, payment) for payment in account.funding]
        case subs.UserNonFundingLedgerUpdates():
            key, items = "nonFundingLedgerUpdates", [orders.deposit(entry) for entry in account.ledger]
        case subs.UserHistoricalOrders():
            key, items = "orderHistory", info_users.historical_orders(venue, account)
        case subs.UserTwapSliceFills():
            key, items = "twapSliceFills", twaps.slice_fills(state, account)
        case subs.UserTwapHistory():
            key, items = "history", twaps.history(state, stream.user)
        case subs.UserEvents() if venue.answers.fills_first_in_user_events:
            return Frame("user", {"fills": fills.newest(state, account, aggregated=False)})
        case _:
            return None
    return Frame(_channel(stream), {"isSnapshot": True, "user": stream.user, key: items})


def _channel(stream: Subscription) -> str:
    return str(stream.__struct_config__.tag)


def happened(venue: Venue, stream: Subscription, events: Events) -> Iterator[Frame]:
    """Messages of an event stream about one block."""
    state = venue.state
    match stream:
        case subs.Trades(coin):
            tape = [orders.trade(state, t) for t in events.trades if state.market(t.asset).coin == coin]
            if tape:
                yield Frame("trades", tape)
        case subs.OrderUpdates(user):
            updates = [orders.order_update(state, update) for update in _updates(venue, user, events)]
            if updates:
                yield Frame("orderUpdates", updates)
        case subs.UserHistoricalOrders(user):
            records = [orders.update_record(state, u) for u in events.updates if u.order.address == user]
            if records:
                yield Frame("userHistoricalOrders", {"user": user, "orderHistory": records})
        case subs.UserFills(user, aggregated):
            own: Iterable[Fill] = (made for made in events.fills if made.address == user)
            if made := [orders.fill(state, f) for f in (fills.merged(own) if aggregated else own)]:
                yield Frame("userFills", {"user": user, "fills": made})
        case subs.UserTwapSliceFills(user):
            mine = [f for f in events.fills if f.address == user and f.twap_id is not None]
            if mine:
                sliced = [twaps.slice_fill(state, f) for f in mine]
                yield Frame("userTwapSliceFills", {"user": user, "twapSliceFills": sliced})
        case subs.UserTwapHistory(user):
            if reached := [twaps.record(state, t) for t in events.twaps if t.address == user]:
                yield Frame("userTwapHistory", {"user": user, "history": reached})
        case subs.UserEvents(user):
            yield from _user_events(venue, user, events)
        case subs.Notification(user) if venue.answers.notify_liquidations:
            for notice in events.liquidations:
                if notice.address == user:
                    yield Frame("notification", {"notification": orders.liquidation_text(notice)})
        case subs.UserFundings(user):
            paid = [orders.funding_event(state, p) for p in events.funding if p.address == user]
            if paid:
                yield Frame("userFundings", {"user": user, "fundings": paid})
        case subs.UserNonFundingLedgerUpdates(user):
            entries = [orders.deposit(d) for d in events.deposits if d.address == user]
            if entries:
                yield Frame("userNonFundingLedgerUpdates", {"user": user, "nonFundingLedgerUpdates": entries})
        case _:
            return


def _updates(venue: Venue, user: str, events: Events) -> list[OrderUpdate]:
    """Order updates of a block, with the choices the exchange's observers disagree on applied."""
    updates = [update for update in events.updates if update.order.address == user]
    if venue.answers.open_again_on_partial:
        updates += _partials(venue, user, events, {update.order.oid for update in updates})
    if venue.answers.new_before_old_on_modify:
        updates.sort(key=lambda update: update.order.oid, reverse=True)
    return updates


def _partials(venue: Venue, user: str, events: Events, told: set[int]) -> Iterator[OrderUpdate]:
    opened = accounts.account_or_empty(venue.state, user).open_orders
    touched = dict.fromkeys(made.oid for made in events.fills if made.address == user)
    for oid in touched:
        if oid not in told and (order := opened.get(oid)) is not None:
            yield OrderUpdate(order, order.status, order.sz_e8, venue.state.now_ms)


def _user_events(venue: Venue, user: str, events: Events) -> Iterator[Frame]:
    """The channel is called `user`, and its messages do not say whose they are."""
    state = venue.state
    if made := [orders.fill(state, f) for f in events.fills if f.address == user]:
        yield Frame("user", {"fills": made})
    for payment in events.funding:
        if payment.address == user:
            yield Frame("user", {"funding": orders.funding_event(state, payment)})
    for notice in events.liquidations:
        if notice.address == user:
            yield Frame("user", {"liquidation": orders.liquidation(notice)})
    cancelled: list[dict[str, Any]] = [
        {"coin": state.market(o.asset).coin, "oid": o.oid} for o in events.engine_cancels if o.address == user
    ]
    if cancelled:
        yield Frame("user", {"nonUserCancel": cancelled})
