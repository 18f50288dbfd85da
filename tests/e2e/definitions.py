"""The chart's CustomResourceDefinitions on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.e2e.cluster.cluster import Cluster

CRD_FILES: Final = sorted((Path(__file__).parents[2] / "charts/perpmaker/crds").glob("*.yaml"))


def define(cluster: Cluster) -> Cluster:
    """Install every definition of the chart, or bring it up to date, and wait until it is served."""
    files = [f"--filename={file}" for file in CRD_FILES]
    cluster.kubectl("apply", "--server-side", "--validate=strict", *files)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)
    return cluster
