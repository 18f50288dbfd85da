"""Money that moves without a trade: between balances, users and sub-accounts, out of the exchange, for requests.

What leaves one balance enters another, is burned into the venue's fees, or leaves the venue. How far a dex's balance
may be drawn down is a question of margin.
Source: Hyperliquid documentation, "Exchange endpoint" and "Margining".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perpmaker.venue.engine import action_texts, margin
from perpmaker.venue.engine.account_actions import (
    ClassTransfer,
    ReserveRequestWeight,
    SendAsset,
    SubAccountSpotTransfer,
    SubAccountTransfer,
    UsdSend,
    Withdraw,
)
from perpmaker.venue.engine.accounts import Account, LedgerUpdate
from perpmaker.venue.engine.listings import Token
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, shown_e8

Pocket = int | Literal["spot"]
"""A dex by its index, or the balance outside any dex."""

_WITHDRAWAL_FEE_E8 = E8
_MAIN = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where money is: an account, one of its balances, and a token."""

    account: Account
    pocket: Pocket
    token: int = 0


def transfer_class(state: State, account: Account, action: ClassTransfer) -> str | None:
    """Move quote between the spot and the perpetual balance. Returns None or the refusal."""
    owner = account
    if action.sub_account is not None:
        if action.sub_account not in account.sub_accounts:
            return _not_yours(action.sub_account)
        owner = state.accounts[action.sub_account]
    if owner.abstraction != "disabled":
        return action_texts.TRANSFER_WHILE_UNIFIED
    spot, perp = _Place(owner, "spot"), _Place(owner, _MAIN)
    source, target = (spot, perp) if action.to_perp else (perp, spot)
    if refusal := _move(state, source, target, action.quote_e8):
        return refusal
    _note(state, owner, "accountClassTransfer", usdc=shown_e8(action.quote_e8), toPerp=action.to_perp)
    return None


def send_usd(state: State, account: Account, action: UsdSend) -> str | None:
    """Send quote from one perpetual balance to another user's."""
    if account.abstraction != "disabled":
        return action_texts.TRANSFER_WHILE_UNIFIED
    return _send(state, _Place(account, _MAIN), action.destination, _MAIN, action.quote_e8)


def withdraw(state: State, account: Account, action: Withdraw) -> str | None:
    """Take quote out of the venue; one unit of it pays the bridge."""
    if action.quote_e8 <= _WITHDRAWAL_FEE_E8 or margin.transferable_e8(state, account) < action.quote_e8:
        return action_texts.WITHDRAWAL_UNCOVERED
    account.raw_e8 -= action.quote_e8
    state.pool.fees_e8 += _WITHDRAWAL_FEE_E8
    state.pool.deposits_e8 -= action.quote_e8 - _WITHDRAWAL_FEE_E8
    _note(
        state,
        account,
        "withdraw",
        usdc=shown_e8(action.quote_e8 - _WITHDRAWAL_FEE_E8),
        nonce=action.nonce,
        fee=shown_e8(_WITHDRAWAL_FEE_E8),
    )
    return None


def send_asset(state: State, account: Account, action: SendAsset) -> str | None:
    """Move a token between balances, of one's own, of a sub-account, or of somebody else."""
    owner = account
    if action.from_sub_account is not None:
        if action.from_sub_account not in account.sub_accounts:
            return _not_yours(action.from_sub_account)
        owner = state.accounts[action.from_sub_account]
    token = _token_of(state, action.token)
    if token is None:
        return action_texts.COIN_UNKNOWN.format(token=action.token)
    pockets = [_pocket_of(state, name, token) for name in (action.source_dex, action.destination_dex)]
    source, target = pockets
    if source is None or target is None:
        dex = action.source_dex if source is None else action.destination_dex
        return action_texts.DEX_UNKNOWN.format(token=token.name, dex=dex)
    if owner.abstraction != "disabled" and action.source_dex != action.destination_dex:
        return action_texts.TRANSFER_WHILE_UNIFIED
    return _send(state, _Place(owner, source, token.index), action.destination, target, action.amount_e8)


def transfer_to_sub_account(state: State, account: Account, action: SubAccountTransfer) -> str | None:
    """Move quote between a master's perpetual balance and a sub-account's."""
    if action.address not in account.sub_accounts:
        return _not_yours(action.address)
    master, sub = _Place(account, _MAIN), _Place(state.accounts[action.address], _MAIN)
    source, target = (master, sub) if action.is_deposit else (sub, master)
    if refusal := _move(state, source, target, action.quote_e8):
        return refusal
    for party in (account, state.accounts[action.address]):
        _note(
            state,
            party,
            "subAccountTransfer",
            usdc=shown_e8(action.quote_e8),
            user=source.account.address,
            destination=target.account.address,
        )
    return None


