"""What to read first when a test on the node failed: objects, events and the end of every log of its namespace."""

from __future__ import annotations

import pytest
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.processes import ClusterError

_OVERVIEW = "deployments,statefulsets,pods,services,endpointslices,persistentvolumeclaims,networkpolicies"

FAILED = pytest.StashKey[bool]()
"""Set on the item of a test that failed."""


def has_failed(item: pytest.Item) -> bool:
    """Whether the test has failed so far; for fixtures that tell more in that case."""
    return item.stash.get(FAILED, False)


def of_namespace(cluster: Cluster, namespace: str) -> str:
    """Everything about a namespace as one text; what cannot be had is said in its place."""
    here = f"--namespace={namespace}"
    parts = [
        _asked(cluster, "get", _OVERVIEW, here, "--output=wide"),
        _asked(cluster, "get", "tradingaccounts,marketmakers", here, "--output=yaml", "--ignore-not-found"),
        _asked(cluster, "get", "events", here, "--sort-by=.lastTimestamp"),
        _asked(cluster, "describe", "pods", here),
    ]
    pods = _asked(cluster, "get", "pods", here, "--output=name").split()
    for pod in pods:
        for which in ("--previous=false", "--previous=true"):
            text = _asked(cluster, "logs", pod, here, "--all-containers", "--tail=40", which)
            if "previous terminated container" not in text:
                parts.append(f"--- log of {pod} ({which})\n{text}")
    return "\n".join(parts)


def _asked(cluster: Cluster, *words: str) -> str:
    try:
        return cluster.kubectl("--request-timeout=5s", *words)
    except ClusterError as error:
        return f"{error}\n"
