"""The request by which an account approves an API wallet, signed by the account's own key.

Unlike trading actions it is signed as readable typed data of its own domain. On a real network only the account's owner
does this, with a wallet of theirs; here it serves simulated accounts alone. Source: Hyperliquid docs, "Signing",
user-signed actions, and the official SDK.
"""

from __future__ import annotations

from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import keccak256

AGENT_NAME = "perpmaker"
_CHAIN = "Testnet"
_CHAIN_ID = 421614

_DOMAIN_SEPARATOR = keccak256(
    keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + keccak256(b"HyperliquidSignTransaction")
    + keccak256(b"1")
    + _CHAIN_ID.to_bytes(32, "big")
    + bytes(32)
)
_APPROVE_TYPE_HASH = keccak256(
    b"HyperliquidTransaction:ApproveAgent(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)"
)


def approval(master: SigningKey, agent_address: str, nonce: int) -> dict[str, object]:
    """Body of POST /exchange that makes `agent_address` the API wallet named AGENT_NAME of the master's account."""
    struct_hash = keccak256(
        _APPROVE_TYPE_HASH
        + keccak256(_CHAIN.encode())
        + bytes.fromhex(agent_address.removeprefix("0x")).rjust(32, b"\0")
        + keccak256(AGENT_NAME.encode())
        + nonce.to_bytes(32, "big")
    )
    signature = master.sign(keccak256(b"\x19\x01" + _DOMAIN_SEPARATOR + struct_hash))
    text = signature.hex()
    return {
        "action": {
            "type": "approveAgent",
            "signatureChainId": hex(_CHAIN_ID),
            "hyperliquidChain": _CHAIN,
            "agentAddress": agent_address,
            "agentName": AGENT_NAME,
            "nonce": nonce,
        },
        "nonce": nonce,
        "signature": {"r": "0x" + text[:64], "s": "0x" + text[64:128], "v": 27 + signature[64]},
    }
