"""Every set of values in ci/ renders to well-formed objects that Kubernetes' own schemas accept."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml
from tests.support.chart import (
    CASES,
    CHART,
    FOREIGN_KINDS,
    NAMESPACE,
    OWN_KINDS,
    PEERING_KINDS,
    identity,
    objects,
    objects_in,
    render,
    values_of,
)

import perpmaker
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount

KUBERNETES = ("1.29", "1.34", kubernetes_validate.latest_version())
SINCE_1_30 = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterKopfPeering",
    "PriorityClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _nulls(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, f"{path}[{index}]")


@pytest.mark.parametrize("version", ["v1.30.0", "v1.34.0"])
@pytest.mark.parametrize("case", CASES)
def test_lint_finds_nothing_worse_than_the_missing_icon(case: str, version: str) -> None:
    report = helm_python.lint(CHART, values_of(case), strict=True, namespace=NAMESPACE, kube_version=version)
    assert [m["error"] for m in report["messages"] if m["error"] != "icon is recommended"] == []
    assert not report["errors"]


@pytest.mark.parametrize("case", CASES)
def test_no_object_is_rendered_twice_or_holds_a_null(case: str) -> None:
    counts = Counter(identity(item) for item in objects(case))
    assert [key for key, count in counts.items() if count > 1] == []
    for item in objects(case):
        assert list(_nulls(item)) == [], identity(item)


@pytest.mark.parametrize("case", CASES)
def test_every_object_has_the_usual_labels_and_says_its_namespace(case: str) -> None:
    for item in objects(case):
        assert set(item["metadata"]["labels"]) >= LABELS, identity(item)
        assert ("namespace" in item["metadata"]) is (item["kind"] not in CLUSTER_WIDE), identity(item)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_every_field(case: str, version: str) -> None:
    skipped = set()
    for item in objects(case):
        if item["kind"] in FOREIGN_KINDS | OWN_KINDS | PEERING_KINDS or (
            version == "1.29" and item["kind"] in SINCE_1_30
        ):
            skipped.add(item["kind"])
            continue
        kubernetes_validate.validate(item, version, strict=True)
    expected = {
        "quickstart": OWN_KINDS,
        "monitoring": {"PodMonitor", "ServiceMonitor", "PrometheusRule"},
        "full": SINCE_1_30 if version == "1.29" else set(),
        "tls-existing": {"TradingAccount"},
        "tls-certmanager": {"Issuer", "Certificate"},
        "tls-clusterissuer": {"Certificate"},
    }
    assert skipped - PEERING_KINDS == expected.get(case, set())


@pytest.mark.parametrize("case", ["quickstart", "tls-existing"])
def test_accounts_and_makers_from_values_are_valid(case: str) -> None:
    seen = []
    for item in objects(case):
        if item["kind"] in OWN_KINDS:
            model = TradingAccount if item["kind"] == "TradingAccount" else MarketMaker
            seen.append(model.model_validate(item).metadata.name)
    assert seen == {"quickstart": ["main", "btc", "eth"], "tls-existing": ["main"]}[case]


def _fields(text: str) -> dict[str, Any]:
    return {name: {} for name in text.split()}


FOREIGN_SPECS: dict[str, dict[str, Any]] = {
    "Issuer": {"properties": {"selfSigned": {}, "ca": {"required": ["secretName"]}}, "maxProperties": 1},
    "Certificate": {
        "properties": _fields("isCA commonName secretName duration renewBefore uris usages privateKey issuerRef"),
        "required": ["secretName", "issuerRef"],
    },
    "PodMonitor": {
        "properties": _fields("selector namespaceSelector podTargetLabels podMetricsEndpoints"),
        "required": ["selector", "podMetricsEndpoints"],
    },
    "ServiceMonitor": {
        "properties": _fields("selector podTargetLabels endpoints"),
        "required": ["selector", "endpoints"],
    },
    "PrometheusRule": {"properties": {"groups": {"type": "array", "minItems": 1}}, "required": ["groups"]},
}
"""What we use of kinds that are not ours, as far as their published schemas know it."""


@pytest.mark.parametrize("case", ["monitoring", "tls-certmanager", "tls-clusterissuer"])
def test_foreign_kinds_have_only_fields_that_they_know(case: str) -> None:
    for item in objects(case):
        if item["kind"] in FOREIGN_KINDS:
            schema = {"type": "object", "additionalProperties": False, **FOREIGN_SPECS[item["kind"]]}
            jsonschema.validate(item["spec"], schema)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({"monitoring": {"podMonitor": {"enabled": True}}}, "monitoring.coreos.com/v1"),
        ({"monitoring": {"serviceMonitor": {"enabled": True}}}, "monitoring.coreos.com/v1"),
        ({"monitoring": {"prometheusRule": {"enabled": True}}}, "monitoring.coreos.com/v1"),
        ({"tls": {"mode": "certManager"}}, "cert-manager.io/v1"),
    ],
)
def test_kinds_that_the_cluster_does_not_serve_are_told_before_anything_is_installed(
    values: dict[str, Any], needed: str
) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=f"needs {needed}, which this cluster does not serve"):
        render(values)


def test_the_names_of_a_release_tell_it_apart_from_another() -> None:
    first, second = (objects_in(render({}, release=name)) for name in ("perpmaker", "desk"))
    shared = {identity(item) for item in first} & {identity(item) for item in second}
    # Fixed names: the operator looks for the peering, and accounts for the store's users.
    assert shared == {
        ("kopf.dev/v1", "KopfPeering", NAMESPACE, "perpmaker"),
        ("v1", "Secret", NAMESPACE, "perpmaker-store"),
    }


def test_the_chart_installs_the_version_of_perpmaker_it_is_part_of() -> None:
    with helm_python.Chart.load(CHART) as chart:
        assert chart.metadata["appVersion"] == chart.version == perpmaker.__version__


def test_a_package_has_kinds_and_rules_and_no_values_of_ours(tmp_path: Path) -> None:
    archive = helm_python.package(CHART, destination=tmp_path)
    with tarfile.open(archive) as packed:
        names = {Path(name).relative_to("perpmaker").as_posix() for name in packed.getnames()}
    assert {"crds/marketmakers.yaml", "crds/kopfpeerings.yaml", "rules/trading.yaml", "values.schema.json"} <= names
    assert not {name for name in names if name.startswith("ci/")}


@pytest.mark.parametrize(
    ("case", "command"),
    [
        ("default", "kubectl apply -n perpmaker -f - <<'YAML'"),
        ("quickstart", "kubectl get mm -n perpmaker --watch"),
        ("tls-existing", "kubectl apply -n perpmaker -f - <<'YAML'"),
        ("full", "kubectl apply -n trading -f - <<'YAML'"),
    ],
)
def test_the_notes_say_the_next_command(case: str, command: str) -> None:
    notes = render(values_of(case))["perpmaker/templates/NOTES.txt"]
    assert command in notes


def test_the_objects_in_the_notes_are_valid() -> None:
    notes = render({})["perpmaker/templates/NOTES.txt"]
    text = notes.split("<<'YAML'\n")[1].split("  YAML")[0]
    documents = list(yaml.safe_load_all("\n".join(line.removeprefix("  ") for line in text.splitlines())))
    assert MarketMaker.model_validate(documents[1]).spec.market.symbol == "ETH"
    assert TradingAccount.model_validate(documents[0]).spec.network.value == "Simulated"


def test_the_notes_of_an_upgrade_say_how_the_kinds_are_upgraded() -> None:
    assert "kubectl apply --server-side -f -" in render({}, upgrade=True)["perpmaker/templates/NOTES.txt"]
