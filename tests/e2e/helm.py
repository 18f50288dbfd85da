"""Helm in a process of its own: the SDK brings a Go runtime along, which does not belong into a test's process.

python -m tests.e2e.helm install|upgrade|uninstall --kubeconfig FILE --namespace NAME [--values JSON] [--timeout S]
python -m tests.e2e.helm render --namespace NAME [--values JSON]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

RELEASE: Final = "perpmaker"
_ROOT: Final = Path(__file__).resolve().parents[2]
_CHART: Final = _ROOT / "charts" / "perpmaker"


def run(verb: str, kubeconfig: Path, namespace: str, values: dict[str, Any] | None = None, timeout_s: int = 120) -> str:
    """Install, upgrade or uninstall the chart as release `perpmaker`; returns its notes. Fails with Helm's words."""
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.e2e.helm", verb),
            *("--kubeconfig", str(kubeconfig)),
            *("--namespace", namespace),
            *("--values", json.dumps(values or {})),
            *("--timeout", str(timeout_s)),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s + 30,
        check=False,
    )
    assert done.returncode == 0, f"helm {verb}: {done.stderr.strip()[-1500:]}"
    return done.stdout


def rendered(namespace: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Every object that an installation of the chart makes. Fails with Helm's words."""
    words = ("-m", "tests.e2e.helm", "render", "--namespace", namespace, "--values", json.dumps(values or {}))
    done = subprocess.run([sys.executable, *words], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"helm render: {done.stderr.strip()[-1500:]}"
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def main() -> None:
    """One verb."""
    from helm_python import Chart, Config

    parser = argparse.ArgumentParser(prog="python -m tests.e2e.helm", description=__doc__)
    parser.add_argument("verb", choices=("install", "upgrade", "uninstall", "render"))
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--values", type=json.loads, default={})
    parser.add_argument("--timeout", type=int, default=120)
    given = parser.parse_args()
    if given.verb == "render":
        texts = Chart.load(_CHART).render(given.values, name=RELEASE, namespace=given.namespace, is_install=True)
        sys.stdout.write("\n---\n".join(text for name, text in texts.items() if name.endswith(".yaml")))
        return
    config = Config(kubeconfig_path=given.kubeconfig, namespace=given.namespace)
    try:
        match given.verb:
            case "install":
                done = config.install(_CHART, RELEASE, given.values, namespace=given.namespace, timeout=given.timeout)
            case "upgrade":
                done = config.upgrade(_CHART, RELEASE, given.values, namespace=given.namespace, timeout=given.timeout)
            case _:
                done = config.uninstall(RELEASE, timeout=given.timeout)
    finally:
        config.close()
    sys.stdout.write(str(done.get("notes") or "") if isinstance(done, dict) else str(done))


if __name__ == "__main__":
    main()
