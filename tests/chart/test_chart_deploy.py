"""deploy/: what is committed is what the chart renders, and every example can be applied as it stands."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from tests.support.chart import CHART, PEERING_KINDS, ROOT, pods
from tools.render_manifests import DEPLOY, generated_paths, wanted_files

from perpmaker.api.load import load
from perpmaker.api.schema import CRDS, object_schema
from perpmaker.api.store_acl import acl_file

EXAMPLES = sorted((DEPLOY / "examples").rglob("*.yaml"))
KUBERNETES_EXAMPLES = DEPLOY / "examples/kubernetes"


def _documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _manifests() -> list[dict[str, Any]]:
    return [document for path in sorted((DEPLOY / "manifests").glob("*.yaml")) for document in _documents(path)]


def test_the_committed_files_are_what_the_chart_renders() -> None:
    wanted = wanted_files()
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    assert [str(path.relative_to(ROOT)) for path in differing] == [], "run: make manifests"
    assert set(generated_paths()) <= set(wanted), "run: make manifests"


def test_the_kinds_are_the_charts_byte_for_byte() -> None:
    copies = {path.name: path.read_bytes() for path in (DEPLOY / "crds").glob("*.yaml")}
    copies.pop("kustomization.yaml")
    assert copies == {path.name: path.read_bytes() for path in (CHART / "crds").glob("*.yaml")}


@pytest.mark.parametrize(("folder", "inside"), [("", "manifests/"), ("crds", "")])
def test_each_kustomization_lists_every_file(folder: str, inside: str) -> None:
    base = DEPLOY / folder
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in (base / inside).glob("*.yaml")} - {"kustomization.yaml"}
    assert sorted(listed) == sorted(f"{inside}{name}" for name in there)


def test_the_manifests_hold_no_secret_and_nothing_that_only_helm_understands() -> None:
    for item in _manifests():
        assert item["kind"] != "Secret"
        assert "helm" not in yaml.safe_dump(item).lower()


def test_the_manifests_are_complete() -> None:
    kinds = {item["kind"] for item in _manifests()}
    assert {"Namespace", "Deployment", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "ConfigMap"} <= kinds
    assert len(list(pods(_manifests()))) == 1


def test_the_namespace_enforces_the_restricted_pod_security_standard() -> None:
    (namespace,) = [item for item in _manifests() if item["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {item["metadata"].get("namespace") for item in _manifests()} == {None, namespace["metadata"]["name"]}


@pytest.mark.parametrize("version", ["1.29", "1.34", kubernetes_validate.latest_version()])
def test_kubernetes_knows_every_field_of_the_manifests_and_the_kinds(version: str) -> None:
    kinds = [document for path in (CHART / "crds").glob("*.yaml") for document in _documents(path)]
    for item in [*_manifests(), *kinds]:
        if item["kind"] not in PEERING_KINDS and not (version == "1.29" and "selectableFields" in str(item)):
            kubernetes_validate.validate(item, version, strict=True)


def _strict(node: dict[str, Any]) -> dict[str, Any]:
    """The schema as `kubectl apply --validate=strict` uses it: unknown fields are errors."""
    strict = {**node}
    if "properties" in node:
        strict["properties"] = {name: _strict(child) for name, child in node["properties"].items()}
        strict["additionalProperties"] = False
    if "items" in node:
        strict["items"] = _strict(node["items"])
    return strict


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_api_server_accepts_each_example_with_strict_validation(path: Path) -> None:
    for document in _documents(path):
        schema = _strict(object_schema(next(crd for crd in CRDS if crd.kind == document["kind"])))
        jsonschema.Draft4Validator(schema).validate(document)


@pytest.mark.parametrize("name", ["simulated", "testnet", "full"])
def test_each_example_is_valid_by_itself(name: str) -> None:
    assert load([KUBERNETES_EXAMPLES / f"{name}.yaml"]).report.violations == ()


def test_the_smallest_maker_has_nine_lines_and_trades_on_the_quickstarts_account() -> None:
    minimal = KUBERNETES_EXAMPLES / "minimal.yaml"
    assert len(minimal.read_text().splitlines()) == 9
    loaded = load([KUBERNETES_EXAMPLES / "simulated.yaml", minimal])
    assert loaded.report.violations == ()
    assert [maker.spec.market.symbol for maker in loaded.makers] == ["ETH", "SOL"]


def _paths(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        if "properties" in child:
            yield from _paths(child, path)
        else:
            yield path


def _used(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, child in value.items():
        path = f"{prefix}.{name}" if prefix else name
        yield path
        if isinstance(child, dict):
            yield from _used(child, path)


def test_the_full_example_shows_every_field() -> None:
    shown = {item["kind"]: set(_used(item["spec"])) for item in _documents(KUBERNETES_EXAMPLES / "full.yaml")}
    missing = {
        f"{crd.kind} {path}"
        for crd in CRDS
        for path in _paths(object_schema(crd)["properties"]["spec"])
        if path not in shown[crd.kind]
    }
    # One model at a time; and a trip is acknowledged when there is one, not in advance.
    assert missing == {
        "MarketMaker quoting.fixed.halfSpreadBps",
        "MarketMaker quoting.glft.riskAversion",
        "MarketMaker quoting.glft.calibrationWindowSeconds",
        "MarketMaker killSwitch.acknowledgedTrip",
        "TradingAccount killSwitch.acknowledgedTrip",
    }


def test_the_operator_accepts_the_pods_of_the_full_example() -> None:
    from perpmaker.operator.children.overrides import pod_override_problems

    loaded = load([KUBERNETES_EXAMPLES / "full.yaml"])
    for item in (*loaded.accounts, *loaded.makers):
        assert not pod_override_problems(item)


def test_the_script_prints_the_users_that_the_services_log_in_as() -> None:
    script = str(DEPLOY / "store-secret.sh")
    printed = [
        yaml.safe_load(subprocess.run([script, "desk"], capture_output=True, text=True, check=True, timeout=10).stdout)
        for _ in range(2)
    ]
    for secret in printed:
        kubernetes_validate.validate(secret, "1.34", strict=True)
        data = secret["stringData"]
        assert secret["metadata"]["namespace"] == "desk"
        assert data["users.acl"] == acl_file(data["order-state-password"], data["risk-password"])
    assert printed[0]["stringData"] != printed[1]["stringData"]
