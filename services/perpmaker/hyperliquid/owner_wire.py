"""Wire types of actions that an account's owner signs as readable typed data.

Unknown keys are refused; what is signed is not this encoding but the struct that each action stands for. Source:
Hyperliquid exchange endpoint and the official SDK's signing types.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class UserSigned(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What every action carries that the user signs as readable typed data."""

    signature_chain_id: str
    hyperliquid_chain: Literal["Mainnet", "Testnet"]


class ApproveAgentAction(UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="approveAgent"):
    """Approve an API wallet."""

    agent_address: str
    nonce: int
    agent_name: str | None = None


class ApproveBuilderFeeAction(
    UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="approveBuilderFee"
):
    """Allow a builder to charge at most this rate, e.g. `0.001%`."""

    max_fee_rate: str
    builder: str
    nonce: int


class UsdSendAction(UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="usdSend"):
    """Send USDC to another user of the exchange."""

    destination: str
    amount: str
    time: int


class SpotSendAction(UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="spotSend"):
    """Send a token (`NAME:id`) of the spot balance to another user of the exchange."""

    destination: str
    token: str
    amount: str
    time: int


class WithdrawAction(UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="withdraw3"):
    """Withdraw USDC from the exchange."""

    destination: str
    amount: str
    time: int


class UsdClassTransferAction(
    UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="usdClassTransfer"
):
    """Move USDC between spot and perps; the amount may name a sub-account."""

    amount: str
    to_perp: bool
    nonce: int


class SendAssetAction(UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="sendAsset"):
    """Move a token between dexes, spot, users and sub-accounts."""

    destination: str
    source_dex: str
    destination_dex: str
    token: str
    amount: str
    from_sub_account: str
    nonce: int


class UserSetAbstractionAction(
    UserSigned, frozen=True, forbid_unknown_fields=True, rename="camel", tag="userSetAbstraction"
):
    """Choose the account mode of a user, spelled out."""

    user: str
    abstraction: Literal["disabled", "unifiedAccount", "portfolioMargin"]
    nonce: int


UserSignedAction = (
    ApproveAgentAction
    | ApproveBuilderFeeAction
    | UsdSendAction
    | SpotSendAction
    | WithdrawAction
    | UsdClassTransferAction
    | SendAssetAction
    | UserSetAbstractionAction
)
"""Actions signed by the user as readable typed data."""
