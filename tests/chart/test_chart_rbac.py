"""Rights: the operator's are exactly those that its own table asks for, and nobody's touch Secrets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.chart import CASES, Manifest, objects, one

from perpmaker.operator import rbac
from perpmaker.operator.settings import OperatorSettings

GOLDEN = Path(__file__).parent / "golden"
ROLES = ("Role", "ClusterRole")
WRITES = {"create", "update", "patch", "delete", "deletecollection", "rearm", "*"}


def _roles(case: str) -> list[Manifest]:
    return [role for kind in ROLES for role in objects(case, kind)]


def _granted(rules: Iterable[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _settings(case: str) -> OperatorSettings:
    (text,) = [item["data"]["operator.json"] for item in objects(case, "ConfigMap") if "operator.json" in item["data"]]
    return OperatorSettings.model_validate_json(text)


@pytest.mark.parametrize("case", CASES)
def test_the_operator_has_the_rights_of_its_table_and_no_other(case: str) -> None:
    wanted = {(rule.group, rule.resource, verb) for rule in rbac.required(_settings(case)) for verb in rule.verbs}
    roles = [role for role in _roles(case) if role["metadata"]["name"].endswith("-operator")]
    assert roles
    for role in roles:
        assert _granted(role["rules"]) == wanted


@pytest.mark.parametrize("case", CASES)
def test_nobody_has_rights_on_secrets_or_on_everything(case: str) -> None:
    for role in _roles(case):
        for group, resource, verb in _granted(role["rules"]):
            assert "*" not in {group, resource, verb}, role["metadata"]["name"]
            assert resource not in {"secrets", "pods/exec", "serviceaccounts/token"}, role["metadata"]["name"]


@pytest.mark.parametrize("case", [case for case in CASES if case != "cluster-scope"])
def test_a_namespaced_installation_binds_no_cluster_role(case: str) -> None:
    assert not objects(case, "ClusterRoleBinding")


@pytest.mark.parametrize("case", CASES)
def test_every_binding_binds_a_role_and_a_service_account_of_the_release(case: str) -> None:
    accounts = {(a["metadata"]["namespace"], a["metadata"]["name"]) for a in objects(case, "ServiceAccount")}
    roles = {(r["kind"], r["metadata"].get("namespace"), r["metadata"]["name"]) for r in _roles(case)}
    for binding in [*objects(case, "RoleBinding"), *objects(case, "ClusterRoleBinding")]:
        reference = binding["roleRef"]
        assert (reference["kind"], binding["metadata"].get("namespace"), reference["name"]) in roles
        for subject in binding["subjects"]:
            assert (subject["namespace"], subject["name"]) in accounts


def test_reading_is_part_of_view_and_writing_is_part_of_no_built_in_role() -> None:
    for role in objects("default", "ClusterRole"):
        aggregated = [label for label in role["metadata"]["labels"] if label.startswith("rbac.authorization.k8s.io/")]
        if aggregated:
            assert aggregated == ["rbac.authorization.k8s.io/aggregate-to-view"]
            assert not {verb for _, _, verb in _granted(role["rules"])} & WRITES


def test_a_trader_writes_makers_and_only_an_account_admin_writes_accounts_and_re_arms() -> None:
    def writes(person: str) -> set[tuple[str, str]]:
        granted = _granted(one("default", "ClusterRole", f"perpmaker-{person}")["rules"])
        return {(resource, verb) for _, resource, verb in granted if verb in WRITES}

    everything = {"create", "update", "patch", "delete"}
    assert writes("viewer") == set()
    assert writes("trader") == {("marketmakers", verb) for verb in everything}
    assert writes("account-admin") == {
        (resource, verb) for resource in ("marketmakers", "tradingaccounts") for verb in {*everything, "rearm"}
    }


@pytest.mark.parametrize("case", ["default", "cluster-scope"])
def test_rights_change_only_in_the_open(case: str) -> None:
    """The rendered rights as a file, so that a change of them is seen in review; PERPMAKER_WRITE_GOLDEN=1 writes it."""
    kinds = (*ROLES, "RoleBinding", "ClusterRoleBinding")
    rendered = yaml.safe_dump_all(
        [
            {key: item[key] for key in ("kind", "rules", "roleRef", "subjects") if key in item}
            | {"name": item["metadata"]["name"], "namespace": item["metadata"].get("namespace", "(cluster)")}
            for kind in kinds
            for item in objects(case, kind)
        ],
        sort_keys=True,
    )
    golden = GOLDEN / f"rbac-{case}.yaml"
    if os.environ.get("PERPMAKER_WRITE_GOLDEN"):
        golden.write_text(rendered)
    assert golden.read_text() == rendered
