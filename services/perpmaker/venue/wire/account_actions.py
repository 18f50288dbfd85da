"""Actions about the account itself: their canonical form, and what they are to the engine.

Strings that a user signed as typed data (amounts, destinations) are hashed as sent, so they stay as they are.
"""

from __future__ import annotations

import re
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from perpmaker.hyperliquid import owner_wire, wire
from perpmaker.venue.engine import account_actions as engine
from perpmaker.venue.units import parse_e8
from perpmaker.venue.wire.values import address_of, decimal, unsigned

AccountWireAction = (
    owner_wire.UserSignedAction
    | wire.UpdateIsolatedMarginAction
    | wire.TopUpIsolatedOnlyMarginAction
    | wire.ReserveRequestWeightAction
    | wire.CreateSubAccountAction
    | wire.SubAccountModifyAction
    | wire.SubAccountTransferAction
    | wire.SubAccountSpotTransferAction
    | wire.SetReferrerAction
    | wire.AgentSetAbstractionAction
)

_CHAIN_ID = re.compile(r"\A0x[0-9a-fA-F]{1,16}\Z")
_MOST_WEIGHT = 1_844_674_407_370_955
_USD_E6_TO_E8 = 100
_MODES: dict[str, engine.Abstraction] = {"i": "disabled", "u": "unifiedAccount", "p": "portfolioMargin"}
_SUB_ACCOUNT_MARK = " subaccount:"


def canonical_account_action(action: AccountWireAction) -> wire.Action:
    """The form that is hashed. Raises `ValueError` for values outside the wire's types."""
    if isinstance(action, owner_wire.UserSigned) and not _CHAIN_ID.match(action.signature_chain_id):
        raise ValueError(f"invalid signatureChainId {action.signature_chain_id!r}")
    match action:
        case owner_wire.ApproveAgentAction():
            return replace(
                action,
                agent_address=address_of(action.agent_address),
                nonce=unsigned(action.nonce),
                agent_name=action.agent_name or "",
            )
        case owner_wire.ApproveBuilderFeeAction():
            _tenth_bps(action.max_fee_rate)
            return replace(action, builder=address_of(action.builder), nonce=unsigned(action.nonce))
        case owner_wire.UsdSendAction() | owner_wire.SpotSendAction() | owner_wire.WithdrawAction():
            _amount(action.amount)
            address_of(action.destination)
            return replace(action, time=unsigned(action.time))
        case owner_wire.UsdClassTransferAction():
            _class_amount(action.amount)
            return replace(action, nonce=unsigned(action.nonce))
        case owner_wire.SendAssetAction():
            _amount(action.amount)
            address_of(action.destination)
            if action.from_sub_account:
                address_of(action.from_sub_account)
            return replace(action, nonce=unsigned(action.nonce))
        case owner_wire.UserSetAbstractionAction():
            return replace(action, user=address_of(action.user), nonce=unsigned(action.nonce))
        case wire.UpdateIsolatedMarginAction():
            if not -(2**63) <= action.ntli < 2**63:
                raise ValueError(f"integer out of range: {action.ntli}")
            return replace(action, asset=unsigned(action.asset))
        case wire.TopUpIsolatedOnlyMarginAction(asset, leverage):
            return wire.TopUpIsolatedOnlyMarginAction(unsigned(asset), decimal(leverage))
        case wire.ReserveRequestWeightAction(weight, destination):
            if unsigned(weight) > _MOST_WEIGHT:
                raise ValueError(f"integer out of range: {weight}")
            return replace(action, destination=UNSET if destination is UNSET else address_of(destination))
        case wire.SubAccountModifyAction() | wire.SubAccountTransferAction():
            if isinstance(action, wire.SubAccountTransferAction):
                unsigned(action.usd)
            return replace(action, sub_account_user=address_of(action.sub_account_user))
        case wire.SubAccountSpotTransferAction():
            return replace(action, sub_account_user=address_of(action.sub_account_user), amount=decimal(action.amount))
        case wire.CreateSubAccountAction() | wire.SetReferrerAction() | wire.AgentSetAbstractionAction():
            return action
        case _:
            assert_never(action)


def account_action_to_engine(action: AccountWireAction) -> engine.AccountAction:
    """Translate a canonical action into the engine's terms."""
    match action:
        case owner_wire.ApproveAgentAction():
            return engine.ApproveAgent(action.agent_address, action.agent_name or "", action.nonce)
        case owner_wire.ApproveBuilderFeeAction():
            return engine.ApproveBuilderFee(action.builder, _tenth_bps(action.max_fee_rate), action.nonce)
        case owner_wire.UsdSendAction():
            return engine.UsdSend(address_of(action.destination), _amount(action.amount), action.time)
        case owner_wire.SpotSendAction():
            return engine.SpotSend(address_of(action.destination), action.token, _amount(action.amount), action.time)
        case owner_wire.WithdrawAction():
            return engine.Withdraw(address_of(action.destination), _amount(action.amount), action.time)
        case owner_wire.UsdClassTransferAction():
            quote_e8, sub = _class_amount(action.amount)
            return engine.ClassTransfer(quote_e8, action.to_perp, sub, action.nonce)
        case owner_wire.SendAssetAction():
            return engine.SendAsset(
                address_of(action.destination),
                action.source_dex,
                action.destination_dex,
                action.token,
                _amount(action.amount),
                address_of(action.from_sub_account) if action.from_sub_account else None,
                action.nonce,
            )
        case owner_wire.UserSetAbstractionAction():
            return engine.UserSetAbstraction(action.user, action.abstraction, action.nonce)
        case wire.ReserveRequestWeightAction(weight, destination):
            return engine.ReserveRequestWeight(weight, None if destination is UNSET else destination)
        case wire.CreateSubAccountAction(name):
            return engine.CreateSubAccount(name)
        case wire.SubAccountModifyAction(address, name):
            return engine.RenameSubAccount(address, name)
        case wire.SubAccountTransferAction(address, is_deposit, usd):
            return engine.SubAccountTransfer(address, is_deposit, usd * _USD_E6_TO_E8)
        case wire.SubAccountSpotTransferAction(address, is_deposit, token, amount):
            return engine.SubAccountSpotTransfer(address, is_deposit, token, _amount(amount))
        case wire.SetReferrerAction(code):
            return engine.SetReferrer(code)
        case wire.AgentSetAbstractionAction(abstraction):
            return engine.AgentSetAbstraction(_MODES[abstraction])
        case wire.UpdateIsolatedMarginAction(asset, _, ntli):
            return engine.UpdateIsolatedMargin(asset, ntli * _USD_E6_TO_E8)
        case wire.TopUpIsolatedOnlyMarginAction(asset, leverage):
            return engine.TopUpIsolatedMargin(asset, parse_e8(leverage))
        case _:
            assert_never(action)


def _amount(text: str) -> int:
    return parse_e8(text)


def _class_amount(text: str) -> tuple[int, str | None]:
    """An amount, and the sub-account it may name behind it."""
    amount, mark, sub = text.partition(_SUB_ACCOUNT_MARK)
    return parse_e8(amount), address_of(sub) if mark else None


def _tenth_bps(rate: str) -> int:
    """A percentage as text, in tenths of a basis point (`0.001%` is one). Finer rates are cut down."""
    if not rate.endswith("%"):
        raise ValueError(f"not a percentage: {rate!r}")
    return parse_e8(rate.removesuffix("%")) // 100_000
