"""The listed markets and the rules a price or a size must obey before the engine looks at it.

A price has at most five significant figures and at most `6 - sz_decimals` decimals; whole prices are always
legal. A size is a multiple of `10^-sz_decimals`. Margin tiers cap leverage by position value.
Source: Hyperliquid documentation, "Tick and lot size" and "Margin tiers".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from perpmaker.venue.engine.listings import (
    ASSETS_PER_DEX,
    DEXES,
    FIRST_BUILDER_ASSET,
    LISTINGS,
    TESTNET_TIERS,
    Dex,
    Listing,
    MarginMode,
    dex_of_coin,
)
from perpmaker.venue.units import E8, parse_e8

_MAX_DECIMALS = 6
_FIGURES = 5


@dataclass(frozen=True, slots=True)
class Tier:
    """From this position value (quote, 1e8) on, leverage is at most `max_leverage`."""

    lower_bound_e8: int
    max_leverage: int


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Maintenance margin of one tier: `value / (2 * max_leverage) - deduction_e8`."""

    lower_bound_e8: int
    max_leverage: int
    deduction_e8: int

    def margin_e8(self, position_value_e8: int) -> int:
        return position_value_e8 // (2 * self.max_leverage) - self.deduction_e8


@cache
def _maintenance(tiers: tuple[Tier, ...]) -> tuple[Maintenance, ...]:
    found: list[Maintenance] = []
    deduction = 0
    for tier in tiers:
        if found:
            step = tier.lower_bound_e8 // (2 * tier.max_leverage)
            deduction += step - tier.lower_bound_e8 // (2 * found[-1].max_leverage)
        found.append(Maintenance(tier.lower_bound_e8, tier.max_leverage, deduction))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Market:
    """One perpetual. `asset` is the integer used in actions; only in the main dex it is the place in the universe."""

    asset: int
    coin: str
    sz_decimals: int
    margin_table_id: int
    tiers: tuple[Tier, ...]
    start_px_e8: int
    impact_notional_e8: int
    dex: Dex = DEXES[0]
    margin_mode: MarginMode = ""
    has_growth_mode: bool = False
    oi_cap_e8: int | None = None
    funding_multiplier_e6: int = 10**6

    @property
    def lot_e8(self) -> int:
        return int(10 ** (8 - self.sz_decimals))

    @property
    def max_leverage(self) -> int:
        return self.tiers[0].max_leverage

    @property
    def px_decimals(self) -> int:
        """Most decimals any price of this market may have."""
        return _MAX_DECIMALS - self.sz_decimals

    def is_on_lot(self, sz_e8: int) -> bool:
        return sz_e8 % self.lot_e8 == 0

    def is_on_tick(self, px_e8: int) -> bool:
        return px_e8 % self.tick_e8(px_e8) == 0

    def tick_e8(self, px_e8: int) -> int:
        """Smallest legal step at this price (it grows tenfold at each power of ten)."""
        digits = len(str(px_e8))  # a price of 1.0 has nine digits at scale 1e8
        by_figures = 10 ** max(digits - _FIGURES, 0)
        by_decimals = 10 ** (8 - self.px_decimals)
        return int(min(max(by_figures, by_decimals), E8))

    def round_px(self, px_e8: int, *, up: bool) -> int:
        """Nearest legal price at or beyond `px_e8` in the given direction."""
        tick = self.tick_e8(px_e8)
        floor = px_e8 // tick * tick
        return floor + tick if up and floor != px_e8 else floor

    def floor_sz(self, sz_e8: int) -> int:
        return sz_e8 // self.lot_e8 * self.lot_e8

    def tier_max_leverage(self, position_value_e8: int) -> int:
        """Leverage allowed for a position of this value."""
        return next(t.max_leverage for t in reversed(self.tiers) if position_value_e8 >= t.lower_bound_e8)

    def maintenance_tiers(self) -> tuple[Maintenance, ...]:
        """Rate and deduction of each tier, so that the margin does not jump where one begins."""
        return _maintenance(self.tiers)

    def maintenance_margin(self, position_value_e8: int) -> int:
        """Maintenance margin of a position of this value, by the tier it is in."""
        tiers = reversed(self.maintenance_tiers())
        return next(tier.margin_e8(position_value_e8) for tier in tiers if position_value_e8 >= tier.lower_bound_e8)


def capped(market: Market, max_leverage: int) -> Market:
    """The market with one margin tier of this leverage; such a tier's table has the leverage as its number."""
    return replace(market, tiers=(Tier(0, max_leverage),), margin_table_id=max_leverage)


_BY_COIN = {listing.coin: listing for listing in LISTINGS}
KNOWN_COINS = tuple(_BY_COIN)


def list_markets(coins: tuple[str, ...], *, testnet_tiers: bool = False) -> tuple[Market, ...]:
    """The universe in the given order, numbered dex by dex.

    `testnet_tiers` replaces the margin tiers by the testnet's small ones where those are known. Raises `ValueError`
    naming an unknown or repeated coin.
    """
    for coin in coins:
        if coin not in _BY_COIN:
            raise ValueError(f"unknown market {coin!r}; this venue can list {', '.join(KNOWN_COINS)}")
    if not coins or len(set(coins)) != len(coins):
        raise ValueError("markets must be a non-empty list without repetitions")
    listed: dict[int, int] = {}
    markets = []
    for coin in coins:
        dex = dex_of_coin(coin)
        place = listed.setdefault(dex.index, 0)
        listed[dex.index] = place + 1
        markets.append(_market(_BY_COIN[coin], dex, place, testnet_tiers=testnet_tiers))
    return tuple(markets)


def asset_number(dex: Dex, place: int) -> int:
    """The integer actions use: the place in the main universe, or 110000 and up for builder dexes."""
    return place if not dex.index else FIRST_BUILDER_ASSET + dex.index * ASSETS_PER_DEX + place


def _market(listing: Listing, dex: Dex, place: int, *, testnet_tiers: bool) -> Market:
    tiers = TESTNET_TIERS.get(listing.coin, listing.tiers) if testnet_tiers else listing.tiers
    cap = listing.oi_cap_quote
    return Market(
        asset=asset_number(dex, place),
        coin=listing.coin,
        sz_decimals=listing.sz_decimals,
        margin_table_id=listing.margin_table_id,
        tiers=tuple(Tier(bound * E8, leverage) for bound, leverage in tiers),
        start_px_e8=parse_e8(listing.start_px),
        impact_notional_e8=listing.impact_notional * E8,
        dex=dex,
        margin_mode=listing.margin_mode,
        has_growth_mode=listing.has_growth_mode,
        oi_cap_e8=None if cap is None else cap * E8,
        funding_multiplier_e6=listing.funding_multiplier_e6,
    )
