"""Values: every one is explained, every wrong one is refused with its name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml
from tests.support.chart import CASES, CHART, NAMESPACE, objects, objects_in, render, values_of

from perpmaker.api.store_acl import acl_file

VALUES = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
ACCOUNT = {"network": "Simulated", "risk": {"maxGrossNotional": "10000", "maxDailyLoss": "200"}}
MAKER = {
    "market": {"symbol": "ETH"},
    "quoting": {"orderNotional": "100"},
    "inventory": {"maxNotional": "1000"},
    "risk": {"maxDailyLoss": "50"},
}


def _set(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split("/")):
        value = {key: value}
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scpe", "Cluster"),
        ("scope", "cluster"),
        ("nameOverride", "Perp Maker"),
        ("watchNamespaces", ["Trading"]),
        ("watchNamespaces", "trading"),
        ("image/repositry", "perpmaker"),
        ("image/repository", ""),
        ("image/tag", "latest"),
        ("image/digest", "sha256:12"),
        ("image/pullPolicy", "always"),
        ("operator/logLevel", "trace"),
        ("operator/resyncSeconds", 0),
        ("operator/summarySeconds", "30"),
        ("operator/peering", "yes"),
        ("operator/resources", {"request": {}}),
        ("operator/resources/limits", {"memory": "256 MB"}),
        ("operator/replicas", 2),
        ("children/resources/gatway", {}),
        ("children/rolloutPauseSeconds", -1),
        ("priorityClass/value", 2_000_000_000),
        ("tls/mode", "on"),
        ("tls/mode", False),
        ("tls/certManager/issuer/kind", "CA"),
        ("tls/certManager/duration", "90d"),
        ("store/size", "1GB"),
        ("store/credentials/password", "hunter2"),
        ("simulated/markets", []),
        ("simulated/faucetUsdc", 0),
        ("networkPolicy/exchangeCidrs", ["api.hyperliquid.xyz"]),
        ("networkPolicy/apiServer/ports", [70000]),
        ("account/name", "main.eu"),
        ("account/privateKey", "0x00"),
        ("uninstall/timeoutSeconds", 5),
        ("monitoring/podMonitor/interval", "15"),
        ("admission/ceilings/values", {"maxOrderNotionl": "1"}),
        ("admission/ceilings/values/maxOrderNotional", "1e3"),
        ("admission/mainnet/namespaceLabel", "not a label"),
        ("marketMakers/1inch", MAKER),
        ("marketMakers/eth/quoting", {**MAKER["quoting"], "orderNotionl": "1"}),
        ("marketMakers/eth/quoting/orderNotional", 100),
        ("marketMakers/eth/mode", "Of"),
        ("account/spec/risk/maxDailyLoss", 200),
        ("account/spec/network", "Moon"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(path: str, value: Any) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(_set(path, value))
    named = [key for key in path.split("/") if not key.isdigit()]
    unknown = list(value) if isinstance(value, dict) and path.endswith("quoting") else []
    assert any(key in str(refused.value) for key in [named[-1], *unknown]), refused.value


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"scope": "Cluster", "watchNamespaces": ["a"]}, "watchNamespaces: leave it empty with scope Cluster"),
        (
            {"store": {"credentials": {"create": False, "namespaces": ["a"]}}},
            "store.credentials.namespaces: only useful with store.credentials.create",
        ),
        (
            {
                "account": {
                    "create": True,
                    "spec": {
                        **ACCOUNT,
                        "network": "Mainnet",
                        "address": "0x" + "a" * 40,
                        "apiWallet": {"secretRef": {"name": "wallet"}},
                    },
                }
            },
            "tls.mode: off is refused for accounts on Mainnet",
        ),
        (
            {"tls": {"mode": "certManager"}, "scope": "Cluster", "skipApiChecks": True},
            "tls.certManager.issuer.create: an Issuer serves its own namespace only",
        ),
        (
            {"tls": {"mode": "certManager"}, "watchNamespaces": ["a", "b"], "skipApiChecks": True},
            "tls.certManager.issuer.create: an Issuer serves its own namespace only",
        ),
        (
            {"tls": {"mode": "certManager", "certManager": {"issuer": {"create": False}}}, "skipApiChecks": True},
            "tls.certManager.issuer.name: name the issuer",
        ),
        ({"account": {"create": True}}, "account.spec: write at least network and risk"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_a_remedy(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=re.escape(told)):
        render(values)


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from _leaves(child, (*path, key))
    else:
        yield path


def _explained() -> set[tuple[str, ...]]:
    """Paths of the keys in values.yaml that have a comment starting with `# -- ` right above them."""
    found = set()
    path: list[tuple[int, str]] = []
    comment = ""
    for line in VALUES.splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment += text
            continue
        key = re.match(r"^( *)([A-Za-z]+):", line)
        if key:
            indent = len(key[1])
            path = [*((i, k) for i, k in path if i < indent), (indent, key[2])]
            if "# -- " in comment:
                found.add(tuple(k for _, k in path))
        comment = ""
    return found


def test_every_value_is_explained_above_it() -> None:
    explained = _explained()
    for leaf in _leaves(yaml.safe_load(VALUES)):
        assert any(leaf[: len(path)] == path for path in explained), ".".join(leaf)


def _objects_of(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if node.get("type") == "object":
        yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _objects_of(child, f"{path}.{name}")
    for index, child in enumerate(node.get("anyOf", ())):
        yield from _objects_of(child, f"{path}|{index}")
    if "items" in node:
        yield from _objects_of(node["items"], f"{path}[]")


def test_no_object_in_the_schema_lets_unknown_keys_pass() -> None:
    # Helm's own; Kubernetes' affinities, which are checked by the API server; pod overrides, checked by the operator.
    open_on_purpose = re.compile(r"^\.global$|\.affinity\.\w+$|\.pod$")
    for name, definition in [("", SCHEMA), *SCHEMA["$defs"].items()]:
        for path, node in _objects_of(definition, name):
            if not open_on_purpose.search(path):
                assert node.get("additionalProperties", True) is not True, path


def test_schema_and_values_know_the_same_keys() -> None:
    def compare(values: dict[str, Any], schema: dict[str, Any], path: str) -> None:
        if "properties" not in schema or not values:
            return
        assert set(values) == set(schema["properties"]) - {"global"}, path
        for key, child in values.items():
            if isinstance(child, dict):
                compare(child, schema["properties"][key], f"{path}.{key}")

    compare(yaml.safe_load(VALUES), SCHEMA, "")


@pytest.mark.parametrize("case", CASES)
def test_the_values_that_are_tried_satisfy_the_schema(case: str) -> None:
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values_of(case))


def test_a_maker_from_values_trades_on_the_account_of_the_release_unless_it_names_one() -> None:
    values = {
        "account": {"create": True, "name": "desk", "spec": ACCOUNT},
        "marketMakers": {"eth": MAKER, "btc": {**MAKER, "accountRef": {"name": "other"}}},
    }
    made = {
        item["metadata"]["name"]: item["spec"]["accountRef"]["name"]
        for item in objects_in(render(values))
        if item["kind"] == "MarketMaker"
    }
    assert made == {"eth": "desk", "btc": "other"}


def test_the_stores_users_are_those_that_the_services_log_in_as() -> None:
    (secret,) = objects("default", "Secret")
    data = secret["stringData"]
    assert data["users.acl"] == acl_file(data["order-state-password"], data["risk-password"])
    assert data["order-state-password"] != data["risk-password"]
    assert min(len(data["order-state-password"]), len(data["risk-password"])) >= 32


def test_passwords_differ_from_release_to_release() -> None:
    def password() -> str:
        (secret,) = [item for item in objects_in(render({})) if item["kind"] == "Secret"]
        return str(secret["stringData"]["risk-password"])

    assert password() != password()


def test_each_served_namespace_gets_the_stores_users_of_its_own() -> None:
    secrets = objects("full", "Secret")
    assert [(s["metadata"]["namespace"], s["metadata"]["name"]) for s in secrets] == [
        ("trading", "desk-store"),
        ("research", "desk-store"),
    ]
    assert len({secret["stringData"]["risk-password"] for secret in secrets}) == 2
    assert {s["metadata"]["namespace"] for s in objects("cluster-scope", "Secret")} == {"desk-a", "desk-b"}


def test_no_secret_is_made_when_somebody_else_makes_it() -> None:
    assert not objects("tls-existing", "Secret")


def test_nothing_of_the_chart_holds_a_key_or_names_a_namespace_that_is_not_served() -> None:
    for case in CASES:
        served = {NAMESPACE, *values_of(case).get("watchNamespaces", ())}
        served |= set(values_of(case).get("store", {}).get("credentials", {}).get("namespaces", ()))
        for item in objects(case):
            assert item["metadata"].get("namespace", NAMESPACE) in served
            assert "privateKey" not in item.get("stringData", {})
