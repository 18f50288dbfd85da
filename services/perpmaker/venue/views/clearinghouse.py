"""An account's money and positions on one dex, and its room to trade, as the exchange spells them.

`marginSummary` counts everything, `crossMarginSummary` leaves isolated positions out.
Source: Hyperliquid documentation, "Info endpoint" (perpetuals) and "Margining".
"""

from __future__ import annotations

from typing import Any

from perpmaker.venue.answer_rules import AnswerRules
from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account, Position
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, scaled, shown_e8
from perpmaker.venue.views.dexes import MAIN
from perpmaker.venue.views.markets import max_px_shown


def clearinghouse_state(
    state: State, account: Account, dex: str = MAIN, rules: AnswerRules | None = None
) -> dict[str, Any]:
    """Money and positions of an account on one dex; an unlisted dex reads as empty."""
    named = state.dex_named(dex)
    index = -1 if named is None else named.index
    value, used = margin.equity_e8(state, account, index), margin.position_margin_e8(state, account, index)
    holds_orders = rules is not None and rules.resting_orders_hold_margin
    free = margin.cross_equity_e8(state, account, index) - margin.cross_margin_e8(state, account, index)
    if holds_orders:
        free = margin.cross_equity_e8(state, account, index) - margin.reserved_e8(state, account, index)
    cross = list(margin.held_markets(state, account, index, isolated=False))
    isolated = list(margin.held_markets(state, account, index, isolated=True))
    cash = account.cash_e8.get(index, 0)
    inside = sum(account.positions[market.asset].isolated_raw_e8 for market in isolated)
    cross_value = _value_e8(state, account, cross)
    cross_equity = margin.cross_equity_e8(state, account, index)
    cross_used = margin.cross_margin_e8(state, account, index)
    return {
        "marginSummary": _summary(value, cross_value + _value_e8(state, account, isolated), cash + inside, used),
        "crossMarginSummary": _summary(cross_equity, cross_value, cash, cross_used),
        "crossMaintenanceMarginUsed": shown_e8(margin.maintenance_margin_e8(state, account, index)),
        "withdrawable": shown_e8(max(free, 0)),
        "assetPositions": [
            {"type": "oneWay", "position": _position(state, account, market, account.positions[market.asset])}
            for market in sorted((*cross, *isolated), key=lambda market: market.asset)
        ],
        "time": state.now_ms,
    }


def _summary(value_e8: int, notional_e8: int, raw_e8: int, used_e8: int) -> dict[str, str]:
    return {
        "accountValue": shown_e8(value_e8),
        "totalNtlPos": shown_e8(notional_e8),
        "totalRawUsd": shown_e8(raw_e8),
        "totalMarginUsed": shown_e8(used_e8),
    }


def _value_e8(state: State, account: Account, markets: list[Market]) -> int:
    return sum(abs(margin.signed_value_e8(state, account, market.asset)) for market in markets)


def _position(state: State, account: Account, market: Market, position: Position) -> dict[str, Any]:
    signed = margin.signed_value_e8(state, account, market.asset)
    leverage = margin.leverage_of(account, market)
    pnl = signed - position.cost_quote_e8
    entry_margin = abs(position.cost_quote_e8) // leverage
    liquidation = margin.liquidation_px_e8(state, account, market)
    is_isolated = margin.is_isolated(account, market)
    used = margin.isolated_equity_e8(state, account, market.asset) if is_isolated else abs(signed) // leverage
    return {
        "coin": market.coin,
        "szi": shown_e8(position.szi_e8),
        "leverage": _leverage(account, market),
        "entryPx": max_px_shown(position.entry_px_e8, market.px_decimals),
        "positionValue": shown_e8(abs(signed)),
        "unrealizedPnl": shown_e8(pnl),
        "returnOnEquity": shown_e8(scaled(pnl, E8, entry_margin)) if entry_margin else "0.0",
        "liquidationPx": None if liquidation is None else shown_e8(liquidation),
        "marginUsed": shown_e8(used),
        "maxLeverage": market.max_leverage,
        "cumFunding": {
            "allTime": shown_e8(position.funding_all_time_e8),
            "sinceOpen": shown_e8(position.funding_since_open_e8),
            "sinceChange": shown_e8(position.funding_since_change_e8),
        },
    }


def _leverage(account: Account, market: Market) -> dict[str, Any]:
    value = margin.leverage_of(account, market)
    if not margin.is_isolated(account, market):
        return {"type": "cross", "value": value}
    position = account.positions.get(market.asset)
    raw = position.isolated_raw_e8 if position is not None else 0
    return {"type": "isolated", "value": value, "rawUsd": shown_e8(raw)}


def active_asset_data(state: State, account: Account, market: Market) -> dict[str, Any]:
    """Pairs are (buy, sell): margin still available, and the largest size it pays for at mark."""
    leverage = margin.leverage_of(account, market)
    room = margin.headroom_e8(state, account, market)
    mark = state.mark_px_e8(market.asset)
    return {
        "user": account.address,
        "coin": market.coin,
        "leverage": _leverage(account, market),
        "maxTradeSzs": [shown_e8(market.floor_sz(notional * E8 // mark)) for notional in room],
        "availableToTrade": [shown_e8(notional // leverage) for notional in room],
        "markPx": shown_e8(mark),
    }
