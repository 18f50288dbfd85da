"""Placing an order: the runtime checks in the exchange's order, then matching, then resting.

Checks: reduce-only, post-only, nothing to match, minimum value, margin, open-order cap. A refusal here leaves a
terminal record with its own oid. Matching is price-time; a meeting with the same account's resting order cancels
that order whole and goes on; a resting order whose owner lacks margin now is cancelled and passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.book import Book
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Order, Status, Tif
from perpmaker.venue.engine.reduce_only import closable_e8, trim_reduce_only
from perpmaker.venue.engine.resting import complete, drop, rest, shrink
from perpmaker.venue.engine.settlement import settle
from perpmaker.venue.engine.state import State, Trade, trade_id
from perpmaker.venue.units import E8, notional_e8, shown_e8

MIN_NOTIONAL_E8 = 10 * E8
_ORDER_CAP = 1_000
_ORDER_CAP_MAX = 5_000
_VOLUME_PER_EXTRA_ORDER_E8 = 5_000_000 * E8


@dataclass(frozen=True, slots=True)
class Resting:
    """Accepted, nothing executed yet."""

    order: Order


@dataclass(frozen=True, slots=True)
class Executed:
    """At least something executed at once; a GTC remainder, if any, rests under the same oid."""

    order: Order
    total_sz_e8: int
    avg_px_e8: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted; `text` is what the exchange would say."""

    text: str


Outcome = Resting | Executed | Refused


