"""The committed CustomResourceDefinitions: current, structural, and as strict as the models about single fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.support.api import FULL_ACCOUNT, FULL_MAKER, REMOVED, account_document, changed, maker_document

from perpmaker.api.load import load
from perpmaker.api.reference import kinds_page
from perpmaker.api.schema import CRDS, rendered_files
from perpmaker.api.v1alpha1 import Amount, SignedAmount

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy/examples"


def _crd(kind: str) -> dict[str, Any]:
    plural = next(crd.plural for crd in CRDS if crd.kind == kind)
    crd: dict[str, Any] = yaml.safe_load((ROOT / f"charts/perpmaker/crds/{plural}.yaml").read_text())
    return crd


def _schema(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = _crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from _nodes(node["items"], f"{path}[]")


def _is_valid(document: dict[str, Any]) -> bool:
    validator = jsonschema.Draft4Validator(_schema(document["kind"]))
    return bool(validator.is_valid(document))


@pytest.mark.parametrize("name", sorted(rendered_files()))
def test_the_committed_definition_is_what_the_models_say(name: str) -> None:
    assert (ROOT / "charts/perpmaker/crds" / name).read_text() == rendered_files()[name], "run: perpmaker schema"


def test_the_committed_reference_page_is_what_the_models_say() -> None:
    assert (ROOT / "docs/reference/kinds.md").read_text() == kinds_page(), "run: perpmaker schema --docs"


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
def test_the_schema_is_structural(crd: Any) -> None:
    for path, node in _nodes(_schema(crd.kind)):
        assert "type" in node, path
        assert not {"$ref", "$defs", "anyOf", "oneOf", "allOf", "additionalProperties", "title", "const"} & set(node), (
            path
        )


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
def test_every_field_is_described_and_every_text_of_the_spec_that_a_rule_reads_is_bounded(crd: Any) -> None:
    for path, node in _nodes(_schema(crd.kind)):
        if path.startswith((".spec", ".status")):
            assert node.get("description"), path
        if path.startswith(".spec") and node["type"] == "string":
            assert "enum" in node or "maxLength" in node, path
        if path.startswith(".spec") and node["type"] == "integer":
            assert {"minimum", "maximum", "format"} <= set(node), path


# Every description of a number has one of these words, so that `kubectl explain` is enough to fill in a value.
UNITS = re.compile(
    r"\b(USDC|basis points|seconds|milliseconds|percent|times|count|counts? of \w+|a count|base units|0 to 1"
    r"|above 0 and at most 1|no unit)\b"
)
NUMBERS_IN_TEXT = {Amount.PATTERN, SignedAmount.PATTERN}


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
def test_every_number_has_its_unit_and_every_default_is_told_where_kubectl_explain_shows_it(crd: Any) -> None:
    figures = {".status.summary"}
    for path, node in _nodes(_schema(crd.kind)):
        is_figure = path.rpartition(".")[0] in figures and node.get("format") != "date-time"
        if node["type"] in {"integer", "number"} or node.get("pattern") in NUMBERS_IN_TEXT or is_figure:
            assert UNITS.search(node["description"]), f"{path}: {node['description']}"
        if "default" in node and not isinstance(node["default"], dict):
            assert f"Default {json.dumps(node['default'])}." in node["description"], path


def test_kubectl_get_shows_what_a_trader_asks_first() -> None:
    def columns(kind: str, *, wide: bool) -> list[str]:
        shown = _crd(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
        return [column["name"] for column in shown if ("priority" in column) is wide]

    assert columns("MarketMaker", wide=False) == [
        *("State", "Market", "Mode", "Position", "Day P&L", "Uptime", "Applied", "Age")
    ]
    assert columns("MarketMaker", wide=True) == ["Account", "Kill switch", "Orders", "Ready"]
    assert columns("TradingAccount", wide=False) == [
        *("Network", "State", "Equity", "Day P&L", "Makers", "Kill switch", "Age")
    ]


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
def test_every_column_shows_a_field_that_exists(crd: Any) -> None:
    known = {path for path, _ in _nodes(_schema(crd.kind))}
    for column in _crd(crd.kind)["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = re.sub(r"\[\?\(@\.type=='(\w+)'\)\]", "[]", column["jsonPath"])
        assert path in known or path == ".metadata.creationTimestamp", column


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd.kind)
def test_every_default_satisfies_its_own_schema(crd: Any) -> None:
    for path, node in _nodes(_schema(crd.kind)):
        if "default" in node:
            assert jsonschema.Draft4Validator(node).is_valid(node["default"]), path
        # A parent with rules must have a complete default, since rules run on the default as it is written.
        if isinstance(node.get("default"), dict):
            with_defaults = {name for name, child in node["properties"].items() if "default" in child}
            assert set(node["default"]) == with_defaults, path


def test_the_definitions_keep_short_names_columns_and_selectable_fields() -> None:
    maker, account = _crd("MarketMaker")["spec"], _crd("TradingAccount")["spec"]
    assert (maker["names"]["shortNames"], account["names"]["shortNames"]) == (["mm"], ["ta"])
    assert maker["versions"][0]["selectableFields"] == [
        {"jsonPath": ".spec.accountRef.name"},
        {"jsonPath": ".spec.market.symbol"},
    ]
    assert maker["versions"][0]["subresources"] == account["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_each_example_satisfies_the_schema(file: Path) -> None:
    documents = list(yaml.safe_load_all(file.read_text()))
    assert documents
    for document in documents:
        jsonschema.Draft4Validator(_schema(document["kind"])).validate(document)


def test_the_examples_are_one_simulated_account_and_two_markets_without_a_warning() -> None:
    loaded = load([EXAMPLES])
    assert loaded.report.violations == ()
    assert [account.spec.network.value for account in loaded.accounts] == ["Simulated"]
    assert sorted(maker.spec.market.symbol for maker in loaded.makers) == ["BTC", "ETH"]


@pytest.mark.parametrize("document", [FULL_MAKER, FULL_ACCOUNT, maker_document(), account_document()])
def test_a_valid_object_satisfies_the_schema(document: dict[str, Any]) -> None:
    assert _is_valid(document)


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (maker_document(), {"spec": REMOVED}),
        (maker_document(), {"spec.quoting.orderNotional": 250}),
        (maker_document(), {"spec.quoting.orderNotional": "-1"}),
        (maker_document(), {"spec.quoting.orderNotional": "1e3"}),
        (maker_document(), {"spec.quoting.orderNotional": "99999999999"}),
        (maker_document(), {"spec.quoting.orderNotional": REMOVED}),
        (maker_document(), {"spec.quoting.levels": 11}),
        (maker_document(), {"spec.quoting.levels": 0}),
        (maker_document(), {"spec.quoting.levels": "3"}),
        (maker_document(), {"spec.mode": "Off"}),
        (maker_document(), {"spec.market.symbol": "B C"}),
        (maker_document(), {"spec.risk": REMOVED}),
        (maker_document(), {"spec.killSwitch.engaged": "true"}),
        (maker_document(), {"spec.killSwitch.acknowledgedTrip": "A B"}),
        (maker_document(), {"spec.leverage": {"value": 51}}),
        (account_document(), {"spec.network": "Moon"}),
        (account_document(), {"spec.network": REMOVED}),
        (account_document(), {"spec.address": "0x12"}),
        (account_document(), {"spec.apiWallet": {}}),
        (account_document(), {"spec.risk.maxDailyLoss": REMOVED}),
        (account_document(), {"spec.deadMansSwitch.timeoutSeconds": 9}),
        (account_document(), {"spec.redis": {"mode": "External", "external": {"url": "http://store"}}}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) and len(value) == 1 else "",
)
def test_a_wrong_object_does_not_satisfy_the_schema(document: dict[str, Any], changes: dict[str, Any]) -> None:
    assert not _is_valid(changed(document, changes))
