"""What may be chosen about a pod, and what is said about the rest."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from tests.support.children import POD, PODS, REAL, REVISIONS, account, maker, settings, templates

from perpmaker.operator.children import (
    RefusalReason,
    account_children,
    account_refusals,
    maker_children,
    maker_refusals,
)
from perpmaker.operator.children.overrides import InvalidPodOverrideError, pod_override_problems
from perpmaker.operator.children.quantities import parse_quantity

ALLOWED = (
    "may not be set; allowed are resources, nodeSelector, tolerations, affinity, topologySpreadConstraints,"
    " priorityClassName, labels, annotations"
)
UNKNOWN = "is not a field that Kubernetes has here; remove it or correct its name"


@pytest.mark.parametrize(
    ("pod", "field", "message"),
    [
        ({"securityContext": {"runAsUser": 0}}, "spec.pod.securityContext", ALLOWED),
        ({"replicas": 2}, "spec.pod.replicas", ALLOWED),
        ({"hostNetwork": True}, "spec.pod.hostNetwork", ALLOWED),
        ({"containers": []}, "spec.pod.containers", ALLOWED),
        ({"serviceAccountName": "admin"}, "spec.pod.serviceAccountName", ALLOWED),
        ({"resources": {"limit": {}}}, "spec.pod.resources.limit", UNKNOWN),
        (
            {"resources": {"limits": {"cpu": "lots"}}},
            "spec.pod.resources.limits.cpu",
            'is no quantity; write it like "500m", "2" or "256Mi"',
        ),
        ({"resources": {"limits": {"memory": "-1Gi"}}}, "spec.pod.resources.limits.memory", "must not be negative"),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}},
            "spec.pod.resources",
            "requests.cpu exceeds limits.cpu; lower the request",
        ),
        (
            {"labels": {"perpmaker.io/account": "other"}},
            "spec.pod.labels.perpmaker.io/account",
            "belongs to the operator or to Kubernetes; choose another key",
        ),
        (
            {"labels": {"app.kubernetes.io/component": "risk"}},
            "spec.pod.labels.app.kubernetes.io/component",
            "belongs to the operator or to Kubernetes; choose another key",
        ),
        (
            {"annotations": {"perpmaker.io/config-hash": "0"}},
            "spec.pod.annotations.perpmaker.io/config-hash",
            "belongs to the operator; choose another key",
        ),
        (
            {"annotations": {"container.apparmor.security.beta.kubernetes.io/quoter": "unconfined"}},
            "spec.pod.annotations.container.apparmor.security.beta.kubernetes.io/quoter",
            "changes what the pod is confined to, which is fixed; remove it",
        ),
        (
            {"labels": {"team": "desk one"}},
            "spec.pod.labels.team",
            "is no label value; use at most 63 letters, digits, '-', '_' and '.', none of '-_.' outside",
        ),
        (
            {"priorityClassName": "High Priority"},
            "spec.pod.priorityClassName",
            "is no object name; use lower-case letters, digits, '-' and '.'",
        ),
        ({"nodeSelector": {"zone": 1}}, "spec.pod.nodeSelector.zone", "input should be a valid string"),
        ({"tolerations": [{"keys": "x"}]}, "spec.pod.tolerations.0.keys", UNKNOWN),
        ({"affinity": {"podAffinities": {}}}, "spec.pod.affinity.podAffinities", UNKNOWN),
        (
            {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]},
            "spec.pod.topologySpreadConstraints.0.whenUnsatisfiable",
            "field required",
        ),
    ],
)
def test_what_may_not_be_chosen_is_refused_with_its_field(pod: dict[str, Any], field: str, message: str) -> None:
    changed = maker({"spec.pod": pod})
    (problem,) = pod_override_problems(changed)
    assert (problem.field, problem.message) == (field, message)
    (refusal,) = maker_refusals(changed)
    assert refusal.reason is RefusalReason.INVALID_POD_OVERRIDE
    assert refusal.message == f"{field} {message}"
    with pytest.raises(InvalidPodOverrideError, match=r"spec\.pod"):
        maker_children(changed, account(), settings(), running=True)


@pytest.mark.parametrize("field", ["spec.gateway.pod", "spec.orderState.pod", "spec.riskService.pod"])
def test_every_service_of_an_account_is_checked(field: str) -> None:
    (refusal,) = account_refusals(account({field: {"hostPID": True}}), settings())
    assert refusal.field == f"{field}.hostPID"


def test_every_problem_is_told_at_once() -> None:
    found = pod_override_problems(maker({"spec.pod": {"hostPID": True, "labels": {"perpmaker.io/x": "y"}}}))
    assert {problem.field for problem in found} == {"spec.pod.hostPID", "spec.pod.labels.perpmaker.io/x"}


def test_what_may_be_chosen_is_in_the_pod() -> None:
    assert not account_refusals(account(REAL | PODS), settings())
    children = account_children(account(REAL | PODS), [], settings(), REVISIONS)
    for name in ("main-gateway", "main-order-state", "main-risk"):
        template = templates(children)[name]
        pod = template["spec"]
        for chosen in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
            assert pod[chosen] == POD[chosen]
        assert template["metadata"]["labels"].items() > POD["labels"].items()
        assert template["metadata"]["annotations"].items() > POD["annotations"].items()
        assert pod["containers"][0]["resources"] == {
            "requests": {"cpu": "1", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        }


def test_an_empty_choice_changes_nothing() -> None:
    plain = maker_children(maker(), account(), settings(), running=True)
    empty = {"tolerations": [], "nodeSelector": {}, "labels": {}, "affinity": {}, "topologySpreadConstraints": []}
    assert maker_children(maker({"spec.pod": empty}), account(), settings(), running=True) == plain


def test_the_makers_resources_come_before_the_installations_and_those_before_the_defaults() -> None:
    def memory(pod: dict[str, Any] | None, installation: dict[str, Any]) -> str:
        changes = {} if pod is None else {"spec.pod": pod}
        children = maker_children(maker(changes), account(), settings(installation), running=True)
        found: str = templates(children)["eth-quoter"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        return found

    installed = {"resources.quoter": {"limits": {"memory": "1Gi"}}}
    assert memory(None, {}) == "128Mi"
    assert memory(None, installed) == "1Gi"
    assert memory({"resources": {"limits": {"memory": "2Gi"}}}, installed) == "2Gi"


def test_services_prefer_the_neighbourhood_of_their_gateway() -> None:
    children = maker_children(maker(), account(), settings(), running=True)
    terms = templates(children)["eth-quoter"]["spec"]["affinity"]["podAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    gateway = templates(account_children(account(), [], settings(), REVISIONS))["main-gateway"]["metadata"]["labels"]
    for term in terms:
        assert gateway.items() >= term["podAffinityTerm"]["labelSelector"]["matchLabels"].items()


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("100m", Fraction(1, 10)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1", Fraction(1)),
        (1, Fraction(1)),
        (0.25, Fraction(1, 4)),
        ("1e3", Fraction(1000)),
        ("1E3", Fraction(1000)),
        ("1k", Fraction(1000)),
        ("1Ki", Fraction(1024)),
        ("64Mi", Fraction(64 * 1024**2)),
        ("1G", Fraction(10**9)),
        ("2E", Fraction(2 * 10**18)),
        ("1Ei", Fraction(2**60)),
        ("-5", Fraction(-5)),
        ("", None),
        ("1 Gi", None),
        ("1gb", None),
        ("0x10", None),
        (True, None),
        (None, None),
        ("1" * 100, None),
        ("1e999999999", None),
        ("٣", None),
    ],
)
def test_quantities_are_read_by_value(spelling: object, value: Fraction | None) -> None:
    assert parse_quantity(spelling) == value
