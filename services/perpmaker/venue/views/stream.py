"""What each stream carries: the first message after subscribing, and what a block adds.

Only streams somebody listens to are rendered. Books and mids are paced by time, the rest follows what happened in
the block. There is no snapshot of `orderUpdates`, and a partial fill of a resting order is no order update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from perpmaker.venue.core import Block
from perpmaker.venue.engine.state import Events, State
from perpmaker.venue.views import accounts, markets, orders
from perpmaker.venue.wire import subscriptions as subs
from perpmaker.venue.wire.subscriptions import Subscription

_SNAPSHOT_FILLS = 2_000
_MIDS_EVERY_MS = 2_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: channel and JSON value."""

    channel: str
    data: Any


def snapshot(state: State, stream: Subscription) -> Frame | None:
    """What a new listener is told at once; None where the exchange sends nothing."""
    match stream:
        case subs.UserFills(user):
            account = accounts.account_or_empty(state, user)
            newest = list(islice(reversed(account.fills), _SNAPSHOT_FILLS))
            fills = [orders.fill(state, made) for made in newest]
            return Frame("userFills", {"isSnapshot": True, "user": user, "fills": fills})
        case subs.UserFundings(user):
            account = accounts.account_or_empty(state, user)
            paid = [orders.funding_event(state, payment) for payment in account.funding]
            return Frame("userFundings", {"isSnapshot": True, "user": user, "fundings": paid})
        case subs.UserNonFundingLedgerUpdates(user):
            account = accounts.account_or_empty(state, user)
            entries = [orders.deposit(entry) for entry in account.ledger]
            data = {"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": entries}
            return Frame("userNonFundingLedgerUpdates", data)
        case subs.OrderUpdates() | subs.UserEvents() | subs.Trades():
            return None
        case _:
            return _current(state, stream)


def _current(state: State, stream: Subscription) -> Frame | None:
    """Streams whose every message is the whole present."""
    match stream:
        case subs.AllMids():
            return Frame("allMids", {"mids": markets.all_mids(state)})
        case subs.L2Book(coin, figures, mantissa, fast):
            market = state.market_of(coin)
            if market is None or not markets.is_valid_grouping(figures, mantissa):
                return None
            shown = markets.l2_book(state, market, figures=figures, mantissa=mantissa, fast=fast is True)
            return Frame("l2Book", shown)
        case subs.Bbo(coin):
            market = state.market_of(coin)
            return None if market is None else Frame("bbo", markets.bbo(state, market))
        case subs.ActiveAssetCtx(coin):
            market = state.market_of(coin)
            if market is None:
                return None
            return Frame("activeAssetCtx", {"coin": coin, "ctx": markets.asset_ctx(state, market)})
        case subs.OpenOrders(user):
            listed = orders.frontend_open_orders(state, accounts.account_or_empty(state, user))
            return Frame("openOrders", {"dex": "", "user": user, "orders": listed})
        case subs.ClearinghouseState(user):
            shown = accounts.clearinghouse_state(state, accounts.account_or_empty(state, user))
            return Frame("clearinghouseState", {"dex": "", "user": user, "clearinghouseState": shown})
        case subs.ActiveAssetData(user, coin):
            market = state.market_of(coin)
            if market is None:
                return None
            account = accounts.account_or_empty(state, user)
            return Frame("activeAssetData", accounts.active_asset_data(state, account, market))
        case _:
            return None


