"""Who signed an action: the venue's own hashing and public key recovery.

A wrong signature is not an error here. It recovers some other address, as on the exchange, and what happens next
is decided by whether that address is known. Source: Hyperliquid API documentation, "Signing".
"""

from __future__ import annotations

import msgspec
from coincurve import PublicKey

from perpmaker.hyperliquid import owner_wire, wire
from perpmaker.venue.wire.keccak import keccak256, word
from perpmaker.venue.wire.user_signed import struct_hash

SOURCES = {"mainnet": "a", "testnet": "b"}
_ZERO_CONTRACT = bytes(32)


def _domain(name: bytes, chain_id: int) -> bytes:
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    fields = (keccak256(kind), keccak256(name), keccak256(b"1"), word(chain_id), _ZERO_CONTRACT)
    return keccak256(b"".join(fields))


_AGENT_TYPE = keccak256(b"Agent(string source,bytes32 connectionId)")
_EXCHANGE_DOMAIN = _domain(b"Exchange", 1337)


class UnrecoverableError(Exception):
    """The numbers are no signature of anything."""


def action_hash(packed: bytes, nonce: int, vault: str | None, expires_after_ms: int | None) -> bytes:
    """The hash a phantom agent signs: packed action, nonce, vault flag and address, optional expiry."""
    parts = [packed, nonce.to_bytes(8, "big")]
    parts.append(b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x")))
    if expires_after_ms is not None:
        parts.append(b"\x00" + expires_after_ms.to_bytes(8, "big"))
    return keccak256(b"".join(parts))


def recover_l1(connection_id: bytes, source: str, signature: wire.Signature) -> str:
    """Address that signed an action hash for a network source (`a` or `b`). Raises `UnrecoverableError`."""
    struct = keccak256(_AGENT_TYPE + keccak256(source.encode()) + connection_id)
    return _recover(_EXCHANGE_DOMAIN, struct, signature)


def recover_user(action: owner_wire.UserSigned, signature: wire.Signature) -> str:
    """Address that signed an action as typed data. Raises `UnrecoverableError`."""
    domain = _domain(b"HyperliquidSignTransaction", int(action.signature_chain_id, 16))
    return _recover(domain, struct_hash(action), signature)


def signers_of(envelope: wire.Envelope, home_source: str) -> tuple[str, ...]:
    """Addresses this envelope may come from, the likeliest first. Raises `UnrecoverableError`.

    A phantom agent names its network only inside the signature, so both networks are tried: the first entry is
    the signer if the client signs for the venue's own network, the second if it signs for the other one.
    """
    action = envelope.action
    if isinstance(action, owner_wire.UserSigned):
        return (recover_user(action, envelope.signature),)
    packed = msgspec.msgpack.encode(action)
    connection_id = action_hash(packed, envelope.nonce, envelope.vault_address, envelope.expires_after)
    sources = sorted(SOURCES.values(), key=lambda source: source != home_source)
    return tuple(recover_l1(connection_id, source, envelope.signature) for source in sources)


def _recover(domain: bytes, struct: bytes, signature: wire.Signature) -> str:
    digest = keccak256(b"\x19\x01" + domain + struct)
    parity = signature.v - 27 if signature.v in (27, 28) else signature.v
    if parity not in (0, 1):
        raise UnrecoverableError
    raw = word(int(signature.r, 16)) + word(int(signature.s, 16)) + bytes([parity])
    try:
        key = PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except ValueError:  # coincurve's word for numbers outside the curve
        raise UnrecoverableError from None
    return "0x" + keccak256(key.format(compressed=False)[1:])[12:].hex()
