"""Certificates of the services: who each is to the others, and under which names it is called."""

from __future__ import annotations

from perpmaker.operator import names
from perpmaker.operator.children.objects import Child
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

_DURATION = "2160h0m0s"
_RENEW_BEFORE = "720h0m0s"


def identity(namespace: str, account: str, role: Role) -> str:
    """The URI in a service's certificate by which the others know role and account."""
    return f"spiffe://perpmaker.io/ns/{namespace}/account/{account}/{role.value}"


def certificate(child: Child, settings: OperatorSettings) -> Manifest:
    """A cert-manager Certificate for 90 days, renewed after 60, with a new key each time.

    Raises ValueError when no issuer is set.
    """
    issuer = settings.tls.issuer
    if issuer is None:
        raise ValueError("tls.issuer is needed with tls.mode certManager; name an Issuer or a ClusterIssuer")
    name, namespace = child.name, child.owner.namespace
    return child.manifest(
        kinds.CERTIFICATE,
        {
            "spec": {
                "secretName": names.tls_secret(child.owner.name, child.role),
                "uris": [identity(namespace, child.owner.account, child.role)],
                "dnsNames": [name, f"{name}.{namespace}", names.host(child.owner.name, child.role, namespace)],
                "duration": _DURATION,
                "renewBefore": _RENEW_BEFORE,
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "usages": ["digital signature", "server auth", "client auth"],
                "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
            }
        },
    )
