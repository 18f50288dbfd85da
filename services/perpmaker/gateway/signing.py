"""Signatures of exchange actions: one byte string that verifies at the exchange, whichever way it travels.

An L1 action is hashed as `keccak(msgpack || nonce || vault flag [|| 0x00 || expiresAfter])` and signed as an EIP-712
phantom agent. The JSON body is made once, next to the signature, so that the WebSocket post and its REST fallback carry
the same bytes. Source: Hyperliquid docs, "Signing", and the official SDK.
"""

from __future__ import annotations

import statistics
import struct
import time
from dataclasses import dataclass

import msgspec

from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.typed_data import digest_prefix, domain_separator, keccak256
from perpmaker.hyperliquid.wire import L1Action, LimitTerms, OrderAction, OrderType, OrderWire, canonical_msgpack

_U64 = struct.Struct(">Q")
_JSON = msgspec.json.Encoder()


_AGENT_TYPE_HASH = keccak256(b"Agent(string source,bytes32 connectionId)")
_DIGEST_PREFIX = digest_prefix(domain_separator("Exchange", 1337))


@dataclass(frozen=True, slots=True)
class SignedAction:
    """A signed action, ready to travel."""

    body: bytes
    """JSON envelope: body of POST /exchange and payload of a WebSocket post."""
    nonce: int
    expires_after_ms: int
    """0 when the action never expires."""


def action_hash(action_bytes: bytes, nonce: int, vault: bytes | None, expires_after_ms: int | None) -> bytes:
    """Connection id of an action: what the phantom agent vouches for. `vault` is 20 raw bytes."""
    parts = [action_bytes, _U64.pack(nonce), b"\x00" if vault is None else b"\x01" + vault]
    if expires_after_ms is not None:
        parts.append(b"\x00" + _U64.pack(expires_after_ms))
    return keccak256(b"".join(parts))


class Signer:
    """Signs actions of one account with one key."""

    __slots__ = ("_agent_prefix", "_key", "_vault", "_vault_json")

    def __init__(self, key: SigningKey, source: str, vault_address: str | None = None) -> None:
        """`source` is "a" on mainnet and "b" elsewhere; `vault_address` is set for vaults and sub-accounts."""
        self._key = key
        self._agent_prefix = _AGENT_TYPE_HASH + keccak256(source.encode())
        self._vault = None if vault_address is None else bytes.fromhex(vault_address.removeprefix("0x"))
        self._vault_json = b"" if vault_address is None else b',"vaultAddress":"%s"' % vault_address.lower().encode()

    @property
    def address(self) -> str:
        """Public address of the key."""
        return self._key.address

    def sign_hash(self, connection_id: bytes) -> bytes:
        """Recoverable signature of a phantom agent with this connection id."""
        return self._key.sign(keccak256(_DIGEST_PREFIX + keccak256(self._agent_prefix + connection_id)))

    def sign(self, action: L1Action, nonce: int, expires_after_ms: int | None = None) -> SignedAction:
        """Hash, sign and serialise one action."""
        signature = self.sign_hash(action_hash(canonical_msgpack(action), nonce, self._vault, expires_after_ms))
        text = signature.hex()
        body = b'{"action":%b,"nonce":%d,"signature":{"r":"0x%b","s":"0x%b","v":%d}%b%b}' % (
            _JSON.encode(action),
            nonce,
            text[:64].encode(),
            text[64:128].encode(),
            27 + signature[64],
            self._vault_json,
            b"" if expires_after_ms is None else b',"expiresAfter":%d' % expires_after_ms,
        )
        return SignedAction(body, nonce, expires_after_ms or 0)

    def __repr__(self) -> str:
        return f"Signer(address={self.address})"


_PROOF_KEY = bytes.fromhex("0123456789012345678901234567890123456789012345678901234567890123")
"""Key of the exchange's published vectors; holds nothing and is not a secret."""
_PROOF_SIGNATURE = (
    "82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54"
    "6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5"
    "00"
)


class SelfCheckError(Exception):
    """This machine's libraries do not reproduce a published signature; nothing signed here would be accepted."""


def _limit_order(price: str, size: str, cloid: str | None = None) -> OrderWire:
    terms = OrderType(limit=LimitTerms(tif="Gtc"))
    if cloid is None:
        return OrderWire(a=1, b=True, p=price, s=size, r=False, t=terms)
    return OrderWire(a=1, b=True, p=price, s=size, r=False, t=terms, c=cloid)


def self_check() -> None:
    """Reproduce one signature of the official SDK's tests. Raises SelfCheckError."""
    signer = Signer(SigningKey(_PROOF_KEY), "b")
    action = OrderAction(orders=(_limit_order("100", "100"),), grouping="na")
    made = signer.sign_hash(action_hash(canonical_msgpack(action), 0, None, None)).hex()
    if made != _PROOF_SIGNATURE:
        raise SelfCheckError("signing self-check failed: reinstall the packages coincurve, pycryptodome and msgspec")


def measure_us(signer: Signer, rounds: int = 25) -> float:
    """Median time to build, sign and serialise an action of ten orders on this machine, microseconds."""
    orders = tuple(_limit_order("64321.5", "0.00123", f"0x{number:032x}") for number in range(10))
    samples = []
    for nonce in range(rounds):
        begun = time.perf_counter_ns()
        signer.sign(OrderAction(orders=orders, grouping="na"), nonce + 1, nonce + 2)
        samples.append((time.perf_counter_ns() - begun) / 1000)
    return statistics.median(samples)
