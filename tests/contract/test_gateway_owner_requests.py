"""What an account's owner asks for is what an independent implementation of typed-data signing makes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.venue import key_of, sign_as_owner

from perpmaker.gateway.approval import AGENT_NAME, approval
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.owner_request import class_transfer, signed_body
from perpmaker.hyperliquid.networks import Network

NONCE = 1_760_000_000_123


def owner(number: int) -> SigningKey:
    return SigningKey(bytes(key_of(number).key))


def numbers(signature: dict[str, Any]) -> dict[str, int]:
    """The signature without regard to leading zeros."""
    return {name: value if name == "v" else int(value, 16) for name, value in signature.items()}


@pytest.mark.parametrize("number", [1, 7, 2**200 + 3])
def test_an_approval_is_signed_as_an_ethereum_wallet_signs_it(number: int) -> None:
    body = msgspec.json.decode(approval(owner(number), key_of(number + 1).address.lower(), NONCE))
    assert numbers(body["signature"]) == numbers(sign_as_owner(key_of(number), body["action"]))


@pytest.mark.parametrize("number", [1, 7, 2**200 + 3])
@pytest.mark.parametrize("network", Network)
@pytest.mark.parametrize("to_perp", [True, False])
@pytest.mark.parametrize("sub_account", [None, "0x" + "aB" * 20])
def test_a_transfer_is_signed_as_an_ethereum_wallet_signs_it(
    number: int, network: Network, to_perp: bool, sub_account: str | None
) -> None:
    action = class_transfer(network, "1234.5", to_perp=to_perp, nonce=NONCE, sub_account=sub_account)
    body = msgspec.json.decode(signed_body(owner(number), action))
    assert numbers(body["signature"]) == numbers(sign_as_owner(key_of(number), body["action"]))


def test_an_approval_names_the_agent_and_repeats_the_nonce() -> None:
    agent = key_of(2).address.lower()
    body = msgspec.json.decode(approval(owner(1), agent, NONCE))
    assert body["nonce"] == NONCE
    assert body["action"] == {
        "type": "approveAgent",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "agentAddress": agent,
        "agentName": AGENT_NAME,
        "nonce": NONCE,
    }


def test_a_transfer_of_a_sub_account_names_it_behind_the_amount_and_the_network_it_is_meant_for() -> None:
    action = class_transfer(Network.MAINNET, "5", to_perp=False, nonce=NONCE, sub_account="0x" + "AB" * 20)
    assert msgspec.json.decode(signed_body(owner(1), action))["action"] == {
        "type": "usdClassTransfer",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Mainnet",
        "amount": "5 subaccount:0x" + "ab" * 20,
        "toPerp": False,
        "nonce": NONCE,
    }
