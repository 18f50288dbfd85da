"""Cross margin: what an account is worth, what its positions and resting orders tie up, what it may still do.

Per market the worse side is charged: the position plus all buys, or its opposite plus all sells, at order
prices for orders and at mark for the position, divided by the chosen leverage.
Source: Hyperliquid documentation, "Margining"; the netting of two-sided orders is this venue's choice.
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, notional_e8, scaled

DEFAULT_LEVERAGE = 20


def leverage_of(account: Account, market: Market) -> int:
    return account.leverage.get(market.asset, min(DEFAULT_LEVERAGE, market.max_leverage))


def signed_value_e8(state: State, account: Account, asset: int) -> int:
    """Position at mark, negative when short."""
    return scaled(account.szi_e8(asset), state.mark_px_e8(asset), E8)


def equity_e8(state: State, account: Account) -> int:
    return account.raw_e8 + sum(signed_value_e8(state, account, asset) for asset in account.positions)


def position_margin_e8(state: State, account: Account) -> int:
    """Initial margin of positions alone."""
    return sum(
        abs(signed_value_e8(state, account, market.asset)) // leverage_of(account, market)
        for market in state.markets
        if market.asset in account.positions
    )


def exposure_e8(state: State, account: Account, asset: int) -> tuple[int, int]:
    """Value the account would hold if all its buys, or all its sells, of this market were executed."""
    held = signed_value_e8(state, account, asset)
    resting = account.exposures.get(asset)
    if resting is None:
        return held, -held
    return held + resting.buy_quote_e8, -held + resting.sell_quote_e8


def reserved_e8(state: State, account: Account, *, but: int | None = None) -> int:
    """Initial margin of positions and resting orders, optionally leaving one market out."""
    total = 0
    for market in state.markets:
        if market.asset == but or (market.asset not in account.positions and market.asset not in account.exposures):
            continue
        long, short = exposure_e8(state, account, market.asset)
        total += max(long, short) // leverage_of(account, market)
    return total


def headroom_e8(state: State, account: Account, market: Market) -> tuple[int, int]:
    """Notional this account may still add by buying, and by selling, in one market (never negative)."""
    free = equity_e8(state, account) - reserved_e8(state, account, but=market.asset)
    budget = free * leverage_of(account, market)
    long, short = exposure_e8(state, account, market.asset)
    return max(budget - long, 0), max(budget - short, 0)


def affords(state: State, account: Account, market: Market, order: NewOrder) -> bool:
    """Whether a placement leaves initial margin covered. Orders that only shrink the worse side always do."""
    long, short = exposure_e8(state, account, market.asset)
    value = notional_e8(order.px_e8, order.sz_e8)
    after = max(long + value, short) if order.is_buy else max(long, short + value)
    if account.is_house or order.reduce_only or after <= max(long, short):
        return True
    needed = after // leverage_of(account, market)
    return equity_e8(state, account) - reserved_e8(state, account, but=market.asset) >= needed


def exceeds_tier(state: State, account: Account, market: Market, order: NewOrder) -> bool:
    """Whether the position could outgrow the size at which the chosen leverage is still allowed."""
    if account.is_house or order.reduce_only:
        return False
    long, short = exposure_e8(state, account, market.asset)
    value = notional_e8(order.px_e8, order.sz_e8)
    after = long + value if order.is_buy else short + value
    return leverage_of(account, market) > market.tier_max_leverage(max(after, 0))


def can_execute_resting(state: State, account: Account, market: Market, *, is_buy: bool, sz_e8: int) -> bool:
    """The second look at a resting order, at the moment it would trade."""
    szi = account.szi_e8(market.asset)
    reduces = szi != 0 and (szi > 0) != is_buy and sz_e8 <= abs(szi)
    if account.is_house or reduces:
        return True
    return equity_e8(state, account) >= reserved_e8(state, account)


def maintenance_margin_e8(state: State, account: Account) -> int:
    return sum(
        market.maintenance_margin(abs(signed_value_e8(state, account, market.asset)))
        for market in state.markets
        if market.asset in account.positions
    )
