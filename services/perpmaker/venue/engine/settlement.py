"""What one execution does to one of its two owners: position, cash, margin, fee, and the fill that reports it."""

from __future__ import annotations

from perpmaker.venue.engine import fees, margin
from perpmaker.venue.engine.accounts import Account, Fill, Position
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import Order
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, notional_e8, scaled


def settle(
    state: State,
    account: Account,
    order: Order,
    px_e8: int,
    sz_e8: int,
    tid: int,
    *,
    crossed: bool,
    is_free: bool = False,
    direction: str | None = None,
) -> None:
    """Book one execution for one side. Transfers by the exchange are free and say their own direction."""
    market = state.market(order.asset)
    quote = notional_e8(px_e8, sz_e8)
    fee = builder_fee = 0
    # A market in growth mode counts for a tenth in tiers and request budgets.
    counted = quote // 10 if market.has_growth_mode else quote
    account.volume_e8 += counted
    if not is_free:
        fee = fees.fee_e8(state, account, market, quote, crossed=crossed)
        fees.count_volume(account, state.now_ms, counted, crossed=crossed)
        if order.builder is not None:
            builder_fee = fees.builder_fee_e8(quote, order.builder.fee_tenths_bp)
            state.pay_builder(order.builder.address, market.dex, builder_fee)
    start = account.szi_e8(order.asset)
    pnl = account.trade(
        order.asset,
        is_buy=order.is_buy,
        sz_e8=sz_e8,
        quote_e8=quote,
    )
    state.pools[market.dex.token.index].fees_e8 += fee
    _move_cash(account, market, start, px_e8, -quote if order.is_buy else quote, fee + builder_fee)
    fill = Fill(
        address=account.address,
        asset=order.asset,
        px_e8=px_e8,
        sz_e8=sz_e8,
        is_buy=order.is_buy,
        time_ms=state.now_ms,
        start_position_e8=start,
        direction=direction or _direction(start, sz_e8, is_buy=order.is_buy),
        closed_pnl_e8=pnl,
        fee_e8=fee + builder_fee,
        oid=order.oid,
        cloid=order.cloid,
        crossed=crossed,
        tid=tid,
        tx_hash=state.tx_hash,
        builder_fee_e8=builder_fee,
        twap_id=order.twap_id,
        liquidation=state.liquidation,
    )
    account.fills.append(fill)
    state.events.fills.append(fill)


def _move_cash(account: Account, market: Market, start_e8: int, px_e8: int, quote_e8: int, fee_e8: int) -> None:
    """Pay for an execution out of the cross balance, or out of the position's own margin where it is isolated."""
    dex = market.dex.index
    if not margin.is_isolated(account, market):
        account.credit(dex, quote_e8 - fee_e8)
        return
    position = account.positions[market.asset]
    position.isolated_raw_e8 += quote_e8 - fee_e8
    given = _margin_given_e8(position, start_e8, px_e8, margin.leverage_of(account, market))
    position.isolated_raw_e8 += given
    account.credit(dex, -given)


def _margin_given_e8(position: Position, start_e8: int, px_e8: int, leverage: int) -> int:
    """What an isolated position gets from the cross balance for growing, or (negative) gives back for shrinking.

    Growth is paid for at the execution price over leverage. Shrinking frees the same share of the margin; a closed
    position gives back everything, and one that turned around keeps what its new side needs.
    """
    after = position.szi_e8
    if not after:
        return -position.isolated_raw_e8
    equity = position.isolated_raw_e8 + scaled(after, px_e8, E8)
    if start_e8 and (after > 0) != (start_e8 > 0):
        return notional_e8(px_e8, abs(after)) // leverage - equity
    if abs(after) > abs(start_e8):
        return notional_e8(px_e8, abs(after) - abs(start_e8)) // leverage
    return -max(scaled(equity, abs(start_e8) - abs(after), abs(start_e8)), 0)


def _direction(start_e8: int, sz_e8: int, *, is_buy: bool) -> str:
    if start_e8 == 0 or (start_e8 > 0) == is_buy:
        return "Open Long" if is_buy else "Open Short"
    if sz_e8 > abs(start_e8):
        return "Short > Long" if is_buy else "Long > Short"
    return "Close Short" if is_buy else "Close Long"
