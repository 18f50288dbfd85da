"""Every rule that spans fields: broken once, reported at its field, with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.api import (
    ADDRESS,
    BREACHES,
    FULL_ACCOUNT,
    FULL_MAKER,
    Breach,
    account_document,
    as_document,
    changed,
    maker_document,
)

from perpmaker.api.check import check, refused_changes
from perpmaker.api.schema import fields_by_alias, nested_model
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.base import ApiModel


def _models(model: type[ApiModel]) -> list[type[ApiModel]]:
    inner = [nested for field in fields_by_alias(model).values() if (nested := nested_model(field))]
    return [model, *(found for nested in inner for found in _models(nested))]


@pytest.mark.parametrize("breach", BREACHES, ids=lambda b: f"{b.kind}-{b.path}")
def test_a_broken_rule_is_reported_at_its_field_with_a_remedy(breach: Breach, tmp_path: Path) -> None:
    parsed, violations = check(as_document(tmp_path, breach.document))
    assert parsed is None
    assert [(v.path, v.rule) for v in violations] == [(breach.path, breach.message)]
    assert violations[0].remedy


@pytest.mark.parametrize("breach", BREACHES, ids=lambda b: f"{b.kind}-{b.path}")
def test_a_model_cannot_be_built_from_an_object_that_breaks_a_rule(breach: Breach) -> None:
    model = TradingAccount if breach.kind == "TradingAccount" else MarketMaker
    with pytest.raises(ValidationError, match=r".") as refusal:
        model.model_validate(breach.document)
    assert breach.message in str(refusal.value)


def test_every_rule_of_both_kinds_is_broken_by_some_test() -> None:
    messages = {rule.message for kind in (TradingAccount, MarketMaker) for m in _models(kind) for rule in m.RULES}
    assert {breach.message for breach in BREACHES} == messages


@pytest.mark.parametrize(
    ("old", "changes", "refused"),
    [
        (FULL_ACCOUNT, {"spec.network": "Mainnet"}, [("spec.network", "network is immutable")]),
        (FULL_ACCOUNT, {"spec.address": "0x" + "cd" * 20}, [("spec.address", "address is immutable")]),
        (account_document(), {"spec.address": ADDRESS}, [("spec.address", "address is immutable")]),
        (FULL_ACCOUNT, {"spec.risk.maxDailyLoss": "1"}, []),
        (
            FULL_MAKER,
            {"spec.accountRef.name": "other"},
            [("spec.accountRef", "the reference is immutable; delete and recreate the MarketMaker")],
        ),
        (
            maker_document(),
            {"spec.market.kind": "Spot"},
            [("spec.market", "market is immutable; delete and recreate the MarketMaker")],
        ),
        (FULL_MAKER, {"spec.quoting.levels": 2, "spec.mode": "Active"}, []),
    ],
)
def test_only_identity_is_immutable(
    old: dict[str, Any], changes: dict[str, Any], refused: list[tuple[str, str]]
) -> None:
    model = TradingAccount if old["kind"] == "TradingAccount" else MarketMaker
    assert refused_changes(model.model_validate(old), model.model_validate(changed(old, changes))) == refused


def test_rules_are_still_checked_when_other_fields_are_wrong(tmp_path: Path) -> None:
    document = changed(
        maker_document(),
        {
            "spec.quoting.levels": 99,
            "spec.quoting.minHalfSpreadBps": "60",
            "spec.inventory.targetNotional": "-9000",
            "spec.risk.maxDailyLoss": 5,
        },
    )
    _, violations = check(as_document(tmp_path, document))
    assert {v.path for v in violations} == {
        "spec.quoting.levels",
        "spec.quoting.minHalfSpreadBps",
        "spec.inventory.targetNotional",
        "spec.risk.maxDailyLoss",
    }
