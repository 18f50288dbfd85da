"""Accounts, makers and installations as the operator meets them, and the variety that every child must stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.support.api import ADDRESS, account_document, changed, maker_document

from perpmaker.api.desired import Revisions
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.operator.children import account_children, maker_children
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.settings import OperatorSettings

NAMESPACE = "trading"
IMAGE = "perpmaker:0.1.0"
REVISIONS = Revisions(gateway=1_700_000_000_001, order_state=1_700_000_000_002, risk=1_700_000_000_003)

REAL = {
    "spec.network": "Testnet",
    "spec.address": ADDRESS,
    "spec.apiWallet": {"secretRef": {"name": "main-api-wallet"}, "expectedAddress": "0x" + "cd" * 20},
}
EXTERNAL = {
    "spec.redis": {
        "mode": "External",
        "external": {"url": "rediss://redis.data.svc:6380/2", "credentialsSecretRef": {"name": "redis-users"}},
    }
}
CERT_MANAGER = {"tls.mode": "certManager", "tls.issuer": {"name": "perpmaker-ca", "kind": "ClusterIssuer"}}
POD: dict[str, Any] = {
    "resources": {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"cpu": 1, "memory": "512Mi"}},
    "nodeSelector": {"topology.kubernetes.io/region": "ap-northeast-1"},
    "tolerations": [{"key": "trading", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "node-type", "operator": "In", "values": ["fast"]}]},
                ]
            }
        }
    },
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "perpmaker-trading",
    "labels": {"team": "desk-1"},
    "annotations": {"sidecar.istio.io/inject": "false"},
}
PODS = {"spec.gateway.pod": POD, "spec.orderState.pod": POD, "spec.riskService.pod": POD}


def account(changes: Mapping[str, Any] | None = None, *, name: str = "main") -> TradingAccount:
    """An account read from an API server; simulated unless changed."""
    identity = {"metadata.namespace": NAMESPACE, "metadata.uid": f"uid-of-{name}"}
    return TradingAccount.model_validate(changed(account_document(name), identity | deepcopy(dict(changes or {}))))


def maker(changes: Mapping[str, Any] | None = None, *, name: str = "eth", symbol: str = "ETH") -> MarketMaker:
    """A maker on account `main`, read from an API server."""
    identity = {"metadata.namespace": NAMESPACE, "metadata.uid": f"uid-of-{name}", "metadata.generation": 3}
    return MarketMaker.model_validate(changed(maker_document(name, symbol), identity | deepcopy(dict(changes or {}))))


def settings(changes: Mapping[str, Any] | None = None) -> OperatorSettings:
    """An installation."""
    document = {"namespace": "perpmaker-system", "watch_namespaces": [NAMESPACE], "image": {"reference": IMAGE}}
    return OperatorSettings.model_validate(changed(document, deepcopy(dict(changes or {}))))


@dataclass(frozen=True)
class Case:
    """One account with one maker in one installation."""

    name: str
    account: TradingAccount
    maker: MarketMaker
    settings: OperatorSettings = field(default_factory=settings)

    @property
    def children(self) -> tuple[Manifest, ...]:
        """Everything that is made for both."""
        return (
            *account_children(self.account, [self.maker], self.settings, REVISIONS),
            *maker_children(self.maker, self.account, self.settings, running=True),
        )


def _cases() -> Iterator[Case]:
    networks = {"simulated": {}, "testnet": REAL, "mainnet": REAL | {"spec.network": "Mainnet"}}
    transports = {"off": {}, "secrets": {"tls.mode": "existingSecret"}, "certManager": CERT_MANAGER}
    stores: dict[str, dict[str, Any]] = {"managed": {}, "external": EXTERNAL}
    for network, network_changes in networks.items():
        for transport, transport_changes in transports.items():
            if (network, transport) == ("mainnet", "off"):
                continue
            for store, store_changes in stores.items():
                changes = network_changes | store_changes
                yield Case(f"{network}-{transport}-{store}", account(changes), maker(), settings(transport_changes))
    yield Case("overrides", account(REAL | PODS), maker({"spec.pod": POD}))
    yield Case(
        "every-setting",
        account(REAL),
        maker(),
        settings(
            {
                "image.pull_policy": "Always",
                "image.pull_secrets": ["registry"],
                "store.image": "valkey/valkey:8.1",
                "store.storage_class": "fast",
                "priority_class": "perpmaker-trading",
                "gateway_disruption_budget": True,
                "network_policies.metrics_from_namespaces": {"monitoring": "true"},
                "network_policies.exchange_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
                "resources": {
                    "quoter": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
                },
            }
        ),
    )
    yield Case("no-claim", account(), maker(), settings({"store.persistent": False, "network_policies.enabled": False}))
    places = {"sentinel": "redis+sentinel://one.example,two.example:1/0", "by-address": "redis://192.0.2.7:7"}
    for name, url in places.items():
        yield Case(name, account({"spec.redis": {"mode": "External", "external": {"url": url}}}), maker())


CASES = tuple(_cases())


def pick(children: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """The one object of a kind and name."""
    (found,) = [child for child in children if (child["kind"], child["metadata"]["name"]) == (kind, name)]
    return found


def templates(children: tuple[Manifest, ...]) -> dict[str, dict[str, Any]]:
    """Pod templates by name of the workload."""
    return {
        child["metadata"]["name"]: child["spec"]["template"]
        for child in children
        if child["kind"] in ("Deployment", "StatefulSet")
    }
