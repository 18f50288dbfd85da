"""What an account pays and what it traded, day by day, as the exchange spells them.

Source: Hyperliquid documentation, "Fees" and "Info endpoint".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from perpmaker.venue.engine import fees
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, shown_e8

_DAY_MS = 86_400_000


def user_fees(state: State, account: Account) -> dict[str, Any]:
    """Rates are fractions. The account's own ones are after its discounts, in the main dex."""
    taker, maker = fees.base_rates_e6(state, account)
    referral, staking = fees.referral_discount_percent(account), fees.staking_discount_percent(account)
    return {
        "dailyUserVlm": _daily(state, account),
        "feeSchedule": {
            "cross": _rate_e6(state.rules.taker_fee_e6),
            "add": _rate_e6(state.rules.maker_fee_e6),
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {"vip": [_vip(tier) for tier in fees.VIP_TIERS], "mm": [_rebate(*row) for row in _REBATES]},
            "referralDiscount": "0.04",
            "stakingDiscountTiers": [
                {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
                *({"bpsOfMaxSupply": _of_supply(held), "discount": _percent(off)} for held, off in _STAKING),
            ],
        },
        "userCrossRate": _discounted(taker, referral, staking),
        "userAddRate": _discounted(maker, referral, staking),
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": _percent(referral),
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": _of_supply(account.staked_tokens), "discount": _percent(staking)},
    }


_REBATES = fees.MAKER_REBATES
_STAKING = fees.STAKING_DISCOUNTS
_MAX_SUPPLY = 10**9
"""Tokens there will ever be; what is staked is told in basis points of it."""


def _daily(state: State, account: Account) -> list[dict[str, str]]:
    """Today and the days before it with any volume, newest last."""
    today = state.now_ms // _DAY_MS
    days = sorted({today} | set(account.volume_by_day))
    return [_day(state, account, day) for day in days]


def _day(state: State, account: Account, day: int) -> dict[str, str]:
    taken, made = account.volume_by_day.get(day, (0, 0))
    everybody = sum(other.volume_by_day.get(day, (0, 0))[1] for other in state.accounts.values())
    return {
        "date": datetime.fromtimestamp(day * _DAY_MS / 1000, UTC).strftime("%Y-%m-%d"),
        "userCross": shown_e8(taken),
        "userAdd": shown_e8(made),
        "exchange": shown_e8(everybody),
    }


def _vip(tier: fees.FeeTier) -> dict[str, str]:
    return {
        "ntlCutoff": shown_e8(tier.volume * E8),
        "cross": _rate_e6(tier.taker_e6),
        "add": _rate_e6(tier.maker_e6),
        "spotCross": "0.0007",
        "spotAdd": "0.0004",
    }


def _rebate(share_e6: int, lowered_by_e6: int) -> dict[str, str]:
    return {"makerFractionCutoff": _rate_e6(share_e6), "add": _rate_e6(lowered_by_e6)}


def _discounted(rate_e6: int, *percents: int) -> str:
    rate_e8 = rate_e6 * 100
    for percent in percents if rate_e8 > 0 else ():
        rate_e8 = rate_e8 * (100 - percent) // 100
    return shown_e8(rate_e8)


def _rate_e6(rate_e6: int) -> str:
    return shown_e8(rate_e6 * 100)


def _percent(percent: int) -> str:
    return shown_e8(percent * E8 // 100)


def _of_supply(tokens: int) -> str:
    return shown_e8(tokens * 10_000 * E8 // _MAX_SUPPLY)
