"""The one pod every child is: unprivileged, without a token, with a read-only root, and told only what it needs.

What a trader or the installation may choose (resources, placement, labels) is merged in; the hardening is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perpmaker.operator import names
from perpmaker.operator.children.hashes import config_hash
from perpmaker.operator.children.objects import Child
from perpmaker.operator.children.override_models import Overrides, as_manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

USER_ID: Final = 65532
OWNER_AND_GROUP_MAY_READ: Final = 0o440

HUNG_GRACE_S: Final = 5
"""Time to stop for a process whose loop does not turn: it will not drain, so waiting only keeps its successor away."""

_TMP_SIZE: Final = "64Mi"

DEFAULT_RESOURCES: Final[Mapping[Role, Mapping[str, Mapping[str, str]]]] = {
    Role.GATEWAY: {"requests": {"cpu": "200m", "memory": "192Mi"}, "limits": {"memory": "192Mi"}},
    Role.ORDER_STATE: {"requests": {"cpu": "200m", "memory": "192Mi"}, "limits": {"memory": "192Mi"}},
    Role.RISK: {"requests": {"cpu": "100m", "memory": "160Mi"}, "limits": {"memory": "160Mi"}},
    Role.QUOTER: {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
    Role.STORE: {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    Role.VENUE: {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
}
"""About twice the measured RSS (a quoter 67 MB, an account's three services 226 MB together).

Memory is reserved in full, so that no neighbour's appetite ends a trading process. The CPU has no limit: throttling
would stop a process for tens of milliseconds in the middle of a requote, and idle time belongs to whoever needs it.
"""


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume and where the container sees it."""

    volume: Mapping[str, Any]
    path: str
    read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a pod runs, apart from what all pods have in common."""

    image: str
    args: tuple[str, ...]
    ports: Mapping[str, int]
    """Number by name."""
    probes: Mapping[str, Any]
    grace_s: int
    """Time from SIGTERM to SIGKILL."""
    command: tuple[str, ...] = ("perpmaker",)
    """Empty leaves the image's own."""
    mounts: tuple[Mount, ...] = ()
    near: Mapping[str, str] | None = None
    """Labels of the pod whose neighbourhood is preferred."""
    cold: Mapping[str, Any] = field(default_factory=dict)
    """What it reads at start and no restart can be spared for."""


def config_map_mount(volume: str, name: str, path: str) -> Mount:
    """A whole ConfigMap as a directory: what changes in it is seen without a new pod, which a subPath would prevent."""
    return Mount({"name": volume, "configMap": {"name": name}}, path)


def secret_mount(volume: str, name: str, path: str, entries: tuple[str, ...] = ()) -> Mount:
    """A Secret as a directory, or only some entries of it; readable by the pod's group and nobody else."""
    source: dict[str, Any] = {"secretName": name, "defaultMode": OWNER_AND_GROUP_MAY_READ}
    if entries:
        source["items"] = [{"key": entry, "path": entry} for entry in entries]
    return Mount({"name": volume, "secret": source}, path)


def empty_mount(volume: str, path: str, size: str) -> Mount:
    """A writable directory that lives as long as the pod."""
    return Mount({"name": volume, "emptyDir": {"sizeLimit": size}}, path, read_only=False)


def claim_mount(volume: str, path: str) -> Mount:
    """A directory on the claim that a StatefulSet makes from its template of the same name."""
    return Mount({"name": volume}, path, read_only=False)


def pod_template(child: Child, program: Program, settings: OperatorSettings, overrides: Overrides) -> dict[str, Any]:
    """The template of Deployment and StatefulSet, its config-hash included."""
    template: dict[str, Any] = {
        "metadata": {
            "labels": {**(overrides.labels or {}), **child.labels},
            "annotations": dict(overrides.annotations or {}),
        },
        "spec": _spec(child, program, settings, overrides),
    }
    template["metadata"]["annotations"][names.CONFIG_HASH] = config_hash(template, program.cold)
    return template


def _spec(child: Child, program: Program, settings: OperatorSettings, overrides: Overrides) -> dict[str, Any]:
    mounts = (*program.mounts, empty_mount("tmp", "/tmp", _TMP_SIZE))  # noqa: S108 (inside the pod)
    spec: dict[str, Any] = {
        "serviceAccountName": child.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": program.grace_s,
        # A lost answer must not hold a connection up for the usual 5 s. And a process that ends waits for its lookups,
        # two for each search domain: 40 s where the way to DNS was closed together with the pod.
        "dnsConfig": {"options": [{"name": "timeout", "value": "1"}]},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(child.role, program, settings, overrides, mounts)],
        # A claim becomes a volume of each pod only when the StatefulSet makes it.
        "volumes": [dict(mount.volume) for mount in mounts if len(mount.volume) > 1],
    }
    if child.role is not Role.GATEWAY:
        # The first process of a namespace misses a SIGTERM that comes before it handles it, and would work until it is
        # killed; in a namespace of the pod the sandbox is the first. The gateway's key stays out of the reach of
        # containers that others inject.
        spec["shareProcessNamespace"] = True
    if settings.image.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.image.pull_secrets]
    priority = overrides.priority_class_name or settings.priority_class
    if priority:
        spec["priorityClassName"] = priority
    if program.near is not None:
        spec["affinity"] = _near(program.near)
    chosen = as_manifest(overrides)
    for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        if chosen.get(name):
            spec[name] = chosen[name]
    return spec


