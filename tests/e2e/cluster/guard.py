"""Takes a cluster down when the test run it belongs to has ended without doing so: `guard.py STATE`."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.record import load


def main() -> None:
    """Wait for the owner's end, then take down what is left."""
    state = Path(sys.argv[1])
    found = load(state)
    if found is None or found.owner is None:
        return
    try:
        owner = os.pidfd_open(found.owner.pid)
    except ProcessLookupError:
        owner = None
    # Alive under this number now means it was the owner when the descriptor was opened.
    if owner is not None and found.owner.is_alive:
        select.select([owner], [], [])
    left = load(state)
    if left is not None:
        Cluster(left).down()


if __name__ == "__main__":
    main()
