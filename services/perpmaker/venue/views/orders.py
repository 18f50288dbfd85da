"""Orders and fills as the exchange spells them, in each of the shapes it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perpmaker.venue.engine.accounts import Account, Deposit, Fill, FundingPayment, LedgerEntry
from perpmaker.venue.engine.orders import Order, Tif, Trigger
from perpmaker.venue.engine.state import ZERO_HASH, LiquidationNotice, OrderUpdate, State, Trade
from perpmaker.venue.units import canonical_e8, shown_e8
from perpmaker.venue.views.dexes import MAIN


def side(is_buy: bool) -> str:
    return "B" if is_buy else "A"


def rate_text(rate_e10: int) -> str:
    """A funding rate (1e-10) as a plain decimal."""
    sign, digits = ("-", -rate_e10) if rate_e10 < 0 else ("", rate_e10)
    whole, fraction = divmod(digits, 10**10)
    return f"{sign}{whole}." + (f"{fraction:010d}".rstrip("0") or "0")


def basic_order(state: State, order: Order, sz_e8: int) -> dict[str, Any]:
    """The short shape of `openOrders` and `orderUpdates`; optional keys only when set."""
    shown: dict[str, Any] = {
        "coin": state.market(order.asset).coin,
        "side": side(order.is_buy),
        "limitPx": shown_e8(order.px_e8),
        "sz": shown_e8(sz_e8),
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "origSz": shown_e8(order.orig_sz_e8),
    }
    if order.cloid is not None:
        shown["cloid"] = order.cloid
    if order.reduce_only:
        shown["reduceOnly"] = True
    return shown


def frontend_order(state: State, order: Order, sz_e8: int) -> dict[str, Any]:
    """The long shape of `frontendOpenOrders`, `orderStatus` and the `openOrders` stream.

    A trigger order that has fired is a live order: only `orderType` still tells where it came from.
    """
    is_live = order.has_fired and not state.rules.orders.fired_stays_trigger
    trigger = None if is_live else order.trigger
    return {
        "coin": state.market(order.asset).coin,
        "side": side(order.is_buy),
        "limitPx": shown_e8(order.px_e8),
        "sz": shown_e8(sz_e8),
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "triggerCondition": "N/A" if trigger is None else _trigger_condition(trigger, order.is_buy),
        "isTrigger": trigger is not None,
        "triggerPx": "0.0" if trigger is None else shown_e8(trigger.px_e8),
        "children": _children(state, order),
        "isPositionTpsl": order.is_position_tpsl,
        "reduceOnly": order.reduce_only,
        "orderType": _order_type(order),
        "origSz": shown_e8(order.orig_sz_e8),
        "tif": order.tif.value if trigger is None else None,
        "cloid": order.cloid,
    }


def _trigger_condition(trigger: Trigger, is_buy: bool) -> str:
    return f"Price {'above' if trigger.rises(is_buy) else 'below'} {canonical_e8(trigger.px_e8)}"


def _children(state: State, order: Order) -> list[dict[str, Any]]:
    """The orders that protect this one and are still open."""
    opened = state.accounts[order.address].open_orders if order.children else {}
    return [frontend_order(state, opened[oid], opened[oid].sz_e8) for oid in order.children if oid in opened]


def _order_type(order: Order) -> str:
    if order.trigger is not None:
        kind = "Take Profit" if order.trigger.is_take_profit else "Stop"
        return f"{kind} {'Market' if order.trigger.is_market else 'Limit'}"
    return "Market" if order.tif is Tif.FRONTEND_MARKET else "Limit"


def _of_dex(state: State, account: Account, dex: str) -> Iterator[Order]:
    """Open orders on one dex, newest first."""
    return (o for o in reversed(account.open_orders.values()) if state.market(o.asset).dex.name == dex)


def open_orders(state: State, account: Account, dex: str = MAIN) -> list[dict[str, Any]]:
    """Newest first, short shape."""
    return [basic_order(state, o, o.sz_e8) for o in _of_dex(state, account, dex)]


def frontend_open_orders(state: State, account: Account, dex: str = MAIN) -> list[dict[str, Any]]:
    """Newest first, long shape."""
    return [frontend_order(state, o, o.sz_e8) for o in _of_dex(state, account, dex)]


def order_record(state: State, order: Order) -> dict[str, Any]:
    """An order with its status. Its size is the one recorded when the status last changed."""
    return {
        "order": frontend_order(state, order, order.recorded_sz_e8),
        "status": order.status.value,
        "statusTimestamp": order.status_ms,
    }


def order_update(state: State, update: OrderUpdate) -> dict[str, Any]:
    return {
        "order": basic_order(state, update.order, update.sz_e8),
        "status": update.status.value,
        "statusTimestamp": update.time_ms,
    }


def update_record(state: State, update: OrderUpdate) -> dict[str, Any]:
    """An order update in the shape of order records."""
    return {
        "order": frontend_order(state, update.order, update.sz_e8),
        "status": update.status.value,
        "statusTimestamp": update.time_ms,
    }


def fill(state: State, made: Fill) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "coin": state.market(made.asset).coin,
        "px": shown_e8(made.px_e8),
        "sz": shown_e8(made.sz_e8),
        "side": side(made.is_buy),
        "time": made.time_ms,
        "startPosition": shown_e8(made.start_position_e8),
        "dir": made.direction,
        "closedPnl": shown_e8(made.closed_pnl_e8),
        "hash": made.tx_hash,
        "oid": made.oid,
        "crossed": made.crossed,
        "fee": shown_e8(made.fee_e8),
        "tid": made.tid,
        "feeToken": state.market(made.asset).dex.token.name,
        "twapId": made.twap_id,
    }
    if made.cloid is not None:
        shown["cloid"] = made.cloid
    if made.builder_fee_e8:
        shown["builderFee"] = shown_e8(made.builder_fee_e8)
    if made.liquidation is not None:
        shown["liquidation"] = {
            "liquidatedUser": made.liquidation.address,
            "markPx": shown_e8(made.liquidation.mark_px_e8),
            "method": made.liquidation.method,
        }
    return shown


def liquidation(notice: LiquidationNotice) -> dict[str, Any]:
    return {
        "lid": notice.number,
        "liquidator": notice.liquidator,
        "liquidated_user": notice.address,
        "liquidated_ntl_pos": shown_e8(notice.value_e8),
        "liquidated_account_value": shown_e8(notice.equity_e8),
    }


def liquidation_text(notice: LiquidationNotice) -> str:
    """The same for people to read."""
    value, equity = shown_e8(notice.value_e8), shown_e8(notice.equity_e8)
    return f"Liquidated: positions of {value} USD with {equity} USD left to hold them."


def trade(state: State, made: Trade) -> dict[str, Any]:
    return {
        "coin": state.market(made.asset).coin,
        "side": side(made.taker_is_buy),
        "px": shown_e8(made.px_e8),
        "sz": shown_e8(made.sz_e8),
        "time": made.time_ms,
        "hash": made.tx_hash,
        "tid": made.tid,
        "users": [made.buyer, made.seller],
    }


def funding_event(state: State, payment: FundingPayment) -> dict[str, Any]:
    return {
        "time": payment.time_ms,
        "coin": state.market(payment.asset).coin,
        "usdc": shown_e8(payment.quote_e8),
        "szi": shown_e8(payment.szi_e8),
        "fundingRate": rate_text(payment.rate_e10),
        "nSamples": None,
    }


def funding_entry(state: State, payment: FundingPayment) -> dict[str, Any]:
    """The shape of `userFunding`: time and hash outside, the rest in a delta."""
    event = funding_event(state, payment)
    time_ms = event.pop("time")
    return {"time": time_ms, "hash": ZERO_HASH, "delta": {"type": "funding"} | event}


def deposit(entry: LedgerEntry) -> dict[str, Any]:
    """A movement of money as the ledger shows it."""
    if isinstance(entry, Deposit):
        delta: dict[str, Any] = {"type": "deposit", "usdc": shown_e8(entry.quote_e8)}
    else:
        delta = {"type": entry.kind} | dict(entry.fields)
    return {"time": entry.time_ms, "hash": entry.tx_hash, "delta": delta}
