"""What the chart's pods may do: nothing that the restricted Pod Security Standard forbids, nor talk to strangers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.chart import CASES, NAMESPACE, Manifest, objects, one, pods

WITH_TOKEN = {"perpmaker-operator", "desk-operator", "perpmaker-uninstall", "desk-uninstall"}
CLOSED = [case for case in CASES if case != "tls-clusterissuer"]
"""Cases with networkPolicy.enabled."""


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "extend this helper"
    return selector.get("matchLabels", {}).items() <= labels.items()


@pytest.mark.parametrize("case", CASES)
def test_every_pod_meets_the_restricted_standard(case: str) -> None:
    found = list(pods(objects(case)))
    assert found
    for name, _, template in found:
        spec = template["spec"]
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["runAsGroup"] == 65532, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all(set(volume) & {"configMap", "emptyDir", "secret"} for volume in spec["volumes"]), name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in container.get("ports", ()))


@pytest.mark.parametrize("case", CASES)
def test_every_container_has_requests_and_a_memory_limit(case: str) -> None:
    for _, _, template in pods(objects(case)):
        for container in template["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("case", CASES)
def test_temporary_files_are_bounded_and_everything_else_is_read_only(case: str) -> None:
    for name, _, template in pods(objects(case)):
        bounded = {v["name"] for v in template["spec"]["volumes"] if v.get("emptyDir", {}).get("sizeLimit")}
        for container in template["spec"]["containers"]:
            for mount in container["volumeMounts"]:
                assert mount.get("readOnly") or mount["name"] in bounded, (name, mount)


@pytest.mark.parametrize("case", CASES)
def test_images_are_pinned_to_a_version(case: str) -> None:
    for _, _, template in pods(objects(case)):
        for container in template["spec"]["containers"]:
            name, _, tag = container["image"].rpartition(":")
            assert name
            assert tag not in {"", "latest"}


@pytest.mark.parametrize("case", CASES)
def test_a_token_is_mounted_only_by_those_who_talk_to_the_api_server(case: str) -> None:
    for account in objects(case, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for name, _, template in pods(objects(case)):
        assert template["spec"]["automountServiceAccountToken"] is (name in WITH_TOKEN)
        assert template["spec"]["serviceAccountName"] == name


@pytest.mark.parametrize("case", CASES)
def test_only_one_operator_runs_and_says_how_it_is(case: str) -> None:
    (operator,) = objects(case, "Deployment")
    assert (operator["spec"]["replicas"], operator["spec"]["strategy"]) == (1, {"type": "Recreate"})
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8080, "metrics": 9090}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert probes["startup"] == probes["liveness"] == {"path": "/healthz", "port": "health"}
    assert probes["readiness"] == {"path": "/readyz", "port": "health"}
    assert container["args"] == ["operator", "run", "--config", "/etc/perpmaker/operator.json"]


def test_a_changed_setting_replaces_the_operators_pod() -> None:
    sums = {
        one(case, "Deployment", "perpmaker-operator")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for case in ("default", "cluster-scope", "tls-existing", "tls-certmanager", "monitoring")
    }
    assert len(sums) == 5


@pytest.mark.parametrize("case", CLOSED)
def test_a_network_policy_closes_every_pod_in_both_directions(case: str) -> None:
    for name, namespace, template in pods(objects(case)):
        closing = [
            policy
            for policy in objects(case, "NetworkPolicy")
            if policy["metadata"]["namespace"] == namespace
            and _matches(policy["spec"]["podSelector"], template["metadata"]["labels"])
        ]
        assert closing, name
        assert all(policy["spec"]["policyTypes"] == ["Ingress", "Egress"] for policy in closing), name


@pytest.mark.parametrize("case", CASES)
def test_every_selector_picks_a_pod(case: str) -> None:
    labels = [template["metadata"]["labels"] for _, _, template in pods(objects(case))]
    selectors = [
        *(policy["spec"]["podSelector"] for policy in objects(case, "NetworkPolicy")),
        *(deployment["spec"]["selector"] for deployment in objects(case, "Deployment")),
        *({"matchLabels": service["spec"]["selector"]} for service in objects(case, "Service")),
        *(budget["spec"]["selector"] for budget in objects(case, "PodDisruptionBudget")),
    ]
    for selector in selectors:
        assert any(_matches(selector, pod) for pod in labels), selector


def test_only_what_has_to_is_open() -> None:
    policy = one("full", "NetworkPolicy", "desk-operator")["spec"]
    assert policy["ingress"] == [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "ports": [{"port": 9090, "protocol": "TCP"}],
        }
    ]
    dns, api_server, services = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"][0] == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dns"}}}
    assert api_server == {
        "to": [{"ipBlock": {"cidr": "10.96.0.1/32"}}],
        "ports": [{"port": 443, "protocol": "TCP"}],
    }
    assert [port["port"] for port in services["ports"]] == [50051]
    (peer,) = services["to"]
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["trading", "research"]


def test_nobody_reads_metrics_unless_told_who_may() -> None:
    assert "ingress" not in one("default", "NetworkPolicy", "perpmaker-operator")["spec"]


def test_default_deny_closes_the_served_namespaces_and_is_opt_in() -> None:
    denied = objects("full", "NetworkPolicy", "desk-default-deny")
    assert [policy["metadata"]["namespace"] for policy in denied] == ["trading", "research"]
    assert all(policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} for policy in denied)
    assert not objects("default", "NetworkPolicy", "perpmaker-default-deny")


def test_policies_of_trading_pods_recognise_the_operator() -> None:
    from perpmaker.operator.children.network_policies import OPERATOR_POD_LABELS

    (operator,) = objects("default", "Deployment")
    assert OPERATOR_POD_LABELS.items() <= operator["spec"]["template"]["metadata"]["labels"].items()


def test_the_operators_egress_picks_the_pods_that_it_makes() -> None:
    from perpmaker.operator import names
    from perpmaker.operator.children.objects import APP, NAME_LABEL

    peer = one("default", "NetworkPolicy", "perpmaker-operator")["spec"]["egress"][-1]["to"][0]
    assert peer["podSelector"]["matchLabels"] == {NAME_LABEL: APP, names.MANAGED_BY_LABEL: names.MANAGER}


@pytest.mark.parametrize(
    ("case", "secret"),
    [
        ("default", None),
        ("tls-existing", "operator-certificate"),
        ("tls-certmanager", "perpmaker-operator-tls"),
        ("tls-clusterissuer", "perpmaker-operator-tls"),
    ],
)
def test_the_operator_mounts_its_certificate_where_its_settings_expect_it(case: str, secret: str | None) -> None:
    from perpmaker.operator.settings import TlsSettings

    spec = one(case, "Deployment", "perpmaker-operator")["spec"]["template"]["spec"]
    mounted = {v["name"]: v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
    assert mounted == ({"tls": secret} if secret else {})
    places = [m["mountPath"] for m in spec["containers"][0]["volumeMounts"] if m["name"] == "tls"]
    assert places == ([TlsSettings().certificate_dir] if secret else [])


def test_the_operators_certificate_names_the_operator() -> None:
    (certificate,) = objects("tls-clusterissuer", "Certificate")
    spec = certificate["spec"]
    assert spec["uris"] == ["spiffe://perpmaker.io/operator"]
    assert spec["issuerRef"] == {"name": "company", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert spec["secretName"] == "perpmaker-operator-tls"


def test_a_ca_of_the_release_signs_what_its_issuer_is_asked_for() -> None:
    issuers: dict[str, Manifest] = {item["metadata"]["name"]: item for item in objects("tls-certmanager", "Issuer")}
    ca = one("tls-certmanager", "Certificate", "perpmaker-ca")["spec"]
    assert ca["isCA"] is True
    assert issuers[ca["issuerRef"]["name"]]["spec"] == {"selfSigned": {}}
    operator = one("tls-certmanager", "Certificate", "perpmaker-operator-tls")["spec"]
    assert issuers[operator["issuerRef"]["name"]]["spec"] == {"ca": {"secretName": ca["secretName"]}}


def test_uninstalling_waits_for_trading_to_end_before_anything_else_goes() -> None:
    hooks = [item for item in objects("default") if "helm.sh/hook" in item["metadata"].get("annotations", {})]
    kinds = {item["kind"]: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for item in hooks}
    assert set(kinds) == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    assert kinds["ServiceAccount"] < kinds["RoleBinding"] < kinds["Job"] > kinds["Role"]
    assert {item["metadata"]["annotations"]["helm.sh/hook"] for item in hooks} == {"pre-delete"}
    (job,) = objects("default", "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["operator", "uninstall", "--namespace", NAMESPACE, "--timeout", "300s"]
    assert job["spec"]["activeDeadlineSeconds"] > 300


def test_uninstalling_reaches_every_served_namespace() -> None:
    def args(case: str) -> list[str]:
        (job,) = objects(case, "Job")
        found: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
        return found[2:]

    assert args("full") == ["--namespace", "trading", "--namespace", "research", "--timeout", "600s"]
    assert args("cluster-scope") == ["--timeout", "300s"]


def test_rules_of_the_house_hold_in_the_served_namespaces_and_need_nothing_beside_the_namespace() -> None:
    """No `paramKind`: an API server can lose sight of parameters once a policy was removed and installed again."""
    policies = objects("full", "ValidatingAdmissionPolicy")
    bindings = objects("full", "ValidatingAdmissionPolicyBinding")
    assert {policy["metadata"]["name"] for policy in policies} == {b["spec"]["policyName"] for b in bindings}
    for policy in policies:
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert "paramKind" not in policy["spec"]
    for binding in bindings:
        (only,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert (only["key"], only["values"]) == ("kubernetes.io/metadata.name", ["trading", "research"])
        assert binding["spec"]["validationActions"] == ["Deny"]
