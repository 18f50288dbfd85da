"""Each rule says the same in CEL, which API servers evaluate, as in Python, which `perpmaker validate` evaluates."""

from __future__ import annotations

from typing import Any

import celpy
import pytest
from tests.support.api import (
    BREACHES,
    FULL_ACCOUNT,
    FULL_MAKER,
    Breach,
    account_document,
    changed,
    maker_document,
)

from perpmaker.api.schema import CRDS, fields_by_alias, nested_model, object_schema
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.base import ApiModel


def _with_defaults(schema: dict[str, Any], value: Any) -> Any:
    """The value as an API server stores it: defaults filled in where the parent exists."""
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = child["default"]
        if name in filled:
            filled[name] = _with_defaults(child, filled[name])
    return filled


def _messages(model: type[ApiModel], value: dict[str, Any], old: dict[str, Any] | None = None) -> set[str]:
    """Messages of every rule whose CEL is false, in the object and in all objects inside it."""
    environment = celpy.Environment()
    broken = set()
    for rule in (*model.RULES, *(model.CHANGE_RULES if old is not None else ())):
        program = environment.program(environment.compile(rule.cel))
        facts = {"self": celpy.json_to_cel(value)}
        if old is not None:
            facts["oldSelf"] = celpy.json_to_cel(old)
        if not program.evaluate(facts):
            broken.add(rule.message)
    for alias, field in fields_by_alias(model).items():
        nested = nested_model(field)
        if nested is not None and isinstance(value.get(alias), dict):
            before = (old or {}).get(alias)
            broken |= _messages(nested, value[alias], before if isinstance(before, dict) else None)
    return broken


def _stored(document: dict[str, Any]) -> dict[str, Any]:
    crd = next(crd for crd in CRDS if crd.kind == document["kind"])
    stored: dict[str, Any] = _with_defaults(object_schema(crd), document)
    return stored


def _model(document: dict[str, Any]) -> type[ApiModel]:
    return TradingAccount if document["kind"] == "TradingAccount" else MarketMaker


@pytest.mark.parametrize("breach", BREACHES, ids=lambda b: f"{b.kind}-{b.path}")
def test_an_api_server_refuses_the_same_object_with_the_same_message(breach: Breach) -> None:
    assert _messages(_model(breach.document), _stored(breach.document)) == {breach.message}


@pytest.mark.parametrize("document", [FULL_MAKER, FULL_ACCOUNT, maker_document(), account_document()])
def test_an_api_server_accepts_the_same_objects(document: dict[str, Any]) -> None:
    assert _messages(_model(document), _stored(document)) == set()


@pytest.mark.parametrize(
    ("old", "changes", "message"),
    [
        (FULL_ACCOUNT, {"spec.network": "Mainnet"}, "network is immutable"),
        (FULL_ACCOUNT, {"spec.address": "0x" + "cd" * 20}, "address is immutable"),
        (account_document(), {"spec.address": "0x" + "cd" * 20}, "address is immutable"),
        (FULL_MAKER, {"spec.accountRef.name": "b"}, "the reference is immutable; delete and recreate the MarketMaker"),
        (FULL_MAKER, {"spec.market.symbol": "ETH"}, "market is immutable; delete and recreate the MarketMaker"),
    ],
)
def test_an_api_server_refuses_a_change_of_identity(old: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    assert _messages(_model(old), _stored(changed(old, changes)), _stored(old)) == {message}
