"""Positions that the exchange moves or ends by itself, outside any book and free of fees.

Each side still gets an order of its own, filled at once, so that fills, statuses and `startPosition` stay whole. The
trade is on nobody's tape.
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import Order, Status, Tif
from perpmaker.venue.engine.reduce_only import trim_reduce_only
from perpmaker.venue.engine.settlement import settle
from perpmaker.venue.engine.state import State, trade_id
from perpmaker.venue.units import notional_e8


def exchange_order(state: State, account: Account, market: Market, *, is_buy: bool, px_e8: int, sz_e8: int) -> Order:
    """An order that the exchange sends for an account. It is not filed yet."""
    return Order(
        oid=state.take_oid(),
        address=account.address,
        asset=market.asset,
        is_buy=is_buy,
        px_e8=px_e8,
        sz_e8=sz_e8,
        orig_sz_e8=sz_e8,
        tif=Tif.IOC,
        reduce_only=True,
        cloid=None,
        placed_ms=state.now_ms,
        status=Status.OPEN,
        status_ms=state.now_ms,
        recorded_sz_e8=sz_e8,
    )


def file(state: State, account: Account, order: Order, status: Status) -> None:
    state.set_status(order, status)
    account.remember(order)


def hand_over(
    state: State, giver: Account, taker: Account, market: Market, sz_e8: int, px_e8: int, *, why: tuple[str, str | None]
) -> None:
    """Move part of a position to another account at a price. `why` is the direction each side's fill shows."""
    giver_buys = giver.szi_e8(market.asset) < 0
    orders = [
        exchange_order(state, party, market, is_buy=is_buy, px_e8=px_e8, sz_e8=sz_e8)
        for party, is_buy in ((giver, giver_buys), (taker, not giver_buys))
    ]
    buyer, seller = orders if giver_buys else reversed(orders)
    tid = trade_id(buyer.oid, seller.oid)
    for party, order, direction in zip((giver, taker), orders, why, strict=True):
        _settle_free(state, party, order, px_e8, tid, direction, crossed=party is giver)


def settle_at_mark(state: State, market: Market) -> None:
    """End every position of a market at its mark. Rounding, if any, goes to the funding residue."""
    px_e8 = state.mark_px_e8(market.asset)
    paid = 0
    for account in list(state.accounts.values()):
        szi = account.szi_e8(market.asset)
        if not szi:
            continue
        order = exchange_order(state, account, market, is_buy=szi < 0, px_e8=px_e8, sz_e8=abs(szi))
        value = notional_e8(px_e8, abs(szi))
        paid += value if order.is_buy else -value
        _settle_free(state, account, order, px_e8, trade_id(order.oid, order.oid), "Settlement", crossed=False)
    state.pools[market.dex.token.index].funding_residue_e8 += paid


def _settle_free(
    state: State, party: Account, order: Order, px_e8: int, tid: int, direction: str | None, *, crossed: bool
) -> None:
    sz_e8 = order.sz_e8
    settle(state, party, order, px_e8, sz_e8, tid, crossed=crossed, is_free=True, direction=direction)
    order.sz_e8 = 0
    order.filled_sz_e8 = sz_e8
    file(state, party, order, Status.FILLED)
    trim_reduce_only(state, party, order.asset)
