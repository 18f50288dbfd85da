"""The kinds that the fake API server serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as discovery tells it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    has_status: bool = True
    counts_generation: bool = True
    """Whether a change of the spec bumps metadata.generation."""

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


KINDS = (
    Kind("perpmaker.io/v1alpha1", "TradingAccount", "tradingaccounts"),
    Kind("perpmaker.io/v1alpha1", "MarketMaker", "marketmakers"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("v1", "Service", "services", counts_generation=False),
    Kind("v1", "ServiceAccount", "serviceaccounts", has_status=False, counts_generation=False),
    Kind("v1", "ConfigMap", "configmaps", has_status=False, counts_generation=False),
    Kind("v1", "Pod", "pods", counts_generation=False),
    Kind("v1", "Event", "events", has_status=False, counts_generation=False),
    Kind("v1", "Namespace", "namespaces", namespaced=False, counts_generation=False),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", has_status=False),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("cert-manager.io/v1", "Certificate", "certificates"),
    Kind("kopf.dev/v1", "KopfPeering", "kopfpeerings", has_status=False),
    Kind("kopf.dev/v1", "ClusterKopfPeering", "clusterkopfpeerings", namespaced=False, has_status=False),
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
    Kind(
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        namespaced=False,
        has_status=False,
    ),
)
