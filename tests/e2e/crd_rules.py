"""Every rule of both kinds by where it sits, and objects that keep it, break it or change what must not change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from tests.support.api import ADDRESS, FULL_ACCOUNT, FULL_MAKER, account_document, changed, maker_document

from perpmaker.api.schema import CRDS, fields_by_alias, nested_model
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.base import ApiModel

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule at its place in the schema; the same rule may sit at several."""

    kind: str
    path: str
    message: str


def _models(kind: str, model: type[ApiModel], path: str) -> Iterator[tuple[str, str, type[ApiModel]]]:
    yield kind, path, model
    for alias, field in fields_by_alias(model).items():
        nested = nested_model(field)
        if nested is not None and alias != "metadata":
            yield from _models(kind, nested, f"{path}.{alias}" if path else alias)


_PLACES = [place for crd in CRDS for place in _models(crd.kind, crd.model, "")]

RULES = frozenset(Placed(kind, path, rule.message) for kind, path, model in _PLACES for rule in model.RULES)
CHANGE_RULES = frozenset(
    Placed(kind, path, rule.message) for kind, path, model in _PLACES for rule in model.CHANGE_RULES
)

VALID: dict[str, Json] = {
    "the smallest account": account_document("smallest"),
    "the fullest account": changed(FULL_ACCOUNT, {"metadata.name": "fullest"}),
    "the smallest maker": maker_document("smallest"),
    "the fullest maker": changed(FULL_MAKER, {"metadata.name": "fullest"}),
    "a maker with a fixed spread": changed(
        maker_document("fixed"), {"spec.quoting.model": "Fixed", "spec.quoting.fixed": {"halfSpreadBps": "5"}}
    ),
    "a maker with its own GLFT": changed(maker_document("glft"), {"spec.quoting.glft": {"riskAversion": "0.00000001"}}),
    "an account at its limits": changed(
        account_document("limits"),
        {
            "spec.risk.maxNetNotional": "50000",
            "spec.risk.maxMarginUsageRatio": "1",
            "spec.deadMansSwitch": {"timeoutSeconds": 30, "refreshSeconds": 15},
        },
    ),
    "a maker at its limits": changed(
        maker_document("limits"),
        {
            "metadata.name": "a" * 40,
            "spec.quoting": {"orderNotional": "10", "levels": 10, "minHalfSpreadBps": "50", "maxHalfSpreadBps": "50"},
            "spec.inventory": {"maxNotional": "100", "targetNotional": "-100"},
            "spec.risk.maxOpenOrders": 20,
        },
    ),
}


def exercised(document: Json) -> set[Placed]:
    """Rules that an API server evaluates when it takes a valid document."""
    model: type[ApiModel] = TradingAccount if document["kind"] == "TradingAccount" else MarketMaker
    return set(_evaluated(document["kind"], model.model_validate(document), ""))


def _evaluated(kind: str, value: ApiModel, path: str) -> Iterator[Placed]:
    yield from (Placed(kind, path, rule.message) for rule in value.RULES)
    for alias, name in ((field.alias or name, name) for name, field in type(value).model_fields.items()):
        nested = getattr(value, name)
        if isinstance(nested, ApiModel) and isinstance(nested, BaseModel) and alias != "metadata":
            yield from _evaluated(kind, nested, f"{path}.{alias}" if path else alias)


@dataclass(frozen=True, slots=True)
class Change:
    """An update of a stored object that must be refused."""

    old: Json
    field: str
    value: Any
    refused_at: str
    message: str


CHANGES: tuple[Change, ...] = (
    Change(FULL_ACCOUNT, "spec.network", "Mainnet", "spec", "network is immutable"),
    Change(FULL_ACCOUNT, "spec.address", "0x" + "cd" * 20, "spec", "address is immutable"),
    Change(account_document(), "spec.address", ADDRESS, "spec", "address is immutable"),
    Change(
        FULL_MAKER,
        "spec.accountRef.name",
        "other",
        "spec.accountRef",
        "the reference is immutable; delete and recreate the MarketMaker",
    ),
    Change(
        FULL_MAKER,
        "spec.market.symbol",
        "ETH",
        "spec.market",
        "market is immutable; delete and recreate the MarketMaker",
    ),
    Change(
        maker_document(),
        "spec.market.kind",
        "Spot",
        "spec.market",
        "market is immutable; delete and recreate the MarketMaker",
    ),
)
