"""The venue recovers who signed each readable action, as another implementation of EIP-712 signs it.

Types and order of fields are those of the exchange's Python SDK, written out here a second time.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from eth_account import Account
from tests.support.venue import key_of

from perpmaker.hyperliquid import owner_wire
from perpmaker.venue.wire.decode import decode_envelope
from perpmaker.venue.wire.signatures import signers_of

KEY = key_of(7)
ME = KEY.address.lower()
OTHER = key_of(8).address.lower()
NONCE = 1_760_000_000_123
USDC = "USDC:0x6d1e7cde53ba9467b783cb7c530ce054"

STRING, ADDRESS, UINT64, BOOL = "string", "address", "uint64", "bool"
_SEND_ASSET = {
    "destination": (STRING, OTHER),
    "sourceDex": (STRING, ""),
    "destinationDex": (STRING, "tst"),
    "token": (STRING, USDC),
    "amount": (STRING, "1.50"),
    "fromSubAccount": (STRING, OTHER),
    "nonce": (UINT64, NONCE),
}
STRUCTS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "approveAgent": (
        "ApproveAgent",
        {"agentAddress": (ADDRESS, OTHER), "agentName": (STRING, "mm valid_until 1"), "nonce": (UINT64, NONCE)},
    ),
    "approveBuilderFee": (
        "ApproveBuilderFee",
        {"maxFeeRate": (STRING, "0.001%"), "builder": (ADDRESS, OTHER), "nonce": (UINT64, NONCE)},
    ),
    "usdSend": ("UsdSend", {"destination": (STRING, OTHER), "amount": (STRING, "1.0"), "time": (UINT64, NONCE)}),
    "spotSend": (
        "SpotSend",
        {"destination": (STRING, OTHER), "token": (STRING, USDC), "amount": (STRING, "2"), "time": (UINT64, NONCE)},
    ),
    "withdraw3": ("Withdraw", {"destination": (STRING, OTHER), "amount": (STRING, "20"), "time": (UINT64, NONCE)}),
    "usdClassTransfer": (
        "UsdClassTransfer",
        {"amount": (STRING, f"3 subaccount:{OTHER}"), "toPerp": (BOOL, True), "nonce": (UINT64, NONCE)},
    ),
    "sendAsset": ("SendAsset", _SEND_ASSET),
    "userSetAbstraction": (
        "UserSetAbstraction",
        {"user": (ADDRESS, OTHER), "abstraction": (STRING, "unifiedAccount"), "nonce": (UINT64, NONCE)},
    ),
}
OTHERWISE = {
    STRING: "0x" + "9" * 40,
    ADDRESS: "0x" + "9" * 40,
    UINT64: NONCE + 1,
    BOOL: False,
}
VALID_OTHERWISE = {"amount": "9", "maxFeeRate": "0.009%", "abstraction": "disabled", "destinationDex": "spot"}


def signed(kind: str, *, chain: str = "Testnet", chain_id: str = "0x66eee", **changed: Any) -> dict[str, Any]:
    """A request whose action eth_account signed, with some fields changed before."""
    name, fields = STRUCTS[kind]
    types = [{"name": "hyperliquidChain", "type": STRING}]
    types += [{"name": field, "type": declared} for field, (declared, _) in fields.items()]
    values = {field: value for field, (_, value) in fields.items()} | changed
    domain = {
        "name": "HyperliquidSignTransaction",
        "version": "1",
        "chainId": int(chain_id, 16),
        "verifyingContract": "0x" + "0" * 40,
    }
    message = {"hyperliquidChain": chain} | values
    made = Account.sign_typed_data(KEY.key, domain, {f"HyperliquidTransaction:{name}": types}, message)
    action = {"type": kind, "signatureChainId": chain_id, "hyperliquidChain": chain} | values
    return {"action": action, "nonce": NONCE, "signature": {"r": hex(made.r), "s": hex(made.s), "v": made.v}}


def signer_of(request: dict[str, Any]) -> str:
    (signer,) = signers_of(decode_envelope(msgspec.json.encode(request)), "b")
    return signer


def test_every_readable_action_is_among_these() -> None:
    spoken = {str(kind.__struct_config__.tag) for kind in get_args(owner_wire.UserSignedAction)}
    assert set(STRUCTS) == spoken


@pytest.mark.parametrize("kind", STRUCTS)
@pytest.mark.parametrize(("chain", "chain_id"), [("Testnet", "0x66eee"), ("Mainnet", "0xa4b1")])
def test_the_signer_of_a_readable_action_is_recovered(kind: str, chain: str, chain_id: str) -> None:
    assert signer_of(signed(kind, chain=chain, chain_id=chain_id)) == ME


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, (_, fields) in STRUCTS.items() for field in fields]
)
def test_a_changed_field_leads_to_somebody_else(kind: str, field: str) -> None:
    request = signed(kind)
    declared = STRUCTS[kind][1][field][0]
    request["action"][field] = VALID_OTHERWISE.get(field, OTHERWISE[declared])
    assert signer_of(request) != ME


@pytest.mark.parametrize(("field", "value"), [("hyperliquidChain", "Mainnet"), ("signatureChainId", "0xa4b1")])
def test_another_chain_leads_to_somebody_else(field: str, value: str) -> None:
    request = signed("usdSend")
    request["action"][field] = value
    assert signer_of(request) != ME


@pytest.mark.parametrize("nameless", [{}, {"agentName": None}, {"agentName": ""}], ids=["left out", "null", "empty"])
def test_an_agent_without_a_name_is_signed_with_an_empty_one(nameless: dict[str, Any]) -> None:
    request = signed("approveAgent", agentName="")
    del request["action"]["agentName"]
    request["action"] |= nameless
    assert signer_of(request) == ME
