"""What one execution does to one of its two owners: position, cash, fee, and the fill that reports it."""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account, Fill
from perpmaker.venue.engine.orders import Order
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import notional_e8, truncate_e6


def settle(state: State, account: Account, order: Order, px_e8: int, sz_e8: int, tid: int, *, crossed: bool) -> None:
    """Book one execution for one side: position, cash, fee, fill."""
    market = state.market(order.asset)
    fee_e6 = state.rules.taker_fee_e6 if crossed else state.rules.maker_fee_e6
    quote = notional_e8(px_e8, sz_e8)
    fee = truncate_e6(quote * fee_e6 // 10**6)
    start = account.szi_e8(order.asset)
    pnl = account.trade(order.asset, market.dex.index, is_buy=order.is_buy, sz_e8=sz_e8, quote_e8=quote, fee_e8=fee)
    state.pools[market.dex.token.index].fees_e8 += fee
    fill = Fill(
        address=account.address,
        asset=order.asset,
        px_e8=px_e8,
        sz_e8=sz_e8,
        is_buy=order.is_buy,
        time_ms=state.now_ms,
        start_position_e8=start,
        direction=_direction(start, sz_e8, is_buy=order.is_buy),
        closed_pnl_e8=pnl,
        fee_e8=fee,
        oid=order.oid,
        cloid=order.cloid,
        crossed=crossed,
        tid=tid,
        tx_hash=state.tx_hash,
    )
    account.fills.append(fill)
    state.events.fills.append(fill)


def _direction(start_e8: int, sz_e8: int, *, is_buy: bool) -> str:
    if start_e8 == 0 or (start_e8 > 0) == is_buy:
        return "Open Long" if is_buy else "Open Short"
    if sz_e8 > abs(start_e8):
        return "Short > Long" if is_buy else "Long > Short"
    return "Close Short" if is_buy else "Close Long"
