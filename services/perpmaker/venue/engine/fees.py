"""What an execution costs: a rate by volume, discounts, the dex's own factor, and the builder of the client.

Rates are fractions scaled by 1e12, so that every discount is exact enough; a fee is cut to six decimals. Tiers and
rebates follow the volume of the last 14 days and are looked at once a day (UTC).
Source: Hyperliquid documentation, "Fees" and "HIP-3: fees".
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.sub_accounts import family_of
from perpmaker.venue.units import E8, scaled, truncate_e6

_DAY_MS = 86_400_000
_WINDOW_DAYS = 14
_E6 = 10**6
_E12 = 10**12
_REFERRAL_DISCOUNT_PERCENT = 4
_REFERRAL_UP_TO_E8 = 25_000_000 * E8
_BUILDER_UNIT = 10**5
"""A builder's fee is in tenths of a basis point."""


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From this 14-day volume (quote units) on, these rates (1e-6) hold."""

    volume: int
    taker_e6: int
    maker_e6: int


VIP_TIERS = (
    FeeTier(5_000_000, 400, 120),
    FeeTier(25_000_000, 350, 80),
    FeeTier(100_000_000, 300, 40),
    FeeTier(500_000_000, 280, 0),
    FeeTier(2_000_000_000, 260, 0),
    FeeTier(7_000_000_000, 240, 0),
)
MAKER_REBATES = ((5_000, -10), (15_000, -20), (30_000, -30))
"""Share of all maker volume (1e-6) above which the maker rate is lowered by so much (1e-6)."""

STAKING_DISCOUNTS = ((10, 5), (100, 10), (1_000, 15), (10_000, 20), (100_000, 30), (500_000, 40))
"""Staked tokens above which positive fees are lowered by so many percent."""


def window_volume_e8(account: Account, now_ms: int) -> tuple[int, int]:
    """Quote traded in the 14 whole days before today: as taker, as maker."""
    today = now_ms // _DAY_MS
    days = [account.volume_by_day.get(day, (0, 0)) for day in range(today - _WINDOW_DAYS, today)]
    return sum(taken for taken, _ in days), sum(made for _, made in days)


def base_rates_e6(state: State, account: Account) -> tuple[int, int]:
    """Taker and maker rate before discounts. Looked at once a day."""
    today = state.now_ms // _DAY_MS
    if account.fee_rates_cache[0] != today:
        account.fee_rates_cache = (today, *_rates_for(state, account))
    return account.fee_rates_cache[1:]


def _rates_for(state: State, account: Account) -> tuple[int, int]:
    windows = [window_volume_e8(member, state.now_ms) for member in family_of(state, account)]
    taken, made = (sum(volumes) for volumes in zip(*windows, strict=True))
    taker, maker = state.rules.taker_fee_e6, state.rules.maker_fee_e6
    for tier in VIP_TIERS:
        if taken + made > tier.volume * E8:
            taker, maker = min(taker, tier.taker_e6), min(maker, tier.maker_e6)
    everybody = sum(window_volume_e8(other, state.now_ms)[1] for other in state.accounts.values()) if made else 0
    rebate = 0
    for share_e6, lowered_by in MAKER_REBATES:
        if everybody and made * _E6 > share_e6 * everybody:
            rebate = lowered_by
    return taker, maker if account.is_house else maker + rebate


def staking_discount_percent(account: Account) -> int:
    return max((percent for staked, percent in STAKING_DISCOUNTS if account.staked_tokens > staked), default=0)


def referral_discount_percent(account: Account) -> int:
    """Whoever named a referrer pays less until it has traded enough."""
    is_young = account.volume_e8 < _REFERRAL_UP_TO_E8
    return _REFERRAL_DISCOUNT_PERCENT if account.referrer_code and is_young else 0


def rate_e12(state: State, account: Account, market: Market, *, crossed: bool) -> int:
    """What this account pays in this market, as a fraction of the notional; negative is a rebate."""
    rate = base_rates_e6(state, account)[0 if crossed else 1] * _E6
    if rate > 0:
        discounts = (100 - staking_discount_percent(account)) * (100 - referral_discount_percent(account))
        rate = rate * discounts // 10_000
        rate = rate * _dex_factor_e6(market) // _E6
    return scaled(rate, 1, 10) if market.has_growth_mode else rate


def _dex_factor_e6(market: Market) -> int:
    if not market.dex.index:
        return _E6
    scale = market.dex.deployer_fee_scale_e6
    return _E6 + scale if scale < _E6 else 2 * scale


def fee_e8(state: State, account: Account, market: Market, quote_e8: int, *, crossed: bool) -> int:
    """The exchange's fee of one execution, cut to six decimals; negative when the maker is paid."""
    return truncate_e6(scaled(quote_e8, rate_e12(state, account, market, crossed=crossed), _E12))


def builder_fee_e8(quote_e8: int, tenths_bp: int) -> int:
    return truncate_e6(quote_e8 * tenths_bp // _BUILDER_UNIT)


def count_volume(account: Account, now_ms: int, quote_e8: int, *, crossed: bool) -> None:
    """Remember an execution for the tiers of the coming two weeks."""
    today = now_ms // _DAY_MS
    taken, made = account.volume_by_day.get(today, (0, 0))
    account.volume_by_day[today] = (taken + quote_e8, made) if crossed else (taken, made + quote_e8)
    if len(account.volume_by_day) > _WINDOW_DAYS + 1:
        del account.volume_by_day[min(account.volume_by_day)]
