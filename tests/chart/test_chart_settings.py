"""operator.json: what the chart writes is what the operator reads, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel
from tests.support.chart import CASES, objects

from perpmaker.operator.settings import OperatorSettings, TlsMode

FIXED = {"health_port", "metrics_port", "tls.certificate_dir"}
"""Fields that the chart leaves at their defaults, since its own objects have the same numbers."""


def _document(case: str) -> dict[str, Any]:
    (config,) = [item for item in objects(case, "ConfigMap") if "operator.json" in item["data"]]
    document: dict[str, Any] = json.loads(config["data"]["operator.json"])
    return document


def _settings(case: str) -> OperatorSettings:
    return OperatorSettings.model_validate_json(json.dumps(_document(case)))


def _fields(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = [a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if isinstance(a, type)]
        nested = next((a for a in inner if issubclass(a, BaseModel)), None)
        found |= _fields(nested, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}
    return found


def _given(document: dict[str, Any], known: set[str], prefix: str = "") -> set[str]:
    found = set()
    for name, value in document.items():
        path = f"{prefix}{name}"
        found |= {path} if path in known else _given(value, known, f"{path}.")
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_operator_accepts_its_settings(case: str) -> None:
    settings = _settings(case)
    (operator,) = objects(case, "Deployment")
    assert settings.image.reference == operator["spec"]["template"]["spec"]["containers"][0]["image"]
    assert settings.namespace == operator["metadata"]["namespace"]
    assert settings.service_account == operator["spec"]["template"]["spec"]["serviceAccountName"]


def test_every_setting_can_be_reached_by_a_value() -> None:
    known = _fields(OperatorSettings)
    assert set().union(*(_given(_document(case), known) for case in CASES)) == known - FIXED


def test_values_arrive_at_the_settings_they_name() -> None:
    settings = _settings("full")
    assert settings.watch_namespaces == ("trading", "research")
    assert settings.service_account == "desk-operator"
    assert settings.image.reference.startswith("registry.example.com/perpmaker@sha256:0123")
    assert (settings.image.pull_policy, settings.image.pull_secrets) == ("Always", ("registry",))
    assert (settings.store.size, settings.store.storage_class) == ("5Gi", "fast")
    assert (settings.store.image, settings.store.credentials_secret) == (
        "registry.example.com/valkey:9.1.2",
        "desk-store",
    )
    assert settings.simulated.faucet_usdc == 5_000_000
    assert settings.network_policies.exchange_cidrs == ("203.0.113.0/24",)
    assert settings.network_policies.metrics_from_namespaces == {"kubernetes.io/metadata.name": "monitoring"}
    assert settings.priority_class == "perpmaker-trading"
    assert settings.gateway_disruption_budget is True
    assert settings.resources["quoter"]["limits"] == {"cpu": "1", "memory": "256Mi"}
    assert (settings.resync_seconds, settings.summary_seconds, settings.rollout.pause_seconds) == (20, 15.5, 10)
    assert settings.log_level == "debug"


def test_without_values_the_settings_are_the_operators_own_defaults() -> None:
    settings = _settings("default")
    bare = OperatorSettings(namespace=settings.namespace, watch_namespaces=("perpmaker",), image=settings.image)
    assert settings == bare


def test_the_cluster_scope_names_no_namespace_and_peers_across_the_cluster() -> None:
    assert _settings("cluster-scope").watch_namespaces == ()
    assert [item["metadata"]["name"] for item in objects("cluster-scope", "ClusterKopfPeering")] == ["perpmaker"]
    assert not objects("cluster-scope", "KopfPeering")


def test_each_served_namespace_has_the_peering_object_that_the_operator_looks_for() -> None:
    from perpmaker.operator.runtime.kopf_settings import PEERING

    assert [(p["metadata"]["namespace"], p["metadata"]["name"]) for p in objects("full", "KopfPeering")] == [
        ("trading", PEERING),
        ("research", PEERING),
    ]
    assert not objects("tls-clusterissuer", "KopfPeering")


def test_children_ask_the_issuer_that_the_chart_makes_or_names() -> None:
    own, company = _settings("tls-certmanager").tls, _settings("tls-clusterissuer").tls
    assert own.mode is company.mode is TlsMode.CERT_MANAGER
    assert own.issuer is not None
    assert company.issuer is not None
    assert (own.issuer.kind, own.issuer.name) == ("Issuer", "perpmaker-ca")
    assert (company.issuer.kind, company.issuer.name) == ("ClusterIssuer", "company")
