"""What an admitted action about the account itself does, and what it is answered."""

from __future__ import annotations

from typing import assert_never

from perpmaker.venue.engine import action_texts, leverage, sub_accounts, transfers
from perpmaker.venue.engine.account_actions import (
    AccountAction,
    AgentSetAbstraction,
    ApproveAgent,
    ApproveBuilderFee,
    ClassTransfer,
    CreateSubAccount,
    RenameSubAccount,
    ReserveRequestWeight,
    SendAsset,
    SetReferrer,
    SpotSend,
    SubAccountSpotTransfer,
    SubAccountTransfer,
    TopUpIsolatedMargin,
    UpdateIsolatedMargin,
    UsdSend,
    UserSetAbstraction,
    Withdraw,
)
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.agents import Agents
from perpmaker.venue.engine.answers import DEFAULT, Answer, Err, Ok
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.static_checks import unknown_asset

_MOST_BUILDER_FEE_TENTH_BPS = 1_000


def execute_for_account(state: State, agents: Agents, account: Account, action: AccountAction) -> Answer:
    """Run one admitted action about an account."""
    if isinstance(action, CreateSubAccount):
        address, refusal = sub_accounts.create(state, account, action.name)
        return Err(refusal) if refusal else Ok({"type": "createSubAccount", "data": address})
    refusal = _refusal(state, agents, account, action)
    return DEFAULT if refusal is None else Err(refusal)


def _refusal(state: State, agents: Agents, account: Account, action: AccountAction) -> str | None:
    """Do it and return None, or leave everything as it was and say why."""
    match action:
        case ApproveAgent(agent, name):
            subs = len(account.sub_accounts)
            return agents.approve(account.address, agent, name, state.now_ms, sub_accounts=subs)
        case ApproveBuilderFee(builder, fee):
            if fee > _MOST_BUILDER_FEE_TENTH_BPS:
                return action_texts.BUILDER_FEE_HIGH
            account.builder_approvals[builder] = fee
            return None
        case UsdSend():
            return transfers.send_usd(state, account, action)
        case SpotSend(destination, token, amount_e8):
            return transfers.send_spot(state, account, destination, token, amount_e8)
        case Withdraw():
            return transfers.withdraw(state, account, action)
        case ClassTransfer():
            return transfers.transfer_class(state, account, action)
        case SendAsset():
            return transfers.send_asset(state, account, action)
        case SubAccountTransfer():
            return transfers.transfer_to_sub_account(state, account, action)
        case SubAccountSpotTransfer():
            return transfers.transfer_spot_to_sub_account(state, account, action)
        case ReserveRequestWeight():
            return transfers.reserve_requests(state, account, action)
        case UserSetAbstraction(user, mode):
            if user != account.address and user not in account.sub_accounts:
                return action_texts.USER_INVALID.format(address=user)
            state.accounts[user].abstraction = mode
            return None
        case AgentSetAbstraction(mode):
            account.abstraction = mode
            return None
        case SetReferrer(code):
            return _set_referrer(account, code)
        case RenameSubAccount():
            return sub_accounts.rename(state, account, action)
        case CreateSubAccount():
            raise AssertionError("answered with an address, not here")
        case UpdateIsolatedMargin(asset, amount_e8):
            return _change_margin(state, account, asset, amount_e8)
        case TopUpIsolatedMargin(asset, leverage_e8):
            if text := unknown_asset(state, (asset,)):
                return text
            return leverage.top_up_isolated(state, account, state.market(asset), leverage_e8)
        case _:
            assert_never(action)


def _change_margin(state: State, account: Account, asset: int, quote_e8: int) -> str | None:
    if text := unknown_asset(state, (asset,)):
        return text
    return leverage.update_isolated_margin(state, account, state.market(asset), quote_e8)


def _set_referrer(account: Account, code: str) -> str | None:
    if account.referrer_code:
        return action_texts.REFERRER_SET
    if not 0 < len(code) <= 20:
        return action_texts.REFERRER_INVALID
    account.referrer_code = code
    return None
