"""Actions a user signs as readable typed data: which struct each one is, and its hash.

Source: Hyperliquid documentation, "Signing", and the official SDK's type tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perpmaker.hyperliquid import owner_wire
from perpmaker.venue.wire.keccak import keccak256, word


@dataclass(frozen=True, slots=True)
class _Struct:
    """A primary type, and its fields: name, kind, and the attribute of the wire struct that holds it."""

    name: str
    fields: tuple[tuple[str, str, str], ...]

    @property
    def type_hash(self) -> bytes:
        declared = ",".join(f"{kind} {name}" for name, kind, _ in (_CHAIN, *self.fields))
        return keccak256(f"HyperliquidTransaction:{self.name}({declared})".encode())


_CHAIN = ("hyperliquidChain", "string", "hyperliquid_chain")
_NONCE = ("nonce", "uint64", "nonce")
_TIME = ("time", "uint64", "time")
_DESTINATION = ("destination", "string", "destination")
_AMOUNT = ("amount", "string", "amount")

_STRUCTS: dict[type[owner_wire.UserSigned], _Struct] = {
    owner_wire.ApproveAgentAction: _Struct(
        "ApproveAgent",
        (("agentAddress", "address", "agent_address"), ("agentName", "string", "agent_name"), _NONCE),
    ),
    owner_wire.ApproveBuilderFeeAction: _Struct(
        "ApproveBuilderFee",
        (("maxFeeRate", "string", "max_fee_rate"), ("builder", "address", "builder"), _NONCE),
    ),
    owner_wire.UsdSendAction: _Struct("UsdSend", (_DESTINATION, _AMOUNT, _TIME)),
    owner_wire.SpotSendAction: _Struct("SpotSend", (_DESTINATION, ("token", "string", "token"), _AMOUNT, _TIME)),
    owner_wire.WithdrawAction: _Struct("Withdraw", (_DESTINATION, _AMOUNT, _TIME)),
    owner_wire.UsdClassTransferAction: _Struct("UsdClassTransfer", (_AMOUNT, ("toPerp", "bool", "to_perp"), _NONCE)),
    owner_wire.SendAssetAction: _Struct(
        "SendAsset",
        (
            _DESTINATION,
            ("sourceDex", "string", "source_dex"),
            ("destinationDex", "string", "destination_dex"),
            ("token", "string", "token"),
            _AMOUNT,
            ("fromSubAccount", "string", "from_sub_account"),
            _NONCE,
        ),
    ),
    owner_wire.UserSetAbstractionAction: _Struct(
        "UserSetAbstraction",
        (("user", "address", "user"), ("abstraction", "string", "abstraction"), _NONCE),
    ),
}
_TYPE_HASHES = {kind: struct.type_hash for kind, struct in _STRUCTS.items()}
_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "string": lambda value: keccak256((value or "").encode()),
    "address": lambda value: word(int(value, 16)),
    "uint64": word,
    "bool": lambda value: word(int(value)),
}


def struct_hash(action: owner_wire.UserSigned) -> bytes:
    """EIP-712 hash of the struct a user signed for this action."""
    kind = type(action)
    fields = (_CHAIN, *_STRUCTS[kind].fields)
    encoded = (_ENCODERS[field_kind](getattr(action, attribute)) for _, field_kind, attribute in fields)
    return keccak256(_TYPE_HASHES[kind] + b"".join(encoded))
