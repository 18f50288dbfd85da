"""Documents of the two kinds for tests, and one way to break every rule that spans fields."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from perpmaker.api.documents import Document, read_documents

REMOVED = object()
"""Value of a change that removes the field."""

ADDRESS = "0x" + "ab" * 20


def account_document(name: str = "main") -> dict[str, Any]:
    """A simulated account with only what is required."""
    return {
        "apiVersion": "perpmaker.io/v1alpha1",
        "kind": "TradingAccount",
        "metadata": {"name": name},
        "spec": {"network": "Simulated", "risk": {"maxGrossNotional": "50000", "maxDailyLoss": "500"}},
    }


def maker_document(name: str = "eth", symbol: str = "ETH", account: str = "main") -> dict[str, Any]:
    """A market maker with only what is required."""
    return {
        "apiVersion": "perpmaker.io/v1alpha1",
        "kind": "MarketMaker",
        "metadata": {"name": name},
        "spec": {
            "accountRef": {"name": account},
            "market": {"symbol": symbol},
            "quoting": {"orderNotional": "250"},
            "inventory": {"maxNotional": "5000"},
            "risk": {"maxDailyLoss": "200"},
        },
    }


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with fields set by dotted path, or removed."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = result
        for step in parents:
            node = node.setdefault(step, {})
        if value is REMOVED:
            node.pop(last, None)
        else:
            node[last] = value
    return result


def write(folder: Path, *documents: dict[str, Any], name: str = "objects.yaml") -> Path:
    """The documents as one YAML file."""
    path = folder / name
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def as_document(folder: Path, content: dict[str, Any]) -> Document:
    """The content as a document that was read from a file."""
    documents, violations = read_documents(write(folder, content, name="one.yaml"))
    assert not violations
    return documents[0]


@dataclass(frozen=True)
class Breach:
    """Changes to a valid object that break exactly one rule."""

    kind: str
    changes: dict[str, Any] = field(hash=False)
    path: str
    message: str

    @property
    def document(self) -> dict[str, Any]:
        """The object that breaks the rule."""
        return changed(account_document() if self.kind == "TradingAccount" else maker_document(), self.changes)


def _account(changes: dict[str, Any], path: str, message: str) -> Breach:
    return Breach("TradingAccount", changes, path, message)


def _maker(changes: dict[str, Any], path: str, message: str) -> Breach:
    return Breach("MarketMaker", changes, path, message)


_WALLET = {"secretRef": {"name": "wallet"}}
_TOO_LONG = "metadata.name must be at most 40 characters (names and labels of what runs for it are made from it)"
_NO_LABEL = (
    "metadata.name must start with a letter and have only lower-case letters, digits and '-' (Services are named "
    "after it)"
)

BREACHES: tuple[Breach, ...] = (
    _account({"metadata.name": "a" * 41}, "metadata.name", _TOO_LONG),
    _account({"metadata.name": "main.eu"}, "metadata.name", _NO_LABEL),
    _maker({"metadata.name": "1inch"}, "metadata.name", _NO_LABEL),
    _maker({"metadata.name": "eth-"}, "metadata.name", _NO_LABEL),
    _account(
        {"spec.network": "Testnet", "spec.apiWallet": _WALLET},
        "spec.address",
        "address is required unless network is Simulated",
    ),
    _account(
        {"spec.network": "Mainnet", "spec.address": ADDRESS},
        "spec.apiWallet",
        "apiWallet is required unless network is Simulated",
    ),
    _account({"spec.apiWallet": _WALLET}, "spec.address", "address is required with apiWallet"),
    _account(
        {"spec.risk.maxNetNotional": "50000.00000001"},
        "spec.risk.maxNetNotional",
        "maxNetNotional must not exceed maxGrossNotional",
    ),
    _account(
        {"spec.risk.maxMarginUsageRatio": "1.01"},
        "spec.risk.maxMarginUsageRatio",
        "maxMarginUsageRatio must be in (0, 1]",
    ),
    _account(
        {"spec.risk.maxMarginUsageRatio": "0"},
        "spec.risk.maxMarginUsageRatio",
        "maxMarginUsageRatio must be in (0, 1]",
    ),
    _account({"spec.risk.maxGrossNotional": "0"}, "spec.risk.maxGrossNotional", "maxGrossNotional must be positive"),
    _account({"spec.risk.maxDailyLoss": "0"}, "spec.risk.maxDailyLoss", "maxDailyLoss must be positive"),
    _account({"spec.risk.maxDrawdown": "0.0"}, "spec.risk.maxDrawdown", "maxDrawdown must be positive"),
    _account(
        {"spec.deadMansSwitch.refreshSeconds": 16},
        "spec.deadMansSwitch.refreshSeconds",
        "refreshSeconds must be at most half of timeoutSeconds",
    ),
    _account(
        {"spec.redis.mode": "External"},
        "spec.redis.external",
        "external is required when mode is External and forbidden otherwise",
    ),
    _account(
        {"spec.redis.external": {"url": "redis://store:6379/0"}},
        "spec.redis.external",
        "external is required when mode is External and forbidden otherwise",
    ),
    _account(
        {"spec.redis.mode": "External", "spec.redis.external": {"url": "redis://me:secret@store:6379/0"}},
        "spec.redis.external.url",
        "url must not contain a user or a password",
    ),
    _maker({"metadata.name": "a" * 41}, "metadata.name", _TOO_LONG),
    _maker(
        {"spec.quoting.minHalfSpreadBps": "50.1"},
        "spec.quoting.minHalfSpreadBps",
        "minHalfSpreadBps must not exceed maxHalfSpreadBps",
    ),
    _maker(
        {"spec.quoting.minHalfSpreadBps": "0"}, "spec.quoting.minHalfSpreadBps", "minHalfSpreadBps must be positive"
    ),
    _maker(
        {"spec.quoting.orderNotional": "9.99999999"},
        "spec.quoting.orderNotional",
        "orderNotional is below the exchange minimum of 10",
    ),
    _maker(
        {"spec.quoting.avellanedaStoikov": {"horizonSeconds": 60}},
        "spec.quoting.avellanedaStoikov",
        "avellanedaStoikov is only allowed when model is AvellanedaStoikov",
    ),
    _maker(
        {"spec.quoting.model": "AvellanedaStoikov", "spec.quoting.glft": {}},
        "spec.quoting.glft",
        "glft is only allowed when model is GLFT",
    ),
    _maker(
        {"spec.quoting.model": "Fixed"},
        "spec.quoting.fixed",
        "fixed is required when model is Fixed and forbidden otherwise",
    ),
    _maker(
        {"spec.quoting.fixed": {"halfSpreadBps": "5"}},
        "spec.quoting.fixed",
        "fixed is required when model is Fixed and forbidden otherwise",
    ),
    _maker(
        {"spec.quoting.model": "Fixed", "spec.quoting.fixed": {"halfSpreadBps": "0"}},
        "spec.quoting.fixed.halfSpreadBps",
        "halfSpreadBps must be positive",
    ),
    _maker({"spec.quoting.glft.riskAversion": "0"}, "spec.quoting.glft.riskAversion", "riskAversion must be positive"),
    _maker(
        {"spec.quoting.model": "AvellanedaStoikov", "spec.quoting.avellanedaStoikov.riskAversion": "0"},
        "spec.quoting.avellanedaStoikov.riskAversion",
        "riskAversion must be positive",
    ),
    _maker({"spec.quoting.levelSpacingBps": "0"}, "spec.quoting.levelSpacingBps", "levelSpacingBps must be positive"),
    _maker(
        {"spec.quoting.maxHalfSpreadBps": "10000"},
        "spec.quoting.maxHalfSpreadBps",
        "the outermost bid would be 10000 bps or more below the mid, which is no price",
    ),
    _maker(
        {"spec.inventory.targetNotional": "-5001"},
        "spec.inventory.targetNotional",
        "|targetNotional| must not exceed maxNotional",
    ),
    _maker(
        {"spec.inventory.targetNotional": "5001"},
        "spec.inventory.targetNotional",
        "|targetNotional| must not exceed maxNotional",
    ),
    _maker({"spec.risk.maxDailyLoss": "0"}, "spec.risk.maxDailyLoss", "maxDailyLoss must be positive"),
    _maker({"spec.risk.maxDrawdown": "0"}, "spec.risk.maxDrawdown", "maxDrawdown must be positive"),
    _maker({"spec.risk.priceBandBps": "0"}, "spec.risk.priceBandBps", "priceBandBps must be positive"),
    _maker(
        {"spec.flatten.maxSlippageBps": "10000"},
        "spec.flatten.maxSlippageBps",
        "maxSlippageBps must be below 10000",
    ),
    _maker(
        {"spec.inventory.maxNotional": "499", "spec.quoting.levels": 2},
        "spec.inventory.maxNotional",
        "orderNotional x levels (one side of the book) must not exceed inventory.maxNotional",
    ),
    _maker(
        {"spec.leverage": {"value": 3}, "spec.market.kind": "Spot"},
        "spec.leverage",
        "leverage applies to Perpetual markets only",
    ),
    _maker(
        {"spec.risk.maxOpenOrders": 5, "spec.quoting.levels": 3},
        "spec.risk.maxOpenOrders",
        "the ladder needs 2 x levels orders, which must not exceed risk.maxOpenOrders",
    ),
)

FULL_MAKER: dict[str, Any] = changed(
    maker_document("btc", "BTC"),
    {
        "spec.mode": "Shadow",
        "spec.quoting": {
            "model": "AvellanedaStoikov",
            "avellanedaStoikov": {"riskAversion": "0.2", "horizonSeconds": 600},
            "minHalfSpreadBps": "1.8",
            "maxHalfSpreadBps": "20",
            "levels": 4,
            "levelSpacingBps": "1.5",
            "orderNotional": "500",
        },
        "spec.inventory": {"targetNotional": "-100.5", "maxNotional": "8000"},
        "spec.risk": {"maxDailyLoss": "300", "maxDrawdown": "600", "maxOpenOrders": 16, "onBreach": "ReduceOnly"},
        "spec.leverage": {"value": 5},
        "spec.deletionPolicy": "Flatten",
        "spec.flatten": {"maxSlippageBps": "15", "timeoutSeconds": 90},
        "spec.pod": {"resources": {"limits": {"cpu": "1", "memory": "512Mi"}}},
    },
)

FULL_ACCOUNT: dict[str, Any] = changed(
    account_document(),
    {
        "spec.network": "Testnet",
        "spec.address": ADDRESS,
        "spec.accountType": "Vault",
        "spec.apiWallet": {"secretRef": {"name": "wallet"}, "expectedAddress": ADDRESS},
        "spec.risk.maxNetNotional": "20000",
        "spec.deadMansSwitch": {"timeoutSeconds": 60},
        "spec.redis": {
            "mode": "External",
            "external": {"url": "rediss://store:6379/0", "credentialsSecretRef": {"name": "store"}},
        },
    },
)
