"""Matching an incoming order against the other side of its book, price first, then time.

A meeting with the same account's resting order cancels that order whole and goes on; a resting order whose owner
lacks margin now is cancelled and passed over. Source: Hyperliquid documentation, "Self-trade prevention" and
"Margining".
"""

from __future__ import annotations

from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import Order, Status
from perpmaker.venue.engine.reduce_only import trim_reduce_only
from perpmaker.venue.engine.resting import complete, drop, shrink
from perpmaker.venue.engine.settlement import settle
from perpmaker.venue.engine.state import State, Trade, trade_id
from perpmaker.venue.units import notional_e8


def match(state: State, account: Account, market: Market, taker: Order) -> tuple[int, int]:
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
    taker.filled_sz_e8 += sz_e8
    maker.filled_sz_e8 += sz_e8
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
