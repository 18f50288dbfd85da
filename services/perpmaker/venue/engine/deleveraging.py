"""Closing a bankrupt position against those who gained from the same move.

The opposite side is ranked by profit over entry times leverage of the account, and gives up its position at the mark
before this one. Source: Hyperliquid documentation, "Auto-deleveraging".
"""

from __future__ import annotations

from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.closing import hand_over
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8

DIRECTION = "Auto-Deleveraging"


def deleverage(state: State, account: Account, market: Market) -> None:
    """Close as much of a position as others hold on the other side."""
    px_e8 = state.marks[market.asset].previous_px_e8
    for other in ranked_against(state, account, market):
        left = abs(account.szi_e8(market.asset))
        if not left:
            return
        sz_e8 = min(left, abs(other.szi_e8(market.asset)))
        hand_over(state, account, other, market, sz_e8, px_e8, why=(DIRECTION, DIRECTION))


def ranked_against(state: State, account: Account, market: Market) -> list[Account]:
    """Holders of the opposite side, first who is to give way first; ties in order of arrival."""
    is_long = account.szi_e8(market.asset) > 0
    others = [
        other
        for other in state.accounts.values()
        if other is not account and other.szi_e8(market.asset) and (other.szi_e8(market.asset) > 0) != is_long
    ]
    return sorted(others, key=lambda other: -_rank_e8(state, other, market))


def _rank_e8(state: State, account: Account, market: Market) -> int:
    position, mark = account.positions[market.asset], state.mark_px_e8(market.asset)
    entry = position.entry_px_e8
    if not entry or not mark:
        return 0
    gain_e8 = mark * E8 // entry if position.szi_e8 > 0 else entry * E8 // mark
    isolated = margin.is_isolated(account, market)
    equity = margin.isolated_equity_e8(state, account, market.asset) if isolated else 0
    value = equity or margin.cross_equity_e8(state, account, market.dex.index)
    if account.is_house or value <= 0:
        return 0
    leverage_e8 = abs(margin.signed_value_e8(state, account, market.asset)) * E8 // value
    return gain_e8 * leverage_e8 // E8