def _container(
    role: Role, program: Program, settings: OperatorSettings, overrides: Overrides, mounts: tuple[Mount, ...]
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": role.value,
        "image": program.image,
        "imagePullPolicy": settings.image.pull_policy,
        # Its last words are in its log, and from there they come into a condition.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "args": list(program.args),
        "ports": [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in program.ports.items()],
        "resources": _resources(role, settings, overrides),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [_volume_mount(mount) for mount in mounts],
        **program.probes,
    }
    if program.command:
        container["command"] = list(program.command)
    return container


def _volume_mount(mount: Mount) -> dict[str, Any]:
    described: dict[str, Any] = {"name": mount.volume["name"], "mountPath": mount.path}
    # The API server drops a false here, so that writing it would look like drift for ever.
    return described | {"readOnly": True} if mount.read_only else described


def _resources(role: Role, settings: OperatorSettings, overrides: Overrides) -> dict[str, Any]:
    """The trader's, else the installation's, else the defaults: as a whole, so that no request exceeds a limit."""
    if overrides.resources is not None:
        return as_manifest(overrides.resources)
    chosen = settings.resources.get(role.value)
    return dict(chosen if chosen is not None else DEFAULT_RESOURCES[role])


def _near(labels: Mapping[str, str]) -> dict[str, Any]:
    """Prefer the zone, and in it the node, of another pod: each hop of a quote costs that distance."""
    return {
        "podAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": weight,
                    "podAffinityTerm": {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": topology},
                }
                for topology, weight in (("topology.kubernetes.io/zone", 100), ("kubernetes.io/hostname", 50))
            ]
        }
    }


def grpc_probes() -> dict[str, Any]:
    """Probes of a service, all on the plaintext health port.

    Starting and living mean that the event loop turns; only readiness means tradable. An exchange that is away for an
    hour must leave a service unready, not restarted: a restart would add a cold start to the outage.
    """
    alive = {"port": names.HEALTH_PORT, "service": "liveness"}
    return {
        "startupProbe": {"grpc": dict(alive), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {
            "grpc": dict(alive),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
            "terminationGracePeriodSeconds": HUNG_GRACE_S,
        },
        "readinessProbe": {
            "grpc": {"port": names.HEALTH_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
    }


def tcp_probes(port: str) -> dict[str, Any]:
    """Probes of a program that has no health service: it accepts connections."""
    open_port = {"port": port}
    return {
        "startupProbe": {"tcpSocket": dict(open_port), "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"tcpSocket": dict(open_port), "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"tcpSocket": dict(open_port), "periodSeconds": 2, "timeoutSeconds": 2},
    }
