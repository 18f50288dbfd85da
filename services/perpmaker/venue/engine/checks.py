"""The runtime checks of a placement, in the exchange's order. The first that fails names the order's status.

Largest value, tick (where it is not static) and oracle band; reduce-only; post-only and nothing to match; least
value; open interest; margin tier and margin; open-order cap. For an IOC without any money the margin check comes
before the least value. Source: Hyperliquid documentation, "Order types", "Contract specifications" and "Error
responses"; precedence as measured.
"""

from __future__ import annotations

from perpmaker.venue.engine import margin, texts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.open_interest import refusal_at_cap
from perpmaker.venue.engine.orders import NewOrder, Order, Tif
from perpmaker.venue.engine.reduce_only import closable_e8
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.units import E8, notional_e8, shown_e8

MIN_NOTIONAL_E8 = 10 * E8
_LARGEST_MARKET_USD = ((25, 30_000_000), (20, 5_000_000), (10, 2_000_000), (0, 500_000))
"""Largest market order by the market's maximum leverage; limit orders may be ten times as large."""
_LIMIT_TO_MARKET = 10

Refusal = tuple[Status, dict[str, str]]


def largest_value_e8(market: Market, *, is_market: bool) -> int:
    """The largest order value of a market. Source: Hyperliquid documentation, "Contract specifications"."""
    usd = next(usd for leverage, usd in _LARGEST_MARKET_USD if market.max_leverage >= leverage)
    return usd * E8 * (1 if is_market else _LIMIT_TO_MARKET)


def refusal_of(state: State, account: Account, order: Order) -> Refusal | None:
    """Why an order, already cut to what it may reduce, cannot go to the book; None when it can."""
    market = state.market(order.asset)
    if refusal := _refused_alone(state, account, market, order):
        return refusal
    closable = closable_e8(account, order.asset, is_buy=order.is_buy)
    if order.reduce_only and not closable:
        return Status.REDUCE_ONLY_REJECTED, {}
    if refusal := _refused_by_book(state, order):
        return refusal
    asked = NewOrder(order.asset, order.is_buy, order.px_e8, order.sz_e8, order.tif, order.reduce_only)
    has_nothing = not order.tif.may_rest and margin.equity_e8(state, account, market.dex.index) <= 0
    if has_nothing and not margin.affords(state, account, market, asked):
        return Status.MARGIN_REJECTED, {}
    closes_all = order.reduce_only and order.orig_sz_e8 >= closable
    if notional_e8(order.px_e8, order.orig_sz_e8) < MIN_NOTIONAL_E8 and not closes_all and order.twap_id is None:
        return Status.MIN_NOTIONAL_REJECTED, {}
    if status := refusal_at_cap(state, account, order):
        return status, {}
    if margin.exceeds_tier(state, account, market, asked):
        return Status.MAX_POSITION_REJECTED, {}
    if not margin.affords(state, account, market, asked):
        return Status.MARGIN_REJECTED, {}
    if order.tif.may_rest and order.trigger is None and _at_order_cap(state, account, is_special=order.reduce_only):
        return Status.TOO_MANY_ORDERS_REJECTED, {}
    return None


def refusal_of_trigger(state: State, account: Account, order: Order, parent: Order | None) -> Refusal | None:
    """Why a trigger order cannot start to wait. What it would do once fired is judged when it fires."""
    if refusal := _refused_alone(state, account, state.market(order.asset), order):
        return refusal
    if order.is_position_tpsl and not closable_e8(account, order.asset, is_buy=order.is_buy):
        return Status.REDUCE_ONLY_REJECTED, {}
    if parent is not None and parent.is_buy == order.is_buy:
        return Status.REDUCE_ONLY_REJECTED, {}
    if _is_bad_trigger(state, order, parent):
        return Status.BAD_TRIGGER_PX_REJECTED, {}
    if not order.reduce_only and notional_e8(order.px_e8, order.sz_e8) < MIN_NOTIONAL_E8:
        return Status.MIN_NOTIONAL_REJECTED, {}
    if _at_order_cap(state, account, is_special=True):
        return Status.TOO_MANY_ORDERS_REJECTED, {}
    return None


def own_in_the_way(state: State, order: Order) -> list[Order]:
    """Own orders a post-only order would meet, where the rules let it replace them."""
    if order.tif is not Tif.ALO or state.rules.orders.alo_meets_own:
        return []
    return _met(state, order)


def _is_met(state: State, order: Order) -> bool:
    """Whether what a post-only order would meet counts as a match."""
    return state.rules.orders.alo_meets_own or any(met.address != order.address for met in _met(state, order))


def _met(state: State, order: Order) -> list[Order]:
    sign = 1 if order.is_buy else -1
    opposite = state.book(order.asset).against(order.is_buy)
    levels = (level for level in opposite if sign * level.px_e8 <= sign * order.px_e8)
    return [resting for level in levels for resting in level.queue.values()]


def _is_bad_trigger(state: State, order: Order, parent: Order | None) -> bool:
    trigger = order.trigger
    if trigger is None:
        return False
    reference = state.mark_px_e8(order.asset) if parent is None else parent.px_e8
    if trigger.is_reached(reference, is_buy=order.is_buy):
        return True
    if not state.rules.orders.trigger_limit_reaches:
        return False
    return order.px_e8 < trigger.px_e8 if order.is_buy else order.px_e8 > trigger.px_e8


def _refused_alone(state: State, account: Account, market: Market, order: Order) -> Refusal | None:
    """Checks of value and price that need neither book nor position."""
    rules = state.rules.orders
    largest = largest_value_e8(market, is_market=order.is_market)
    if rules.limits_value and not account.is_house and notional_e8(order.px_e8, order.sz_e8) > largest:
        return Status.REJECTED, {"reason": texts.VALUE_TOO_LARGE.format(limit=largest // E8)}
    if not market.is_on_tick(order.px_e8):
        return Status.TICK_REJECTED, {}
    oracle, band = state.marks[order.asset].oracle_px_e8, rules.oracle_band_percent
    if band and abs(order.px_e8 - oracle) * 100 > oracle * band:
        return Status.ORACLE_REJECTED, {}
    return None


def _refused_by_book(state: State, order: Order) -> Refusal | None:
    book = state.book(order.asset)
    opposite = book.against(order.is_buy)
    crosses = opposite.reaches(order.px_e8)
    if order.tif is Tif.ALO and crosses and _is_met(state, order):
        bid, ask = shown_e8(book.best_bid() or 0), shown_e8(book.best_ask() or 0)
        return Status.BAD_ALO_REJECTED, {"bbo": f"{bid}@{ask}"}
    if not order.tif.may_rest and not crosses:
        is_dry = order.is_market and (order.trigger is not None or opposite.best() is None)
        return (Status.NO_LIQUIDITY_REJECTED if is_dry else Status.IOC_REJECTED), {}
    return None


def _at_order_cap(state: State, account: Account, *, is_special: bool) -> bool:
    """Reduce-only and trigger orders stop at the base cap; others at one that grows with volume."""
    if account.is_house:
        return False
    rules = state.rules.limits.open_orders
    extra = 0 if is_special else account.volume_e8 // rules.volume_per_extra_e8
    return len(account.open_orders) >= min(rules.base + extra, rules.most)
