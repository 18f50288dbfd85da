"""The exchange's published signing vectors, reproduced bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import Signer, action_hash, self_check
from perpmaker.hyperliquid.wire import Envelope, L1Action, canonical_msgpack

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "signing_vectors.json").read_text())


def _key(vector: dict[str, Any]) -> SigningKey:
    return SigningKey(bytes.fromhex(vector["key"].removeprefix("0x")))


def _vault(vector: dict[str, Any]) -> bytes | None:
    return None if vector["vault"] is None else bytes.fromhex(vector["vault"].removeprefix("0x"))


def _action_bytes(action: dict[str, Any]) -> bytes:
    if action["type"] in ("dummy", "createSubAccount"):  # not actions this product sends
        return msgspec.msgpack.encode(action)
    return canonical_msgpack(msgspec.convert(action, L1Action))


def _same_signature(raw: bytes, expected: dict[str, Any]) -> bool:
    return (
        int.from_bytes(raw[:32], "big") == int(expected["r"], 16)
        and int.from_bytes(raw[32:64], "big") == int(expected["s"], 16)
        and raw[64] + 27 == expected["v"]
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
class TestVector:
    def test_key_has_the_published_address(self, vector: dict[str, Any]) -> None:
        assert _key(vector).address == vector["address"].lower()

    def test_action_is_packed_canonically(self, vector: dict[str, Any]) -> None:
        if "msgpack" in vector:
            assert _action_bytes(vector["action"]).hex() == vector["msgpack"]

    def test_hash_is_reproduced(self, vector: dict[str, Any]) -> None:
        made = action_hash(_action_bytes(vector["action"]), vector["nonce"], _vault(vector), vector["expires_after"])
        assert "0x" + made.hex() == vector["hash"]

    @pytest.mark.parametrize(("network", "source"), [("main", "a"), ("test", "b")])
    def test_signature_is_reproduced(self, vector: dict[str, Any], network: str, source: str) -> None:
        connection_id = bytes.fromhex(vector["hash"].removeprefix("0x"))
        assert _same_signature(Signer(_key(vector), source).sign_hash(connection_id), vector[network])


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["action"]["type"] not in ("dummy", "createSubAccount")],
    ids=lambda vector: str(vector["id"]),
)
def test_envelope_carries_the_signed_action(vector: dict[str, Any]) -> None:
    action = msgspec.convert(vector["action"], L1Action)
    signer = Signer(_key(vector), "b", vector["vault"])

    signed = signer.sign(action, vector["nonce"], vector["expires_after"])

    envelope = msgspec.json.decode(signed.body, type=Envelope)
    assert envelope.action == action
    assert envelope.nonce == vector["nonce"]
    assert envelope.vault_address == vector["vault"]
    assert envelope.expires_after == vector["expires_after"]
    signature = envelope.signature
    assert int(signature.r, 16) == int(vector["test"]["r"], 16)
    assert int(signature.s, 16) == int(vector["test"]["s"], 16)
    assert signature.v == vector["test"]["v"]


def test_start_up_self_check_passes() -> None:
    self_check()
