"""Where clusters keep their state, and the end of those that were left behind."""

from __future__ import annotations

import os
from pathlib import Path

from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.processes import ClusterError

STATE_VARIABLE = "PERPMAKER_E2E_STATE"


def folder() -> Path:
    """$PERPMAKER_E2E_STATE, else a folder of the user's cache; one folder inside for each cluster."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache/perpmaker/e2e"


def all_clusters() -> list[Cluster]:
    """Every cluster that left a record."""
    found = []
    for state in sorted(folder().glob("*")):
        try:
            found.append(Cluster.at(state))
        except ClusterError:
            continue
    return found


def sweep() -> list[Path]:
    """Take down the clusters whose test run is no more. Returns where they were."""
    orphans = [cluster for cluster in all_clusters() if cluster.is_orphaned]
    for orphan in orphans:
        orphan.down()
    return [orphan.layout.state for orphan in orphans]
