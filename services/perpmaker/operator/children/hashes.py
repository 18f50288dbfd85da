"""Two hashes: of what a pod was started with, and of what was applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from perpmaker.operator import names
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role

_HEX_DIGITS: Final = 32

HOT_FIELDS: Final[Mapping[Role, frozenset[str]]] = {
    Role.GATEWAY: frozenset(
        {
            "revision",
            "markets",
            "leverage",
            "max_actions_per_minute",
            "reserved_for_cancels_percent",
            "dead_mans_switch",
        }
    ),
    Role.ORDER_STATE: frozenset({"revision", "markets", "left_alone"}),
    Role.RISK: frozenset({"revision", "limits", "markets"}),
    Role.QUOTER: frozenset(
        {
            "generation",
            "mode",
            "leave_orders",
            "flatten_max_slippage_bps",
            "quoting",
            "inventory",
            "max_market_data_age_ms",
        }
    ),
}
"""Fields of each part that its service takes over while it runs; every other field needs a restart."""


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """Short hash of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:_HEX_DIGITS]


def cold_part(role: Role, part: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a part that only a restart changes. Of a quoter's endpoint the log level changes without one."""
    cold = {name: value for name, value in part.items() if name not in HOT_FIELDS[role]}
    if role is Role.QUOTER:
        cold["endpoint"] = {name: value for name, value in cold["endpoint"].items() if name != "log_level"}
    return cold


def config_hash(template: Mapping[str, Any], cold: Mapping[str, Any]) -> str:
    """Hash of everything a pod is started with: its template (without this hash) and the cold part of its document."""
    return digest({"template": template, "part": cold})


def applied_hash(manifest: Manifest) -> str:
    """Hash of a manifest as it is sent, whatever its applied-hash annotation says now."""
    meta = manifest["metadata"]
    annotations = {key: text for key, text in meta.get("annotations", {}).items() if key != names.APPLIED_HASH}
    return digest({**manifest, "metadata": {**meta, "annotations": annotations}})
