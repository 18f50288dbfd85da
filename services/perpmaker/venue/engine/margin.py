"""Margin: what an account is worth, what its positions and resting orders tie up, what it may still do.

Each dex has one cross balance; an isolated position has its own. Per market the worse side is charged: the position
plus all buys, or its opposite plus all sells, at order prices for orders and at mark for the position, divided by the
chosen leverage. An isolated position is paid for already, so only what its orders would add is charged.
Source: Hyperliquid documentation, "Margining"; the netting of two-sided orders is this venue's choice.
"""

from __future__ import annotations

from collections.abc import Iterator

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, notional_e8, scaled

DEFAULT_LEVERAGE = 20
_TRANSFER_FLOOR = 10
"""Money may leave only above a tenth of the value of all positions."""


def leverage_of(account: Account, market: Market) -> int:
    return account.leverage.get(market.asset, min(DEFAULT_LEVERAGE, market.max_leverage))


def is_isolated(account: Account, market: Market) -> bool:
    return bool(market.margin_mode) or market.asset in account.isolated


def signed_value_e8(state: State, account: Account, asset: int) -> int:
    """Position at mark, negative when short."""
    return scaled(account.szi_e8(asset), state.mark_px_e8(asset), E8)


def isolated_equity_e8(state: State, account: Account, asset: int) -> int:
    """Margin of an isolated position: its own cash plus the position at mark."""
    return account.positions[asset].isolated_raw_e8 + signed_value_e8(state, account, asset)


def held_markets(state: State, account: Account, dex: int, *, isolated: bool) -> Iterator[Market]:
    """Markets of a dex in which the account has a position of that mode, in order of first trade."""
    for asset, position in account.positions.items():
        if position.szi_e8:
            market = state.market(asset)
            if market.dex.index == dex and is_isolated(account, market) == isolated:
                yield market


def cross_equity_e8(state: State, account: Account, dex: int = 0) -> int:
    held = held_markets(state, account, dex, isolated=False)
    return account.cash_e8.get(dex, 0) + sum(signed_value_e8(state, account, m.asset) for m in held)


def equity_e8(state: State, account: Account, dex: int = 0) -> int:
    """Everything of one dex: cross balance and isolated positions (the exchange's `accountValue`)."""
    held = held_markets(state, account, dex, isolated=True)
    isolated = sum(isolated_equity_e8(state, account, m.asset) for m in held)
    return cross_equity_e8(state, account, dex) + isolated


def cross_margin_e8(state: State, account: Account, dex: int = 0) -> int:
    """Initial margin of cross positions."""
    return sum(
        abs(signed_value_e8(state, account, market.asset)) // leverage_of(account, market)
        for market in held_markets(state, account, dex, isolated=False)
    )


def position_margin_e8(state: State, account: Account, dex: int = 0) -> int:
    """What positions tie up: initial margin of cross ones, everything that isolated ones were given."""
    held = held_markets(state, account, dex, isolated=True)
    isolated = sum(isolated_equity_e8(state, account, m.asset) for m in held)
    return cross_margin_e8(state, account, dex) + isolated


def exposure_e8(state: State, account: Account, asset: int) -> tuple[int, int]:
    """Value the account would hold if all its buys, or all its sells, of this market were executed."""
    held = signed_value_e8(state, account, asset)
    resting = account.exposures.get(asset)
    if resting is None:
        return held, -held
    return held + resting.buy_quote_e8, -held + resting.sell_quote_e8


def _paid_e8(state: State, account: Account, market: Market) -> int:
    """Exposure that costs the cross balance nothing: a position with margin of its own."""
    return abs(signed_value_e8(state, account, market.asset)) if is_isolated(account, market) else 0


def reserved_e8(state: State, account: Account, dex: int = 0, *, but: int | None = None) -> int:
    """Initial margin of positions and resting orders of one dex, optionally leaving one market out."""
    total = 0
    for asset in dict.fromkeys((*account.positions, *account.exposures)):
        market = state.market(asset)
        if asset == but or market.dex.index != dex:
            continue
        worse = max(exposure_e8(state, account, asset)) - _paid_e8(state, account, market)
        total += max(worse, 0) // leverage_of(account, market)
    return total


def free_e8(state: State, account: Account, market: Market) -> int:
    """Cross balance that the other markets of its dex leave for this one."""
    dex = market.dex.index
    return cross_equity_e8(state, account, dex) - reserved_e8(state, account, dex, but=market.asset)


def headroom_e8(state: State, account: Account, market: Market) -> tuple[int, int]:
    """Notional this account may still add by buying, and by selling, in one market (never negative)."""
    paid = _paid_e8(state, account, market)
    budget = free_e8(state, account, market) * leverage_of(account, market) + paid
    long, short = exposure_e8(state, account, market.asset)
    return max(budget - long, 0), max(budget - short, 0)


def affords(state: State, account: Account, market: Market, order: NewOrder) -> bool:
    """Whether a placement leaves initial margin covered. Orders that only shrink the worse side always do."""
    if account.is_house or order.reduce_only:
        return True
    long, short = exposure_e8(state, account, market.asset)
    value = notional_e8(order.px_e8, order.sz_e8)
    after = max(long + value, short) if order.is_buy else max(long, short + value)
    if after <= max(long, short):
        return True
    needed = max(after - _paid_e8(state, account, market), 0) // leverage_of(account, market)
    return free_e8(state, account, market) >= needed


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
    dex = market.dex.index
    return cross_equity_e8(state, account, dex) >= reserved_e8(state, account, dex)


def maintenance_of_e8(state: State, account: Account, market: Market) -> int:
    """Maintenance margin of one position."""
    return market.maintenance_margin(abs(signed_value_e8(state, account, market.asset)))


def maintenance_margin_e8(state: State, account: Account, dex: int = 0) -> int:
    """Maintenance margin of all cross positions of a dex."""
    return sum(maintenance_of_e8(state, account, m) for m in held_markets(state, account, dex, isolated=False))


def transferable_e8(state: State, account: Account, dex: int = 0) -> int:
    """What may leave a dex: all above the initial margin and above a tenth of the value of cross positions."""
    held = list(held_markets(state, account, dex, isolated=False))
    total = sum(abs(signed_value_e8(state, account, market.asset)) for market in held)
    kept = max(cross_margin_e8(state, account, dex), total // _TRANSFER_FLOOR)
    return max(cross_equity_e8(state, account, dex) - kept, 0)


def liquidation_px_e8(state: State, account: Account, market: Market) -> int | None:
    """Mark at which the position's equity would meet maintenance margin, or None when no price does.

    `px - side * available / size / (1 - l * side)`, with `l` the maintenance rate of the tier at that price. The rate
    grows with the value, so of the prices that the tiers would give, that tier's is the one met first.
    Source: Hyperliquid documentation, "Liquidations" and "Margin tiers".
    """
    mark, szi = state.mark_px_e8(market.asset), account.szi_e8(market.asset)
    size, value = abs(szi), abs(signed_value_e8(state, account, market.asset))
    if is_isolated(account, market):
        equity = isolated_equity_e8(state, account, market.asset)
    else:
        dex = market.dex.index
        others = maintenance_margin_e8(state, account, dex) - market.maintenance_margin(value)
        equity = cross_equity_e8(state, account, dex) - others
    found: list[int] = []
    for tier in market.maintenance_tiers():
        distance, double = (equity - tier.margin_e8(value)) * E8 // size, 2 * tier.max_leverage
        found.append(mark - distance * double // (double - 1) if szi > 0 else mark + distance * double // (double + 1))
    px = max(found) if szi > 0 else min(found)
    return px if px > 0 else None
