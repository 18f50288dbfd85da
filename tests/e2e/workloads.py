"""Plain workloads for tests of the cluster itself: our image under restricted Pod Security, without the operator."""

from __future__ import annotations

from typing import Any, Final

from tests.e2e.pod_venue import API_PORT, CONTROL_PORT

IMAGE: Final = "localhost/perpmaker:e2e"
"""Our image as the node knows it."""
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
"""Labels of a namespace in which restricted Pod Security is enforced."""

Json = dict[str, Any]


def venue(namespace: str, name: str = "venue") -> list[Json]:
    """A Deployment of the simulated exchange and its Service."""
    labels = {"app": name}
    command = ["perpmaker", "venue", "--host=0.0.0.0", f"--port={API_PORT}", f"--control-port={CONTROL_PORT}"]
    probe = {"httpGet": {"path": "/healthz", "port": API_PORT}, "periodSeconds": 1}
    container = {
        "name": "venue",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "ports": [{"name": "api", "containerPort": API_PORT}],
        "startupProbe": {**probe, "failureThreshold": 60},
        "readinessProbe": {**probe, "failureThreshold": 3},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"name": "api", "port": API_PORT, "targetPort": "api"}]},
        },
    ]


def policy(namespace: str, name: str, **spec: Any) -> Json:
    """A NetworkPolicy; without anything but `policyTypes` it denies what those name to every pod."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }
