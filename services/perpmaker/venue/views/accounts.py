"""An account's state, fees, limits and room to trade as the exchange spells them.

An address the venue has never seen reads as an empty account, never as an error.
"""

from __future__ import annotations

from typing import Any

from perpmaker.venue.engine.accounts import Account, Deposit
from perpmaker.venue.engine.limits import address
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views.clearinghouse import clearinghouse_state


def account_or_empty(state: State, user: str) -> Account:
    return state.accounts.get(user) or Account(user)


def deposited_e8(account: Account) -> int:
    """What was ever brought in from outside, in quote units."""
    return sum(entry.quote_e8 for entry in account.ledger if isinstance(entry, Deposit))


def user_rate_limit(state: State, account: Account) -> dict[str, Any]:
    return {
        "cumVlm": shown_e8(account.volume_e8),
        "nRequestsUsed": address.used_by(account),
        "nRequestsCap": address.cap_of(account, state.rules.limits.address),
        "nRequestsSurplus": address.surplus_of(account),
    }


def spot_clearinghouse_state(state: State, account: Account) -> dict[str, Any]:
    """Tokens held outside any dex; those of which there is nothing are left out."""
    tokens = dict.fromkeys(dex.token for dex in state.dexes)
    held = [(token, account.spot_e8.get(token.index, 0)) for token in tokens]
    return {
        "balances": [
            {"coin": token.name, "token": token.index, "total": shown_e8(total), "hold": "0.0", "entryNtl": "0.0"}
            for token, total in held
            if total
        ]
    }


def sub_accounts(state: State, account: Account) -> list[dict[str, Any]] | None:
    """The sub-accounts of a master with what they hold; null when there is none."""
    if not account.sub_accounts:
        return None
    owned = [state.accounts[sub] for sub in account.sub_accounts]
    return [
        {
            "name": sub.name,
            "subAccountUser": sub.address,
            "master": account.address,
            "clearinghouseState": clearinghouse_state(state, sub),
            "spotState": spot_clearinghouse_state(state, sub),
        }
        for sub in owned
    ]
