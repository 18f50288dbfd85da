"""Situations for risk in the domain's words."""

from __future__ import annotations

from typing import Any

from perpmaker.api.parts import AccountRiskPart, MarketRiskPart
from perpmaker.common.decimals import E8
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.risk.state import AccountRisk, Instrument, RiskState, TradeLimits, limit_in_lots_e8

BTC, ETH = "BTC", "ETH"
LOT_E8 = E8 // 100_000
MARK_E8 = 50_000 * E8


def market_limits(market: str = BTC, **changed: Any) -> MarketRiskPart:
    """Limits of a market: 10,000 of position, 500 of loss a day, 300 of drawdown, books at most 2 s old."""
    usual = {
        "max_notional_e8": 10_000 * E8,
        "max_daily_loss_e8": 500 * E8,
        "max_drawdown_e8": 300 * E8,
        "max_market_data_age_ms": 2_000,
    }
    return MarketRiskPart(market=market, **{**usual, **changed})


def account_limits(**changed: Any) -> AccountRiskPart:
    """Limits of an account: 50,000 gross, 30,000 net, 1,000 of loss and 800 of drawdown a day, 80 % of margin."""
    usual = {
        "max_gross_notional_e8": 50_000 * E8,
        "max_net_notional_e8": 30_000 * E8,
        "max_daily_loss_e8": 1_000 * E8,
        "max_drawdown_e8": 800 * E8,
        "min_equity_e8": 100 * E8,
        "max_margin_usage_ppm": 800_000,
    }
    return AccountRiskPart(**{**usual, **changed})


def healthy(**changed: Any) -> RiskState:
    """A flat market at 50,000 whose every source is fresh."""
    usual: dict[str, Any] = {
        "market": BTC,
        "mark_px_e8": MARK_E8,
        "max_position_e8": limit_in_lots_e8(10_000 * E8, changed.get("mark_px_e8", MARK_E8), LOT_E8),
        "instrument": Instrument(lot_e8=LOT_E8, max_leverage=40),
        "trade_limits": TradeLimits(max_buy_e8=100 * E8, max_sell_e8=100 * E8, age_ms=0),
        "standing_age_ms": 0,
        "book_age_ms": 0,
        "mark_age_ms": 0,
    }
    return RiskState(**{**usual, **changed})


def solvent(**changed: Any) -> AccountRisk:
    """An account with 10,000 of equity and no position."""
    return AccountRisk(**{"equity_e8": 10_000 * E8, "account_age_ms": 0, **changed})


def standing(
    market: str = BTC,
    *,
    position_e8: int = 0,
    cash_e8: int = 0,
    fills: int = 0,
    bid_e8: int = 0,
    ask_e8: int = 0,
    open_orders: int = 0,
    drift_e8: int = 0,
    drift_since_ms: int = 0,
    oldest_unknown_since_ms: int = 0,
) -> orderstate.Standing:
    """Position and exposure as order-state tells them."""
    return orderstate.Standing(
        position=common.Position(market=market, sz_e8=position_e8, cash_quote_e8=cash_e8, fills=fills),
        exposure=common.Exposure(
            market=market,
            active_bid_e8=bid_e8,
            active_ask_e8=ask_e8,
            max_possible_bid_e8=bid_e8,
            max_possible_ask_e8=ask_e8,
            open_orders=open_orders,
            oldest_unknown_since_ms=oldest_unknown_since_ms,
        ),
        drift_e8=drift_e8,
        drift_since_ms=drift_since_ms,
    )


def trace(market: str = BTC) -> common.Trace:
    """Trace that names a market."""
    return common.Trace(market=market)


def snapshot_of(market: str, now: orderstate.Standing, *orders: common.Order) -> orderstate.WatchResponse:
    """A market's first message on `Orders.Watch`."""
    whole = orderstate.MarketSnapshot(orders=orders, standing=now)
    return orderstate.WatchResponse(trace=trace(market), snapshot=whole)


def bbo(market: str, bid_px_e8: int, ask_px_e8: int) -> gateway.MarketDataServiceSubscribeResponse:
    """Best bid and offer."""
    touch = gateway.Bbo(bid=gateway.Level(px_e8=bid_px_e8, sz_e8=E8), ask=gateway.Level(px_e8=ask_px_e8, sz_e8=E8))
    return gateway.MarketDataServiceSubscribeResponse(trace=trace(market), bbo=touch)


def mark(market: str, mark_px_e8: int) -> gateway.MarketDataServiceSubscribeResponse:
    """Asset context with this mark."""
    context = gateway.AssetContext(mark_px_e8=mark_px_e8)
    return gateway.MarketDataServiceSubscribeResponse(trace=trace(market), context=context)
