"""What a user does with its account rather than with a market: keys, money, sub-accounts, modes, requests.

Those in `USER_SIGNED` are signed by the user itself as readable typed data, never by an agent, and repeat inside the
signature the nonce of the request. Source: Hyperliquid documentation, "Exchange endpoint".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Abstraction = Literal["disabled", "unifiedAccount", "portfolioMargin"]


@dataclass(frozen=True, slots=True)
class ApproveAgent:
    """The agent's address, and its name with optional expiry."""

    agent: str
    name: str
    nonce: int


@dataclass(frozen=True, slots=True)
class ApproveBuilderFee:
    """The most a builder may charge, in tenths of a basis point."""

    builder: str
    max_fee_tenth_bps: int
    nonce: int


@dataclass(frozen=True, slots=True)
class UsdSend:
    destination: str
    quote_e8: int
    nonce: int


@dataclass(frozen=True, slots=True)
class SpotSend:
    """Out of the spot balance; the token is `NAME:id`."""

    destination: str
    token: str
    amount_e8: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    destination: str
    quote_e8: int
    nonce: int


@dataclass(frozen=True, slots=True)
class ClassTransfer:
    """Between the spot and the perpetual balance, of the user or of one of its sub-accounts."""

    quote_e8: int
    to_perp: bool
    sub_account: str | None
    nonce: int


@dataclass(frozen=True, slots=True)
class SendAsset:
    """Between balances: a dex is named by its prefix, the main one is empty, `spot` is the spot balance."""

    destination: str
    source_dex: str
    destination_dex: str
    token: str
    amount_e8: int
    from_sub_account: str | None
    nonce: int


@dataclass(frozen=True, slots=True)
class UserSetAbstraction:
    user: str
    mode: Abstraction
    nonce: int


@dataclass(frozen=True, slots=True)
class AgentSetAbstraction:
    mode: Abstraction


@dataclass(frozen=True, slots=True)
class SetReferrer:
    code: str


@dataclass(frozen=True, slots=True)
class CreateSubAccount:
    name: str


@dataclass(frozen=True, slots=True)
class RenameSubAccount:
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class SubAccountTransfer:
    address: str
    is_deposit: bool
    quote_e8: int


@dataclass(frozen=True, slots=True)
class SubAccountSpotTransfer:
    address: str
    is_deposit: bool
    token: str
    amount_e8: int


@dataclass(frozen=True, slots=True)
class ReserveRequestWeight:
    """Buy requests, for itself or for another account."""

    weight: int
    destination: str | None


@dataclass(frozen=True, slots=True)
class UpdateIsolatedMargin:
    """Move quote into an isolated position, or out of it with a negative amount."""

    asset: int
    quote_e8: int


@dataclass(frozen=True, slots=True)
class TopUpIsolatedMargin:
    """Add margin to an isolated position until it has this leverage (1e-8)."""

    asset: int
    leverage_e8: int


UserSigned = (
    ApproveAgent | ApproveBuilderFee | UsdSend | SpotSend | Withdraw | ClassTransfer | SendAsset | UserSetAbstraction
)
AccountAction = (
    UserSigned
    | AgentSetAbstraction
    | SetReferrer
    | CreateSubAccount
    | RenameSubAccount
    | SubAccountTransfer
    | SubAccountSpotTransfer
    | ReserveRequestWeight
    | UpdateIsolatedMargin
    | TopUpIsolatedMargin
)
