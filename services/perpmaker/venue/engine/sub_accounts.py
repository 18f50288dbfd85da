"""Sub-accounts: accounts without a key of their own, for which their master signs.

Each has its own money, positions, orders and request budget; agents, fee tier and what builders may charge are the
master's, since it alone can sign.
Source: Hyperliquid documentation, "Exchange endpoint".
"""

from __future__ import annotations

import hashlib

from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.account_actions import RenameSubAccount
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, canonical_e8

_MAX_NAME = 16


def create(state: State, master: Account, name: str) -> tuple[str | None, str | None]:
    """Open a sub-account. Returns its address, or None and the refusal."""
    rules = state.rules.limits.sub_accounts
    if master.master is not None or len(master.sub_accounts) >= rules.most:
        return None, action_texts.SUB_ACCOUNTS_FULL
    if master.volume_e8 < rules.volume_e8:
        required, traded = rules.volume_e8 // E8, canonical_e8(master.volume_e8)
        return None, action_texts.SUB_ACCOUNTS_NEED_VOLUME.format(required=required, traded=traded)
    if refusal := _bad_name(state, master, name):
        return None, refusal
    seed = f"{master.address}/{len(master.sub_accounts)}".encode()
    sub = state.open_account("0x" + hashlib.blake2b(seed, digest_size=20).hexdigest())
    sub.master, sub.name = master.address, name
    master.sub_accounts.append(sub.address)
    return sub.address, None


def rename(state: State, master: Account, action: RenameSubAccount) -> str | None:
    """Give a sub-account another name. Returns None or the refusal."""
    if action.address not in master.sub_accounts:
        return action_texts.SUB_ACCOUNT_UNKNOWN.format(address=action.address)
    if refusal := _bad_name(state, master, action.name):
        return refusal
    state.accounts[action.address].name = action.name
    return None


def family_of(state: State, account: Account) -> list[Account]:
    """A master and its sub-accounts, seen from any of them: they share one fee tier."""
    master = account if account.master is None else state.accounts[account.master]
    return [master, *(state.accounts[sub] for sub in master.sub_accounts)]


def approved_builder_fee(state: State, account: Account, builder: str) -> int:
    """The most this builder may charge, in tenths of a basis point; 0 without approval."""
    return family_of(state, account)[0].builder_approvals.get(builder, 0)


def _bad_name(state: State, master: Account, name: str) -> str | None:
    if not 0 < len(name) <= _MAX_NAME:
        return action_texts.SUB_ACCOUNT_NAME_LENGTH.format(most=_MAX_NAME)
    if any(state.accounts[sub].name == name for sub in master.sub_accounts):
        return action_texts.SUB_ACCOUNT_NAME_USED.format(name=name)
    return None
