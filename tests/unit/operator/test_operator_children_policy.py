"""What holds for every child of every account: hardening, labels, owners, and what Kubernetes accepts."""

from __future__ import annotations

import copy
import json
from typing import Any

import kubernetes_validate
import pytest
from tests.support.children import CASES, NAMESPACE, REVISIONS, Case, account, pick, settings, templates

from perpmaker.api.parts import GatewayPart, OrderStatePart, QuoterPart, RiskPart
from perpmaker.operator.children import account_children, documents, hashes, quoter_document
from perpmaker.operator.names import Role

VERSIONS = ("1.29", "1.34", kubernetes_validate.latest_version())
COMMON_LABELS = {
    "app.kubernetes.io/name": "perpmaker",
    "app.kubernetes.io/part-of": "perpmaker",
    "app.kubernetes.io/managed-by": "perpmaker-operator",
    "perpmaker.io/account": "main",
}
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_case
@pytest.mark.parametrize("version", VERSIONS)
def test_every_supported_kubernetes_knows_every_field(case: Case, version: str) -> None:
    kinds = set()
    for child in case.children:
        if child["kind"] != "Certificate":
            kubernetes_validate.validate(child, version, strict=True)
            kinds.add(child["kind"])
    assert kinds >= {"Deployment", "Service", "ServiceAccount", "ConfigMap"}


@every_case
def test_every_pod_is_confined_as_restricted_pod_security_asks(case: Case) -> None:
    found = templates(case.children)
    assert set(found) >= {"main-gateway", "main-order-state", "main-risk", "eth-quoter"}
    for template in found.values():
        pod = template["spec"]
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 65532
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        assert {kind for volume in pod["volumes"] for kind in volume} <= {"name", "configMap", "secret", "emptyDir"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert not any("hostPort" in port for port in container["ports"])


@every_case
def test_every_pod_has_an_identity_of_its_own_without_a_token(case: Case) -> None:
    for name, template in templates(case.children).items():
        pod = template["spec"]
        assert pod["serviceAccountName"] == name
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        # A SIGTERM is never missed, and nobody else's container comes near the key.
        assert pod.get("shareProcessNamespace", False) is not name.endswith("-gateway")
        assert pick(case.children, "ServiceAccount", name)["automountServiceAccountToken"] is False


@every_case
def test_every_container_has_resources_probes_and_a_bounded_place_for_temporary_files(case: Case) -> None:
    for template in templates(case.children).values():
        (container,) = template["spec"]["containers"]
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert container.keys() >= {"startupProbe", "readinessProbe", "livenessProbe"}
        assert all("sizeLimit" in volume["emptyDir"] for volume in template["spec"]["volumes"] if "emptyDir" in volume)
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@every_case
def test_nothing_is_mounted_by_sub_path_and_no_secret_comes_by_environment(case: Case) -> None:
    for template in templates(case.children).values():
        (container,) = template["spec"]["containers"]
        assert not any("subPath" in mount for mount in container["volumeMounts"])
        assert not container.keys() & {"env", "envFrom"}


@every_case
def test_only_the_gateway_of_a_real_account_sees_the_key(case: Case) -> None:
    holders = {
        name
        for name, template in templates(case.children).items()
        for volume in template["spec"]["volumes"]
        if volume.get("secret", {}).get("secretName") == "main-api-wallet"
    }
    assert holders == ({"main-gateway"} if case.account.spec.api_wallet else set())


@every_case
def test_every_mounted_secret_is_readable_by_owner_and_group_only(case: Case) -> None:
    modes = [
        volume["secret"]["defaultMode"]
        for template in templates(case.children).values()
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    ]
    assert all(mode == 0o440 for mode in modes)


@every_case
def test_every_child_has_its_owner_labels_and_hash(case: Case) -> None:
    for child in case.children:
        meta = child["metadata"]
        assert meta["namespace"] == NAMESPACE
        assert meta["labels"].items() >= COMMON_LABELS.items()
        assert meta["labels"]["app.kubernetes.io/version"]
        assert meta["annotations"]["perpmaker.io/applied-hash"] == hashes.applied_hash(child)
        (owner,) = meta["ownerReferences"]
        is_quoter = meta["labels"]["app.kubernetes.io/component"] == "quoter"
        assert (owner["kind"], owner["name"]) == (("MarketMaker", "eth") if is_quoter else ("TradingAccount", "main"))
        assert owner["uid"] == f"uid-of-{owner['name']}"
        assert owner["controller"] is owner["blockOwnerDeletion"] is True
        assert ("perpmaker.io/marketmaker" in meta["labels"]) is is_quoter


@every_case
def test_names_are_unique_and_fit(case: Case) -> None:
    names = [(child["kind"], child["metadata"]["name"]) for child in case.children]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


@every_case
def test_every_selector_selects_its_own_pod_and_no_other(case: Case) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in templates(case.children).items()}
    for child in case.children:
        spec = child.get("spec", {})
        selector = spec.get("selector", spec.get("podSelector"))
        if selector is not None:
            wanted = selector.get("matchLabels", selector)
            chosen = [name for name, worn in labels.items() if worn.items() >= wanted.items()]
            assert chosen == [child["metadata"]["name"]]


