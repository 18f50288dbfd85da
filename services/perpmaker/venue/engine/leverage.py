"""Leverage, margin mode and the margin of isolated positions.

Raising leverage is always allowed up to the tier of the position; lowering needs margin. The mode cannot change while
there is a position. Source: Hyperliquid documentation, "Margining".
"""

from __future__ import annotations

from perpmaker.venue.engine import action_texts, margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import notional_e8

_FLOOR = 10
"""At least a tenth of the position's value stays as margin."""


def update_leverage(state: State, account: Account, market: Market, leverage: int, *, is_cross: bool) -> str | None:
    """Choose leverage and mode of one market. Returns None or the refusal."""
    asset = market.asset
    if is_cross and market.margin_mode:
        return action_texts.CROSS_NOT_ALLOWED
    switches = is_cross == margin.is_isolated(account, market)
    if switches and account.szi_e8(asset):
        return action_texts.LEVERAGE_OPEN_POSITION
    long, short = margin.exposure_e8(state, account, asset)
    if not 1 <= leverage <= market.tier_max_leverage(max(long, short, 0)):
        return action_texts.LEVERAGE_INVALID
    before = account.leverage.get(asset)
    was_isolated = asset in account.isolated
    lowers = leverage < margin.leverage_of(account, market)
    account.leverage[asset] = leverage
    account.set_isolated(asset, not is_cross)
    if (lowers or switches) and not _covers(state, account, market, leverage):
        if before is None:
            del account.leverage[asset]
        else:
            account.leverage[asset] = before
        account.set_isolated(asset, was_isolated)
        return action_texts.LEVERAGE_UNCOVERED
    return None


def _covers(state: State, account: Account, market: Market, leverage: int) -> bool:
    """Whether margin suffices at the new leverage; an isolated position is given what it lacks."""
    dex = market.dex.index
    free = margin.cross_equity_e8(state, account, dex) - margin.reserved_e8(state, account, dex)
    missing = 0
    if margin.is_isolated(account, market) and account.szi_e8(market.asset):
        needed = abs(margin.signed_value_e8(state, account, market.asset)) // leverage
        missing = max(needed - margin.isolated_equity_e8(state, account, market.asset), 0)
    if free < missing:
        return False
    if missing:
        _give(account, market, missing)
    return True


def _give(account: Account, market: Market, quote_e8: int) -> None:
    account.credit(market.dex.index, -quote_e8)
    account.positions[market.asset].isolated_raw_e8 += quote_e8


def update_isolated_margin(state: State, account: Account, market: Market, quote_e8: int) -> str | None:
    """Add margin to an isolated position, or take it out with a negative amount. Returns None or the refusal."""
    asset, dex = market.asset, market.dex.index
    if not account.szi_e8(asset) or not margin.is_isolated(account, market):
        return action_texts.NO_ISOLATED_POSITION
    if quote_e8 < 0:
        if market.margin_mode == "strictIsolated":
            return action_texts.MARGIN_NOT_REMOVABLE
        value = notional_e8(state.mark_px_e8(asset), abs(account.szi_e8(asset)))
        kept = max(value // margin.leverage_of(account, market), value // _FLOOR)
        if margin.isolated_equity_e8(state, account, asset) + quote_e8 < kept:
            return action_texts.MARGIN_TOO_LITTLE
    elif margin.cross_equity_e8(state, account, dex) - margin.reserved_e8(state, account, dex) < quote_e8:
        return action_texts.MARGIN_TOO_LITTLE
    _give(account, market, quote_e8)
    return None


def top_up_isolated(state: State, account: Account, market: Market, leverage_e8: int) -> str | None:
    """Add what brings an isolated position down to this leverage; nothing when it is there already."""
    if leverage_e8 <= 0:
        return action_texts.LEVERAGE_INVALID
    asset = market.asset
    if not account.szi_e8(asset) or not margin.is_isolated(account, market):
        return action_texts.NO_ISOLATED_POSITION
    value = abs(margin.signed_value_e8(state, account, asset))
    missing = value * 10**8 // leverage_e8 - margin.isolated_equity_e8(state, account, asset)
    return update_isolated_margin(state, account, market, missing) if missing > 0 else None
