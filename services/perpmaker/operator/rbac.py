"""The one table of rights that the operator needs, with the reason for each; the chart's Role is compared with it.

Rights on secrets are not in it and must never be.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from perpmaker.api.v1alpha1 import GROUP
from perpmaker.operator.settings import OperatorSettings, TlsMode


class When(StrEnum):
    """With which settings a right is needed."""

    ALWAYS = "always"
    NETWORK_POLICIES = "network_policies"
    CERT_MANAGER = "cert_manager"
    PEERING = "peering"
    CLUSTER_PEERING = "cluster_peering"
    """Peering, and the whole cluster is watched."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Verbs on one kind."""

    group: str
    """API group; empty for the core group."""
    resource: str
    """Plural name, with `/sub` for a subresource."""
    verbs: tuple[str, ...]
    why: str
    when: When = When.ALWAYS


_CHILD: Final = ("get", "list", "watch", "create", "patch", "delete")
_PEERING: Final = ("get", "list", "watch", "patch")
_ALONE: Final = "only one copy of the operator works"

RULES: Final = (
    Rule(GROUP, "tradingaccounts", ("get", "list", "watch", "patch"), "watched; patch adds and removes the finalizer"),
    Rule(GROUP, "marketmakers", ("get", "list", "watch", "patch"), "watched; patch adds and removes the finalizer"),
    Rule(GROUP, "tradingaccounts/status", ("patch",), "status is applied"),
    Rule(GROUP, "marketmakers/status", ("patch",), "status is applied"),
    Rule(GROUP, "tradingaccounts/finalizers", ("update",), "children block their owner's deletion (OpenShift asks)"),
    Rule(GROUP, "marketmakers/finalizers", ("update",), "children block their owner's deletion (OpenShift asks)"),
    Rule("apps", "deployments", _CHILD, "child; applying a new one needs create too"),
    Rule("apps", "statefulsets", _CHILD, "child: the store"),
    Rule("", "services", _CHILD, "child"),
    Rule("", "serviceaccounts", _CHILD, "child"),
    Rule("", "configmaps", _CHILD, "child: the configuration of a service"),
    Rule("policy", "poddisruptionbudgets", _CHILD, "child"),
    Rule("networking.k8s.io", "networkpolicies", _CHILD, "child", When.NETWORK_POLICIES),
    Rule("cert-manager.io", "certificates", _CHILD, "child", When.CERT_MANAGER),
    Rule("", "pods", ("list", "watch"), "why a child does not run: image, crash, no node"),
    Rule("", "events", ("create",), "what happened, for people"),
    Rule("kopf.dev", "kopfpeerings", _PEERING, _ALONE, When.PEERING),
    Rule("kopf.dev", "clusterkopfpeerings", _PEERING, _ALONE, When.CLUSTER_PEERING),
)


def required(settings: OperatorSettings) -> tuple[Rule, ...]:
    """The rights that an installation with these settings needs, in each watched namespace."""
    wanted = {When.ALWAYS}
    if settings.network_policies.enabled:
        wanted.add(When.NETWORK_POLICIES)
    if settings.tls.mode is TlsMode.CERT_MANAGER:
        wanted.add(When.CERT_MANAGER)
    if settings.peering:
        wanted.add(When.PEERING if settings.watch_namespaces else When.CLUSTER_PEERING)
    return tuple(rule for rule in RULES if rule.when in wanted)