def transfer_spot_to_sub_account(state: State, account: Account, action: SubAccountSpotTransfer) -> str | None:
    """Move a token between a master's spot balance and a sub-account's."""
    if action.address not in account.sub_accounts:
        return _not_yours(action.address)
    source, destination = account, action.address
    if not action.is_deposit:
        source, destination = state.accounts[action.address], account.address
    return send_spot(state, source, destination, action.token, action.amount_e8)


def send_spot(state: State, source: Account, destination: str, token_name: str, amount_e8: int) -> str | None:
    """Move a token from one spot balance to another user's."""
    token = _token_of(state, token_name)
    if token is None:
        return action_texts.COIN_UNKNOWN.format(token=token_name)
    if refusal := _pay(state, _Place(source, "spot", token.index), destination, "spot", amount_e8):
        return refusal
    for party in (source.address, destination):
        _note(
            state,
            state.accounts[party],
            "spotTransfer",
            token=token.name,
            amount=shown_e8(amount_e8),
            usdcValue=shown_e8(amount_e8),
            user=source.address,
            destination=destination,
            fee="0.0",
        )
    return None


def reserve_requests(state: State, account: Account, action: ReserveRequestWeight) -> str | None:
    """Buy requests out of the perpetual balance; the price is burned."""
    beneficiary = account if action.destination is None else state.accounts.get(action.destination)
    if beneficiary is None:
        return action_texts.MUST_DEPOSIT.format(address=action.destination)
    cost = action.weight * state.rules.limits.address.request_price_e8
    if margin.transferable_e8(state, account) < cost:
        return action_texts.TRANSFER_UNCOVERED
    account.raw_e8 -= cost
    state.pool.fees_e8 += cost
    beneficiary.requests_reserved += action.weight
    return None


def _send(state: State, source: _Place, destination: str, pocket: Pocket, quote_e8: int) -> str | None:
    if refusal := _pay(state, source, destination, pocket, quote_e8):
        return refusal
    for party in dict.fromkeys((source.account.address, destination)):
        _note(
            state,
            state.accounts[party],
            "internalTransfer",
            usdc=shown_e8(quote_e8),
            user=source.account.address,
            destination=destination,
            fee="0.0",
        )
    return None


def _pay(state: State, source: _Place, destination: str, pocket: Pocket, quote_e8: int) -> str | None:
    """Move money to an account, which is opened if there is none. Returns None or the refusal."""
    receiver = state.accounts.get(destination)
    target = _Place(receiver or Account(destination), pocket, source.token)
    if target == source:
        return action_texts.TRANSFER_TO_ITSELF
    if refusal := _refusal(state, source, quote_e8):
        return refusal
    if receiver is None:
        target = _Place(state.open_account(destination), pocket, source.token)
    _change(source, -quote_e8)
    _change(target, quote_e8)
    return None


def _move(state: State, source: _Place, target: _Place, quote_e8: int) -> str | None:
    if refusal := _refusal(state, source, quote_e8):
        return refusal
    _change(source, -quote_e8)
    _change(target, quote_e8)
    return None


def _refusal(state: State, source: _Place, quote_e8: int) -> str | None:
    if source.pocket == "spot":
        free = source.account.spot_e8.get(source.token, 0)
    else:
        free = margin.transferable_e8(state, source.account, source.pocket)
    return None if 0 < quote_e8 <= free else action_texts.TRANSFER_UNCOVERED


def _change(place: _Place, quote_e8: int) -> None:
    if place.pocket == "spot":
        place.account.spot_e8[place.token] = place.account.spot_e8.get(place.token, 0) + quote_e8
    else:
        place.account.credit(place.pocket, quote_e8)


def _token_of(state: State, name: str) -> Token | None:
    """The token of a `NAME:id`."""
    return next((dex.token for dex in state.dexes if dex.token.name == name.partition(":")[0]), None)


def _pocket_of(state: State, name: str, token: Token) -> Pocket | None:
    """The balance a name means, if that balance can hold the token."""
    if name == "spot":
        return "spot"
    dex = state.dex_named(name)
    return dex.index if dex is not None and dex.token == token else None


def _not_yours(address: str) -> str:
    return action_texts.SUB_ACCOUNT_UNKNOWN.format(address=address)


def _note(state: State, account: Account, kind: str, **fields: str | bool | int) -> None:
    state.note(account, LedgerUpdate(account.address, state.now_ms, state.tx_hash, kind, tuple(fields.items())))
