"""What an account is besides its positions: role, history of value, referral, vaults, checks before a transfer.

An address the venue has never seen reads as an empty account, never as an error.
"""

from __future__ import annotations

import hashlib
from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.tape.candles import DAY_MS
from perpmaker.venue.units import E8, notional_e8, shown_e8
from perpmaker.venue.views import accounts

_PERIODS_MS = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 30 * DAY_MS, "allTime": None}
_REFERRAL_VOLUME_USD = 10_000


def role(venue: Venue, address: str) -> dict[str, Any]:
    """What an address is: an account, a sub-account, somebody's agent, or unknown."""
    master = venue.admission.agents.master_of(address, venue.state.now_ms)
    if master is not None:
        return {"role": "agent", "data": {"user": master}}
    account = venue.state.accounts.get(address)
    if account is None:
        return {"role": "missing"}
    if account.master is not None:
        return {"role": "subAccount", "data": {"master": account.master}}
    return {"role": "user"}


def portfolio(venue: Venue, account: Account) -> list[Any]:
    """Value, profit and volume per period; each history has the period's last point, which is now."""
    periods = [(name, _performance(venue, account, length)) for name, length in _PERIODS_MS.items()]
    of_perps = [(f"perp{name[0].upper()}{name[1:]}", shown) for name, shown in periods]
    return [[name, shown] for name, shown in (*periods, *of_perps)]


def _performance(venue: Venue, account: Account, length_ms: int | None) -> dict[str, Any]:
    now_ms = venue.state.now_ms
    value = margin.equity_e8(venue.state, account)
    put_in = accounts.deposited_e8(account)
    since_ms = 0 if length_ms is None else now_ms - length_ms
    volume = sum(notional_e8(made.px_e8, made.sz_e8) for made in account.fills if made.time_ms >= since_ms)
    return {
        "accountValueHistory": [[now_ms, shown_e8(value)]],
        "pnlHistory": [[now_ms, shown_e8(value - put_in)]],
        "vlm": shown_e8(account.volume_e8 if length_ms is None else volume),
    }


def referral(account: Account) -> dict[str, Any]:
    """The code the account named, of a referrer made up here; a code of its own may be made once enough was traded."""
    left_e8 = _REFERRAL_VOLUME_USD * E8 - account.volume_e8
    state: dict[str, Any] = {"stage": "needToCreateCode"}
    if left_e8 > 0:
        state = {"stage": "needToTrade", "data": {"required": shown_e8(left_e8)}}
    return {
        "referredBy": _referrer(account.referrer_code) if account.referrer_code else None,
        "cumVlm": shown_e8(account.volume_e8),
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "tokenToState": [],
        "referrerState": state,
        "rewardHistory": [],
    }


def _referrer(code: str) -> dict[str, str]:
    return {"referrer": "0x" + hashlib.blake2b(code.encode(), digest_size=20).hexdigest(), "code": code}


def legal_check() -> dict[str, bool]:
    return {"ipAllowed": True, "acceptedTerms": True, "userAllowed": True}


def pre_transfer_check(venue: Venue, address: str) -> dict[str, Any]:
    """Sending to an account that does not exist yet costs one dollar. Source: documentation, "Activation gas fee"."""
    account = venue.state.accounts.get(address)
    return {
        "fee": "0.0" if account is not None else "1.0",
        "isSanctioned": False,
        "userExists": account is not None,
        "userHasSentTx": account is not None and account.requests > 0,
    }
