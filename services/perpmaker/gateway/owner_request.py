"""Requests that only an account's owner can make, signed by the account's own key: an API wallet's would be refused.

Unlike trading actions they are signed as readable typed data of a domain of their own, in which the network's name
keeps a request for one from being repeated on another; their nonce is wall time in ms. Source: Hyperliquid docs,
"Signing", user-signed actions, and the official SDK.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.typed_data import (
    address_word,
    digest_prefix,
    domain_separator,
    keccak256,
    number_word,
    text_word,
)
from perpmaker.hyperliquid.networks import Network, chain_name
from perpmaker.hyperliquid.owner_wire import ApproveAgentAction, UsdClassTransferAction

_CHAIN_ID: Final = 421614
"""Any chain is accepted; the official SDK names this one on every network."""
_SIGNATURE_CHAIN_ID: Final = hex(_CHAIN_ID)
_PREFIX: Final = digest_prefix(domain_separator("HyperliquidSignTransaction", _CHAIN_ID))
_APPROVE_AGENT: Final = keccak256(
    b"HyperliquidTransaction:ApproveAgent(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)"
)
_CLASS_TRANSFER: Final = keccak256(
    b"HyperliquidTransaction:UsdClassTransfer(string hyperliquidChain,string amount,bool toPerp,uint64 nonce)"
)

OwnerAction = ApproveAgentAction | UsdClassTransferAction


def approve_agent(network: Network, agent_address: str, agent_name: str, nonce: int) -> ApproveAgentAction:
    """Make an address an API wallet of the account, under a name."""
    return ApproveAgentAction(
        signature_chain_id=_SIGNATURE_CHAIN_ID,
        hyperliquid_chain=chain_name(network),
        agent_address=agent_address,
        agent_name=agent_name,
        nonce=nonce,
    )


def class_transfer(
    network: Network, amount: str, *, to_perp: bool, nonce: int, sub_account: str | None = None
) -> UsdClassTransferAction:
    """Move USDC between the spot and perpetual balances of the account or of its sub-account.

    `amount` is a plain decimal.
    """
    return UsdClassTransferAction(
        signature_chain_id=_SIGNATURE_CHAIN_ID,
        hyperliquid_chain=chain_name(network),
        amount=amount if sub_account is None else f"{amount} subaccount:{sub_account.lower()}",
        to_perp=to_perp,
        nonce=nonce,
    )


def signed_body(owner: SigningKey, action: OwnerAction) -> bytes:
    """Body of POST /exchange."""
    text = owner.sign(keccak256(_PREFIX + _struct_hash(action))).hex()
    signature = {"r": "0x" + text[:64], "s": "0x" + text[64:128], "v": 27 + int(text[128:], 16)}
    return msgspec.json.encode({"action": action, "nonce": action.nonce, "signature": signature})


def _struct_hash(action: OwnerAction) -> bytes:
    chain, nonce = text_word(action.hyperliquid_chain), number_word(action.nonce)
    match action:
        case ApproveAgentAction():
            name = text_word(action.agent_name or "")
            return keccak256(_APPROVE_AGENT + chain + address_word(action.agent_address) + name + nonce)
        case UsdClassTransferAction():
            return keccak256(_CLASS_TRANSFER + chain + text_word(action.amount) + number_word(action.to_perp) + nonce)
        case _:
            assert_never(action)
