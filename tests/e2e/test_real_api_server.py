"""The integration tests that a stand-in for the API server also serves, here against a real one: the two must agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.cluster.cluster import Cluster
from tests.support.kube.bench import REAL

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_ROOT = Path(__file__).resolve().parents[2]
_NOTHING_COLLECTED = 5


def _suites() -> list[Path]:
    folder = _ROOT / "tests" / "integration"
    return sorted(
        path.relative_to(_ROOT)
        for path in folder.glob("test_*.py")
        if REAL in (text := path.read_text(encoding="utf-8")) or "support.kube" in text
    )


@pytest.mark.parametrize("suite", _suites(), ids=lambda path: path.stem)
def test_a_suite_passes_on_a_real_api_server(control_cluster: Cluster, suite: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "real or api_server", str(suite)],
        cwd=_ROOT,
        env={**os.environ, REAL: str(control_cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    said = done.stdout[-6000:] + done.stderr[-1000:]
    if done.returncode == _NOTHING_COLLECTED:
        # All of its tests want a server that can be told to misbehave.
        assert "deselected" in done.stdout, said
        return
    assert done.returncode == 0, said
    assert " skipped" not in done.stdout, said
