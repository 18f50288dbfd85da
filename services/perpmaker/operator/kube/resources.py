"""Every kind that the operator watches or writes, as the API server's paths know it."""

from __future__ import annotations

from typing import Final

from perpmaker.api.v1alpha1 import API_VERSION
from perpmaker.operator.interfaces import Manifest, Ref, Resource

TRADING_ACCOUNT: Final = Resource(API_VERSION, "TradingAccount", "tradingaccounts")
MARKET_MAKER: Final = Resource(API_VERSION, "MarketMaker", "marketmakers")

DEPLOYMENT: Final = Resource("apps/v1", "Deployment", "deployments")
STATEFUL_SET: Final = Resource("apps/v1", "StatefulSet", "statefulsets")
SERVICE: Final = Resource("v1", "Service", "services")
SERVICE_ACCOUNT: Final = Resource("v1", "ServiceAccount", "serviceaccounts")
CONFIG_MAP: Final = Resource("v1", "ConfigMap", "configmaps")
NETWORK_POLICY: Final = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET: Final = Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
CERTIFICATE: Final = Resource("cert-manager.io/v1", "Certificate", "certificates")

POD: Final = Resource("v1", "Pod", "pods")
EVENT: Final = Resource("v1", "Event", "events")
KOPF_PEERING: Final = Resource("kopf.dev/v1", "KopfPeering", "kopfpeerings")
CLUSTER_KOPF_PEERING: Final = Resource("kopf.dev/v1", "ClusterKopfPeering", "clusterkopfpeerings")

OWNERS: Final = (TRADING_ACCOUNT, MARKET_MAKER)
"""The kinds that people write."""
CHILDREN: Final = (
    DEPLOYMENT,
    STATEFUL_SET,
    SERVICE,
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    CERTIFICATE,
)
"""The kinds that the operator writes."""

PEERINGS: Final = (KOPF_PEERING, CLUSTER_KOPF_PEERING)
"""Where copies of the operator see each other: in a namespace, or in the cluster when all of it is watched."""

_KNOWN: Final = (*OWNERS, *CHILDREN, POD, EVENT, *PEERINGS)
_BY_KIND: Final = {(r.api_version, r.kind): r for r in _KNOWN}
_BY_PLURAL: Final = {(r.api_version.rpartition("/")[0], r.plural): r for r in _KNOWN}


def group(resource: Resource) -> str:
    """API group; empty for the core group."""
    name, slash, _version = resource.api_version.partition("/")
    return name if slash else ""


def resource_of(manifest: Manifest) -> Resource:
    """The kind of an object. Raises KeyError for a kind that the operator does not know."""
    return _BY_KIND[manifest["apiVersion"], manifest["kind"]]


def resource_named(api_group: str, plural: str) -> Resource:
    """The kind with a plural name in an API group. Raises KeyError for a kind that the operator does not know."""
    return _BY_PLURAL[api_group, plural]


def ref_of(manifest: Manifest) -> Ref:
    """The identity of an object of a known kind."""
    metadata = manifest["metadata"]
    return Ref(resource_of(manifest), metadata.get("namespace", ""), metadata["name"])