@every_case
def test_nothing_is_written_that_an_api_server_would_drop(case: Case) -> None:
    def leaves(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            assert value, f"{path} is empty"
            for key, item in value.items():
                yield from leaves(item, f"{path}.{key}")
        elif isinstance(value, list):
            assert value, f"{path} is empty"
            for item in value:
                yield from leaves(item, f"{path}[]")
        else:
            yield path, value

    kept_although_false = {
        "automountServiceAccountToken",
        "enableServiceLinks",
        "allowPrivilegeEscalation",
        "maxUnavailable",
    }
    for child in case.children:
        for path, value in leaves(child, child["kind"]):
            assert value or path.rpartition(".")[2] in kept_although_false or path.endswith("args[]"), path


@every_case
def test_every_name_in_a_pod_leads_somewhere(case: Case) -> None:
    config_maps = {child["metadata"]["name"] for child in case.children if child["kind"] == "ConfigMap"}
    for template in templates(case.children).values():
        pod = template["spec"]
        (container,) = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} - {"data"} <= volumes
        assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= config_maps
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            socket = container[probe].get("tcpSocket", {"port": None})["port"]
            assert socket is None or socket in ports
    for child in case.children:
        if child["kind"] == "Service":
            template = templates(case.children)[child["metadata"]["name"]]
            ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in child["spec"]["ports"]} <= ports


@every_case
def test_every_document_is_one_that_its_service_can_read(case: Case) -> None:
    models = {
        "main-gateway-config": GatewayPart,
        "main-order-state-config": OrderStatePart,
        "main-risk-config": RiskPart,
        "eth-quoter-config": QuoterPart,
    }
    for name, model in models.items():
        model.model_validate_json(pick(case.children, "ConfigMap", name)["data"]["part.json"])


@every_case
def test_what_is_pushed_is_what_is_mounted(case: Case) -> None:
    pushed = documents(case.account, [case.maker], case.settings, REVISIONS)
    for role in (Role.GATEWAY, Role.ORDER_STATE, Role.RISK):
        config_map = pick(case.children, "ConfigMap", f"main-{role.value}-config")
        assert config_map["data"] == {"part.json": pushed[role]}
        assert config_map["metadata"]["annotations"]["perpmaker.io/revision"] == str(
            json.loads(pushed[role])["revision"]
        )
    mounted = pick(case.children, "ConfigMap", "eth-quoter-config")["data"]["part.json"]
    assert quoter_document(case.maker, case.account, case.settings) == mounted


@every_case
def test_the_same_input_gives_the_same_objects(case: Case) -> None:
    assert case.children == copy.deepcopy(case).children


@every_case
def test_every_child_is_applied_after_what_its_pod_needs(case: Case) -> None:
    seen: set[tuple[str, str]] = set()
    for child in case.children:
        name = child["metadata"]["name"]
        if child["kind"] in ("Deployment", "StatefulSet"):
            assert ("ServiceAccount", name) in seen
            assert not case.settings.network_policies.enabled or ("NetworkPolicy", name) in seen
        seen.add((child["kind"], name))


def test_no_two_accounts_share_a_child() -> None:
    one, other = (account_children(account(name=name), [], settings(), REVISIONS) for name in ("main", "second"))
    assert not {(c["kind"], c["metadata"]["name"]) for c in one} & {(c["kind"], c["metadata"]["name"]) for c in other}
