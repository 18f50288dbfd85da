"""What is particular to each child: key, passwords, certificates, probes, times to stop."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer.testing
import yaml
from tests.support.children import (
    CERT_MANAGER,
    EXTERNAL,
    IMAGE,
    NAMESPACE,
    REAL,
    REVISIONS,
    account,
    maker,
    pick,
    settings,
    templates,
)

from perpmaker.api.store_acl import ORDER_STATE_USER, RISK_USER
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.cli.main import app
from perpmaker.common.service import LIVENESS
from perpmaker.operator.children import account_children, maker_children, quoter_document
from perpmaker.operator.children.objects import owner_of
from perpmaker.operator.interfaces import Manifest

TLS_FILES = {
    "certificate_file": "/var/run/perpmaker/tls/tls.crt",
    "key_file": "/var/run/perpmaker/tls/tls.key",
    "ca_file": "/var/run/perpmaker/tls/ca.crt",
}
ROLES = {"main-gateway": "gateway", "main-order-state": "order-state", "main-risk": "risk", "eth-quoter": "quoter"}


class _Readable(yaml.SafeDumper):
    """Texts of several lines as they are, nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _as_block)


def _children(
    account_changes: dict[str, Any] | None = None, installation: dict[str, Any] | None = None
) -> tuple[Manifest, ...]:
    wanted, chosen = account(account_changes), settings(installation)
    return (
        *account_children(wanted, [maker()], chosen, REVISIONS),
        *maker_children(maker(), wanted, chosen, running=True),
    )


def _part(children: tuple[Manifest, ...], name: str) -> Any:
    return json.loads(pick(children, "ConfigMap", f"{name}-config")["data"]["part.json"])


def _container(children: tuple[Manifest, ...], name: str) -> Any:
    return templates(children)[name]["spec"]["containers"][0]


def _mounted(children: tuple[Manifest, ...], name: str, path: str) -> Any:
    pod = templates(children)[name]["spec"]
    (volume,) = [mount["name"] for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] == path]
    return next((v["secret"] for v in pod["volumes"] if v["name"] == volume), None)


def test_each_service_is_the_one_image_with_its_command_and_its_document() -> None:
    children = _children()
    for name, role in ROLES.items():
        container = _container(children, name)
        assert container["image"] == IMAGE
        assert [*container["command"], *container["args"]] == [
            *("perpmaker", role, "--config", "/etc/perpmaker/part.json"),
        ]


@pytest.mark.parametrize("name", ["main-venue", "main-store"])
def test_the_commands_of_venue_and_store_know_their_options(name: str) -> None:
    _, *words = [*(container := _container(_children(), name))["command"], *container["args"]]
    known = typer.testing.CliRunner().invoke(app, [words[0], "--help"], terminal_width=400).output
    assert words[1:]
    for word in words[1:]:
        assert word.partition("=")[0] in known


def test_a_service_is_found_where_its_document_says() -> None:
    children = _children()
    assert _part(children, "eth-quoter")["gateway_target"] == "main-gateway.trading.svc:50051"
    assert _part(children, "main-gateway")["order_state_target"] == "main-order-state.trading.svc:50051"
    for name in ROLES:
        service = pick(children, "Service", name)["spec"]
        assert service["type"] == "ClusterIP"
        assert service["publishNotReadyAddresses"] is True
        assert {"name": "grpc", "port": 50051, "protocol": "TCP", "targetPort": "grpc"} in service["ports"]
        assert _part(children, name)["endpoint"]["listen"] == "0.0.0.0:50051"


def test_a_service_that_may_not_trade_is_unready_and_never_restarted_for_it() -> None:
    children = _children()
    for name in ROLES:
        container = _container(children, name)
        assert container["readinessProbe"]["grpc"] == {"port": 50052}
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["grpc"] == {"port": 50052, "service": LIVENESS}
        assert _part(children, name)["endpoint"]["health_listen"] == "0.0.0.0:50052"


def test_a_process_that_hangs_is_not_waited_for_like_one_that_drains() -> None:
    children = _children()
    for name in ROLES:
        grace_s = templates(children)[name]["spec"]["terminationGracePeriodSeconds"]
        assert _container(children, name)["livenessProbe"]["terminationGracePeriodSeconds"] == 5 < grace_s


def test_whoever_is_needed_for_the_cancels_of_others_has_longer_to_stop() -> None:
    found = templates(_children())
    grace = {name: template["spec"]["terminationGracePeriodSeconds"] for name, template in found.items()}
    assert grace == {
        "eth-quoter": 30,
        "main-order-state": 45,
        "main-risk": 45,
        "main-gateway": 60,
        "main-store": 60,
        "main-venue": 10,
    }


