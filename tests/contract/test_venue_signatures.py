"""The venue recovers the signer of every published signing vector, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perpmaker.hyperliquid import wire
from perpmaker.venue.wire.decode import ACTION_TYPES, UnreadableError, decode_envelope
from perpmaker.venue.wire.signatures import UnrecoverableError, action_hash, recover_l1, signers_of

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/signing_vectors.json").read_text())
SPOKEN = [vector for vector in VECTORS if vector["action"]["type"] in ACTION_TYPES]


def vector_id(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def body(vector: dict[str, Any], network: str, **changes: object) -> bytes:
    envelope = {
        "action": vector["action"],
        "nonce": vector["nonce"],
        "signature": vector[network],
        "vaultAddress": vector["vault"],
        "expiresAfter": vector["expires_after"],
    }
    return msgspec.json.encode(envelope | changes)


@pytest.mark.parametrize("vector", VECTORS, ids=vector_id)
def test_the_action_hash_of_a_vector_is_reproduced(vector: dict[str, Any]) -> None:
    packed = msgspec.msgpack.encode(vector["action"])
    assert "msgpack" not in vector or packed.hex() == vector["msgpack"]
    hashed = action_hash(packed, vector["nonce"], vector["vault"], vector["expires_after"])
    assert "0x" + hashed.hex() == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS, ids=vector_id)
@pytest.mark.parametrize(("network", "source"), [("main", "a"), ("test", "b")])
def test_the_signer_of_a_vector_is_recovered(vector: dict[str, Any], network: str, source: str) -> None:
    signature = msgspec.convert(vector[network], wire.Signature)
    assert recover_l1(bytes.fromhex(vector["hash"][2:]), source, signature) == vector["address"]


@pytest.mark.parametrize("vector", SPOKEN, ids=vector_id)
@pytest.mark.parametrize(("network", "position"), [("test", 0), ("main", 1)])
def test_a_request_body_leads_to_its_signer_on_either_network(
    vector: dict[str, Any], network: str, position: int
) -> None:
    envelope = decode_envelope(body(vector, network))
    assert signers_of(envelope, "b")[position] == vector["address"]


@pytest.mark.parametrize("vector", SPOKEN, ids=vector_id)
def test_a_tampered_request_leads_to_somebody_else(vector: dict[str, Any]) -> None:
    envelope = decode_envelope(body(vector, "test", nonce=vector["nonce"] + 1))
    assert vector["address"] not in signers_of(envelope, "b")


def test_padded_decimals_and_shuffled_keys_verify_when_the_canonical_form_was_signed() -> None:
    vector = next(v for v in VECTORS if v["id"] == "L3")
    order = vector["action"]["orders"][0]
    loose = {key: order[key] for key in reversed(order)} | {
        "p": "64321.50",
        "c": order["c"].replace("abcdef", "ABCDEF"),
    }
    action = {"grouping": "na", "orders": [loose], "type": "order"}
    envelope = decode_envelope(body(vector, "test", action=action))
    assert signers_of(envelope, "b")[0] == vector["address"]


def test_an_all_zero_signature_is_unrecoverable() -> None:
    envelope = decode_envelope(body(SPOKEN[0], "test", signature={"r": "0x0", "s": "0x0", "v": 27}))
    with pytest.raises(UnrecoverableError):
        signers_of(envelope, "b")


@pytest.mark.parametrize(
    "order",
    [
        {"p": 64000},
        {"p": "6.4e4"},
        {"p": "-1"},
        {"s": "0.000000001"},
        {"extra": 1},
        {"c": "0x12"},
        {"a": -1},
        {"t": {"limit": {"tif": "Day"}}},
    ],
)
def test_a_value_outside_the_wire_types_is_unreadable(order: dict[str, Any]) -> None:
    vector = next(v for v in VECTORS if v["id"] == "L3")
    action = vector["action"] | {"orders": [vector["action"]["orders"][0] | order]}
    with pytest.raises(UnreadableError) as refused:
        decode_envelope(body(vector, "test", action=action))
    assert refused.value.status == 422


def test_a_body_that_is_not_json_is_malformed() -> None:
    with pytest.raises(UnreadableError) as refused:
        decode_envelope(b'{"action":')
    assert refused.value.status == 400
