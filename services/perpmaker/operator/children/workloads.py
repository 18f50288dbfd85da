"""The objects around a pod that all children have alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.common.config import Part
from perpmaker.operator import names
from perpmaker.operator.children import parts
from perpmaker.operator.children.hashes import cold_part
from perpmaker.operator.children.network_policies import network_policy
from perpmaker.operator.children.objects import Child, image_version, in_apply_order, owner_of, role_labels
from perpmaker.operator.children.overrides import overrides_of
from perpmaker.operator.children.pods import (
    Mount,
    Program,
    config_map_mount,
    grpc_probes,
    pod_template,
    secret_mount,
)
from perpmaker.operator.children.tls import certificate
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings, TlsMode

_OLD_REPLICA_SETS: Final = 2

GRACE_S: Final[Mapping[Role, int]] = {Role.QUOTER: 30, Role.ORDER_STATE: 45, Role.RISK: 45, Role.GATEWAY: 60}
"""Time to stop. The gateway's is the longest: it sends the cancels of those that stop before it."""


def child_of(owner: TradingAccount | MarketMaker, role: Role, image: str) -> Child:
    """The identity of one child."""
    return Child(owner_of(owner), role, image_version(image))


def service_account(child: Child) -> Manifest:
    """An identity of its own without rights and without a token."""
    return child.manifest(kinds.SERVICE_ACCOUNT, {"automountServiceAccountToken": False})


def service(child: Child, ports: Mapping[str, int]) -> Manifest:
    """A name for the pod. Its address is told whether or not the pod is ready.

    Ready means tradable. A service that may not trade must still be asked why, told to cancel and given a new
    configuration, so readiness must not take its address away.
    """
    return child.manifest(
        kinds.SERVICE,
        {
            "spec": {
                "type": "ClusterIP",
                "selector": child.selector,
                "publishNotReadyAddresses": True,
                "ports": [
                    {"name": name, "port": number, "protocol": "TCP", "targetPort": name}
                    for name, number in ports.items()
                ],
            }
        },
    )


def deployment(child: Child, template: Mapping[str, Any], *, replicas: int = 1) -> Manifest:
    """At most one pod at any time: the old one is gone before the new one starts."""
    return child.manifest(
        kinds.DEPLOYMENT,
        {
            "spec": {
                "replicas": replicas,
                "revisionHistoryLimit": _OLD_REPLICA_SETS,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": child.selector},
                "template": dict(template),
            }
        },
    )


def grpc_service(
    owner: TradingAccount | MarketMaker,
    role: Role,
    part: Part,
    account: TradingAccount,
    settings: OperatorSettings,
    *,
    mounts: tuple[Mount, ...] = (),
    replicas: int = 1,
    revision: int | None = None,
) -> tuple[Manifest, ...]:
    """Everything that one of our services needs, in apply order. Raises InvalidPodOverrideError."""
    child = child_of(owner, role, settings.image.reference)
    config = names.config_map(owner.metadata.name, role)
    served = {"grpc": names.GRPC_PORT, "metrics": names.METRICS_PORT}
    own_mounts = [config_map_mount("config", config, names.CONFIG_DIR), *mounts]
    objects = [
        service_account(child),
        child.manifest(
            kinds.CONFIG_MAP,
            {"data": {names.PART_FILE: parts.document(part)}},
            name=config,
            annotations={} if revision is None else {names.REVISION: str(revision)},
        ),
        service(child, served),
    ]
    if settings.tls.mode is not TlsMode.OFF:
        secret = names.tls_secret(owner.metadata.name, role)
        own_mounts.append(secret_mount("tls", secret, names.TLS_DIR))
    if settings.tls.mode is TlsMode.CERT_MANAGER:
        objects.append(certificate(child, settings))
    if settings.network_policies.enabled:
        objects.append(network_policy(child, account, settings))
    program = Program(
        image=settings.image.reference,
        args=(role.value, "--config", f"{names.CONFIG_DIR}/{names.PART_FILE}"),
        ports={**served, "health": names.HEALTH_PORT},
        probes=grpc_probes(),
        grace_s=GRACE_S[role],
        mounts=tuple(own_mounts),
        near=None if role is Role.GATEWAY else role_labels(account.metadata.name, Role.GATEWAY),
        cold=cold_part(role, parts.as_json(part)),
    )
    template = pod_template(child, program, settings, overrides_of(owner, role))
    objects.append(deployment(child, template, replicas=replicas))
    return in_apply_order(tuple(objects))