def place(state: State, account: Account, wanted: NewOrder) -> Outcome:
    """Run one placement that already passed the static checks."""
    if wanted.refusal is not None:
        return Refused(wanted.refusal)
    market = state.market(wanted.asset)
    order = _record(state, account, wanted)
    fits = _trim_to_position(account, wanted)
    order.sz_e8 = order.recorded_sz_e8 = fits.sz_e8
    refusal = _refusal(state, account, market, wanted, fits)
    if refusal is not None:
        status, text = refusal
        return _refuse(state, account, order, status, text)
    executed, paid = _match(state, account, market, order)
    if executed:
        trim_reduce_only(state, account, wanted.asset)
    if not order.sz_e8:
        _finish(state, account, order)
    elif wanted.tif.may_rest:
        rest(state, order)
        if wanted.reduce_only:
            trim_reduce_only(state, account, wanted.asset)
    elif executed:
        _finish(state, account, order)
    else:
        return _refuse(state, account, order, Status.IOC_REJECTED, _no_match(wanted.asset))
    if not executed:
        return Resting(order)
    return Executed(order, executed, paid * E8 // executed)


def _record(state: State, account: Account, wanted: NewOrder) -> Order:
    return Order(
        oid=state.take_oid(),
        address=account.address,
        asset=wanted.asset,
        is_buy=wanted.is_buy,
        px_e8=wanted.px_e8,
        sz_e8=wanted.sz_e8,
        orig_sz_e8=wanted.sz_e8,
        tif=wanted.tif,
        reduce_only=wanted.reduce_only,
        cloid=wanted.cloid,
        placed_ms=state.now_ms,
        status=Status.CANCELED,
        status_ms=state.now_ms,
        recorded_sz_e8=wanted.sz_e8,
    )


def _trim_to_position(account: Account, wanted: NewOrder) -> NewOrder:
    if not wanted.reduce_only:
        return wanted
    closable = closable_e8(account, wanted.asset, is_buy=wanted.is_buy)
    return replace(wanted, sz_e8=min(wanted.sz_e8, closable)) if closable else wanted


def _refusal(
    state: State, account: Account, market: Market, wanted: NewOrder, fits: NewOrder
) -> tuple[Status, str] | None:
    asset = wanted.asset
    closable = closable_e8(account, asset, is_buy=wanted.is_buy)
    if wanted.reduce_only and not closable:
        text = f"Reduce only order would increase position. asset={asset}"
        return Status.REDUCE_ONLY_REJECTED, text
    book = state.book(asset)
    crosses = book.against(wanted.is_buy).reaches(wanted.px_e8)
    if wanted.tif is Tif.ALO and crosses:
        return Status.BAD_ALO_REJECTED, _post_only_text(book, asset)
    if not wanted.tif.may_rest and not crosses:
        return Status.IOC_REJECTED, _no_match(asset)
    closes_all = wanted.reduce_only and wanted.sz_e8 >= closable
    if notional_e8(wanted.px_e8, wanted.sz_e8) < MIN_NOTIONAL_E8 and not closes_all:
        return Status.MIN_NOTIONAL_REJECTED, f"Order must have minimum value of $10. asset={asset}"
    if margin.exceeds_tier(state, account, market, fits):
        text = "Order would cause position to exceed margin tier limit at current leverage."
        return Status.MAX_POSITION_REJECTED, f"{text} asset={asset}"
    if not margin.affords(state, account, market, fits):
        return Status.MARGIN_REJECTED, f"Insufficient margin to place order. asset={asset}"
    if wanted.tif.may_rest and _at_order_cap(account, reduce_only=wanted.reduce_only):
        return Status.TOO_MANY_ORDERS_REJECTED, f"Too many open orders. asset={asset}"
    return None


def _at_order_cap(account: Account, *, reduce_only: bool) -> bool:
    if account.is_house:
        return False
    if reduce_only:
        return len(account.open_orders) >= _ORDER_CAP
    extra = account.volume_e8 // _VOLUME_PER_EXTRA_ORDER_E8
    return len(account.open_orders) >= min(_ORDER_CAP + extra, _ORDER_CAP_MAX)


def _post_only_text(book: Book, asset: int) -> str:
    bid, ask = (_shown_or_zero(px) for px in (book.best_bid(), book.best_ask()))
    return f"Post only order would have immediately matched, bbo was {bid}@{ask}. asset={asset}"


def _shown_or_zero(px_e8: int | None) -> str:
    return shown_e8(px_e8 or 0)


def _no_match(asset: int) -> str:
    return f"Order could not immediately match against any resting orders. asset={asset}"


def _refuse(state: State, account: Account, order: Order, status: Status, text: str) -> Refused:
    state.set_status(order, status)
    account.remember(order)
    return Refused(text)


def _finish(state: State, account: Account, order: Order) -> None:
    """End an order that never rested. What an IOC could not execute stays in its record as its size."""
    state.set_status(order, Status.FILLED)
    account.remember(order)


def _match(state: State, account: Account, market: Market, taker: Order) -> tuple[int, int]:
    """Trade with the other side while prices meet. Returns (size executed, quote paid), both 1e8."""
    opposite = state.book(market.asset).against(taker.is_buy)
    executed = paid = 0
    while taker.sz_e8 and (level := opposite.best()) and opposite.reaches(taker.px_e8):
        maker = next(iter(level.queue.values()))
        if maker.address == taker.address:
            drop(state, maker, Status.SELF_TRADE_CANCELED)
            continue
        sz = min(maker.sz_e8, taker.sz_e8)
        owner = state.accounts[maker.address]
        if not margin.can_execute_resting(state, owner, market, is_buy=maker.is_buy, sz_e8=sz):
            drop(state, maker, Status.MARGIN_CANCELED)
            continue
        paid += _trade(state, account, owner, taker, maker, sz)
        executed += sz
    return executed, paid


def _trade(state: State, buyer_side: Account, owner: Account, taker: Order, maker: Order, sz_e8: int) -> int:
    """Execute one match at the maker's price: both accounts, both orders, the tape. Returns the quote value."""
    asset = taker.asset
    quote = notional_e8(maker.px_e8, sz_e8)
    tid = trade_id(*((taker.oid, maker.oid) if taker.is_buy else (maker.oid, taker.oid)))
    settle(state, buyer_side, taker, maker.px_e8, sz_e8, tid, crossed=True)
    settle(state, owner, maker, maker.px_e8, sz_e8, tid, crossed=False)
    taker.sz_e8 -= sz_e8
    if maker.sz_e8 == sz_e8:
        complete(state, maker)
    else:
        shrink(state, maker, sz_e8)
    trim_reduce_only(state, owner, asset)
    buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
    trade = Trade(
        asset=asset,
        px_e8=maker.px_e8,
        sz_e8=sz_e8,
        taker_is_buy=taker.is_buy,
        time_ms=state.now_ms,
        tid=tid,
        tx_hash=state.tx_hash,
        buyer=buyer.address,
        seller=seller.address,
    )
    state.trades[asset].append(trade)
    state.events.trades.append(trade)
    state.marks[asset].last_px_e8 = maker.px_e8
    state.volume_base_e8[asset] += sz_e8
    state.volume_quote_e8[asset] += quote
    return quote