def test_there_are_never_two_pods_of_a_child() -> None:
    for child in _children():
        if child["kind"] == "Deployment":
            assert child["spec"]["replicas"] == 1
            assert child["spec"]["strategy"] == {"type": "Recreate"}


def test_a_quoter_that_has_to_wait_has_everything_but_a_pod() -> None:
    waiting = maker_children(maker(), account(), settings(), running=False)
    running = maker_children(maker(), account(), settings(), running=True)
    assert pick(waiting, "Deployment", "eth-quoter")["spec"]["replicas"] == 0
    assert [child for child in waiting if child["kind"] != "Deployment"] == [
        child for child in running if child["kind"] != "Deployment"
    ]


def test_a_simulated_account_trades_on_a_venue_of_its_own_with_a_wallet_of_its_own() -> None:
    part = _part(_children(), "main-gateway")
    assert (part["network"], part["api_url"]) == ("Simulated", "http://main-venue.trading.svc:8010")
    assert (part["simulated_seed"], part["address"], part["key_file"]) == ("uid-of-main", None, None)


def test_a_simulated_account_with_an_api_wallet_is_signed_for_with_the_key_in_its_secret() -> None:
    children = _children(REAL | {"spec.network": "Simulated"})
    part = _part(children, "main-gateway")
    assert (part["network"], part["simulated_seed"]) == ("Simulated", None)
    assert (part["address"], part["key_file"]) == (REAL["spec.address"], "/var/run/perpmaker/key/privateKey")
    assert _mounted(children, "main-gateway", "/var/run/perpmaker/key")["secretName"] == "main-api-wallet"
    assert any(child["metadata"]["name"] == "main-venue" for child in children)


def test_a_real_account_has_no_venue_and_a_key_that_its_group_may_read() -> None:
    children = _children(REAL)
    part = _part(children, "main-gateway")
    assert not any(child["metadata"]["name"] == "main-venue" for child in children)
    assert (part["network"], part["api_url"]) == ("Testnet", "https://api.hyperliquid-testnet.xyz")
    assert part["key_file"] == "/var/run/perpmaker/key/privateKey"
    assert part["key_file_group_readable"] is True
    assert part["expected_signer"] == "0x" + "cd" * 20
    assert _mounted(children, "main-gateway", "/var/run/perpmaker/key") == {
        "secretName": "main-api-wallet",
        "defaultMode": 0o440,
        "items": [{"key": "privateKey", "path": "privateKey"}],
    }


@pytest.mark.parametrize(
    ("changes", "secret", "url"),
    [
        ({}, "perpmaker-store", "redis://main-store.trading.svc:6379/0"),
        (EXTERNAL, "redis-users", "rediss://redis.data.svc:6380/2"),
    ],
    ids=["managed", "external"],
)
def test_each_service_signs_in_to_the_store_with_its_own_password_only(
    changes: dict[str, Any], secret: str, url: str
) -> None:
    children = _children(changes)
    for name, user in (("main-order-state", ORDER_STATE_USER), ("main-risk", RISK_USER)):
        part = _part(children, name)
        assert part["redis_url"] == url
        entry = f"{user}-password"
        assert part["redis_credentials"] == {"user": user, "password_file": f"/var/run/perpmaker/store/{entry}"}
        mounted = _mounted(children, name, "/var/run/perpmaker/store")
        assert (mounted["secretName"], mounted["items"]) == (secret, [{"key": entry, "path": entry}])


def test_an_external_store_without_passwords_needs_no_secret() -> None:
    children = _children({"spec.redis": {"mode": "External", "external": {"url": "redis://redis"}}})
    assert _part(children, "main-risk")["redis_credentials"] is None
    assert not any("secret" in volume for t in templates(children).values() for volume in t["spec"]["volumes"])


def test_the_store_sees_its_users_and_no_password() -> None:
    mounted = _mounted(_children(), "main-store", "/var/run/perpmaker/store")
    assert mounted["items"] == [{"key": "users.acl", "path": "users.acl"}]


def test_what_is_known_of_a_real_account_outlives_it_and_of_a_simulated_one_does_not() -> None:
    def deleted(changes: dict[str, Any]) -> Any:
        spec = pick(_children(changes), "StatefulSet", "main-store")["spec"]
        return spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"]

    assert (deleted({}), deleted(REAL)) == ("Delete", "Retain")