@dataclass(slots=True)
class Streams:
    """Turns committed blocks into messages, remembering only what pacing needs."""

    state: State
    fast_book_ms: int = 500
    book_ms: int = 5_000
    _pushed_ms: dict[Subscription, int] = field(default_factory=dict)
    _bbo: dict[int, list[dict[str, Any] | None]] = field(default_factory=dict)

    def messages(self, block: Block, listened: Iterable[Subscription]) -> Iterator[tuple[Subscription, Frame]]:
        """Every message this block causes, in the order of the streams given."""
        moved_bbo = self._moved_bbo(block.events)
        traded = {made.address for made in block.events.fills}
        changed = _Changed(
            money=traded
            | {entry.address for entry in block.events.deposits}
            | {payment.address for payment in block.events.funding},
            orders=block.events.touched_orders | traded,
        )
        for stream in listened:
            for frame in self._of(stream, block, moved_bbo, changed):
                yield stream, frame

    def forget(self, stream: Subscription) -> None:
        """Drop the pacing of a stream nobody listens to any more."""
        self._pushed_ms.pop(stream, None)

    def _moved_bbo(self, events: Events) -> set[str]:
        moved: set[str] = set()
        for asset in events.touched_books:
            levels = markets.bbo_levels(self.state, asset)
            if self._bbo.get(asset) != levels:
                self._bbo[asset] = levels
                moved.add(self.state.market(asset).coin)
        return moved

    def _is_due(self, stream: Subscription, every_ms: int) -> bool:
        now_ms = self.state.now_ms
        if now_ms - self._pushed_ms.get(stream, -every_ms) < every_ms:
            return False
        self._pushed_ms[stream] = now_ms
        return True

    def _of(self, stream: Subscription, block: Block, moved_bbo: set[str], changed: _Changed) -> Iterator[Frame]:
        state, events = self.state, block.events
        match stream:
            case subs.AllMids():
                is_due = self._is_due(stream, _MIDS_EVERY_MS)
            case subs.L2Book():
                is_due = self._is_due(stream, self.fast_book_ms if stream.fast else self.book_ms)
            case subs.Bbo(coin):
                is_due = coin in moved_bbo
            case subs.ActiveAssetCtx():
                is_due = events.marks_moved
            case subs.OpenOrders(user):
                is_due = user in changed.orders
            case subs.ClearinghouseState(user) | subs.ActiveAssetData(user):
                is_due = events.marks_moved or user in changed.money
            case _:
                yield from _happened(state, stream, events)
                return
        if is_due and (frame := _current(state, stream)) is not None:
            yield frame


@dataclass(frozen=True, slots=True)
class _Changed:
    """Accounts whose money, or whose open orders, this block touched."""

    money: set[str]
    orders: set[str]


def _happened(state: State, stream: Subscription, events: Events) -> Iterator[Frame]:
    """Streams that report events: what of this block belongs to the listener."""
    match stream:
        case subs.Trades(coin):
            tape = [orders.trade(state, t) for t in events.trades if state.market(t.asset).coin == coin]
            if tape:
                yield Frame("trades", tape)
        case subs.OrderUpdates(user):
            updates = [orders.order_update(state, u) for u in events.updates if u.order.address == user]
            if updates:
                yield Frame("orderUpdates", updates)
        case subs.UserFills(user):
            if made := [orders.fill(state, f) for f in events.fills if f.address == user]:
                yield Frame("userFills", {"user": user, "fills": made})
        case subs.UserEvents(user):
            yield from _user_events(state, user, events)
        case subs.UserFundings(user):
            paid = [orders.funding_event(state, p) for p in events.funding if p.address == user]
            if paid:
                yield Frame("userFundings", {"user": user, "fundings": paid})
        case subs.UserNonFundingLedgerUpdates(user):
            entries = [orders.deposit(d) for d in events.deposits if d.address == user]
            if entries:
                data = {"user": user, "nonFundingLedgerUpdates": entries}
                yield Frame("userNonFundingLedgerUpdates", data)
        case _:
            return


def _user_events(state: State, user: str, events: Events) -> Iterator[Frame]:
    """The channel is called `user`, and its messages do not say whose they are."""
    if made := [orders.fill(state, f) for f in events.fills if f.address == user]:
        yield Frame("user", {"fills": made})
    for payment in events.funding:
        if payment.address == user:
            yield Frame("user", {"funding": orders.funding_event(state, payment)})
    cancelled = [{"coin": state.market(o.asset).coin, "oid": o.oid} for o in events.engine_cancels if o.address == user]
    if cancelled:
        yield Frame("user", {"nonUserCancel": cancelled})