def test_a_store_is_kept_where_the_installation_says() -> None:
    spec = pick(_children({}, {"store.storage_class": "fast", "store.size": "5Gi"}), "StatefulSet", "main-store")[
        "spec"
    ]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    temporary = _children({}, {"store.persistent": False})
    assert "volumeClaimTemplates" not in pick(temporary, "StatefulSet", "main-store")["spec"]
    volumes = templates(temporary)["main-store"]["spec"]["volumes"]
    assert {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}} in volumes


def test_a_foreign_store_image_runs_its_own_server_with_our_users_and_every_write_synced() -> None:
    children = _children({}, {"store.image": "valkey/valkey:8.1"})
    container = _container(children, "main-store")
    assert "command" not in container
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert options["--aclfile"] == "/var/run/perpmaker/store/users.acl"
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"
    assert pick(children, "StatefulSet", "main-store")["metadata"]["labels"]["app.kubernetes.io/version"] == "8.1"


@pytest.mark.parametrize("installation", [{"tls.mode": "existingSecret"}, CERT_MANAGER], ids=["secrets", "certManager"])
def test_with_tls_every_service_has_its_certificate(installation: dict[str, Any]) -> None:
    children = _children(REAL, installation)
    for name in ROLES:
        assert _part(children, name)["endpoint"]["tls"] == TLS_FILES
        assert _mounted(children, name, "/var/run/perpmaker/tls") == {"secretName": f"{name}-tls", "defaultMode": 0o440}


def test_without_tls_nothing_of_it_is_there() -> None:
    children = _children()
    assert not any(child["kind"] == "Certificate" for child in children)
    assert _part(children, "eth-quoter")["endpoint"]["tls"] is None


def test_a_certificate_names_role_account_and_address_of_its_service() -> None:
    children = _children(REAL, CERT_MANAGER)
    for name, role in ROLES.items():
        spec = pick(children, "Certificate", name)["spec"]
        assert spec["uris"] == [f"spiffe://perpmaker.io/ns/{NAMESPACE}/account/main/{role}"]
        assert spec["dnsNames"] == [name, f"{name}.{NAMESPACE}", f"{name}.{NAMESPACE}.svc"]
        assert spec["secretName"] == f"{name}-tls"
        assert spec["issuerRef"] == {"name": "perpmaker-ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}
        assert set(spec["usages"]) >= {"server auth", "client auth"}
    assert not any(
        child["kind"] == "Certificate" and child["metadata"]["name"] in ("main-store", "main-venue")
        for child in children
    )


def test_certificates_without_an_issuer_are_asked_for_in_vain() -> None:
    with pytest.raises(ValueError, match=r"tls\.issuer is needed"):
        _children({}, {"tls.mode": "certManager"})


def test_a_budget_protects_the_gateway_alone_and_only_on_request() -> None:
    assert not any(child["kind"] == "PodDisruptionBudget" for child in _children())
    budgets = [c for c in _children({}, {"gateway_disruption_budget": True}) if c["kind"] == "PodDisruptionBudget"]
    assert [(b["metadata"]["name"], b["spec"]["maxUnavailable"]) for b in budgets] == [("main-gateway", 0)]


def test_a_quoter_on_the_way_out_is_told_to_close_its_position_and_no_more() -> None:
    usual = json.loads(quoter_document(maker(), account(), settings()))
    last = json.loads(quoter_document(maker(), account(), settings(), flatten=True))
    assert last == usual | {"mode": "Flatten"}
    assert _part(maker_children(maker(), account(), settings(), running=True, flatten=True), "eth-quoter") == last


@pytest.mark.parametrize("field", ["metadata.uid", "metadata.namespace"])
def test_an_object_that_no_api_server_gave_has_no_children(field: str) -> None:
    for broken in (account({field: None}), maker({field: None})):
        assert isinstance(broken, TradingAccount | MarketMaker)
        with pytest.raises(ValueError, match="has no uid or no namespace"):
            owner_of(broken)


def test_the_quickstart_account_is_as_reviewed() -> None:
    """Set PERPMAKER_UPDATE_GOLDEN=1 to write the file anew, and review what changed in it."""

    golden = Path(__file__).parent / "golden" / "quickstart.yaml"
    text = yaml.dump_all(_children(), Dumper=_Readable, sort_keys=False, width=120)
    if os.environ.get("PERPMAKER_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert list(yaml.safe_load_all(golden.read_text())) == list(yaml.safe_load_all(text))
