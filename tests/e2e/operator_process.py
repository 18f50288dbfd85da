"""The operator as a process of this machine, with the settings and just the rights that the chart gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.e2e import helm
from tests.e2e.api import Api, Json
from tests.e2e.cluster.cluster import ROOT, Cluster
from tests.support.waiting import until

OPERATOR: Final = "perpmaker-operator"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Release:
    """What the chart makes for the operator, without the pod that would run it."""

    def __init__(self, namespace: str, **values: Any) -> None:
        """Render for a namespace; `watchNamespaces` among the values names others to serve."""
        self.namespace = namespace
        self.documents = [
            item
            for item in helm.rendered(namespace, values)
            if "helm.sh/hook" not in (item["metadata"].get("annotations") or {})
        ]

    def role(self, namespace: str) -> Json:
        """The operator's Role in a namespace that it serves."""
        return next(
            item
            for item in self.documents
            if item["kind"] == "Role"
            and item["metadata"]["name"] == OPERATOR
            and item["metadata"]["namespace"] == namespace
        )

    @property
    def settings(self) -> dict[str, Any]:
        """operator.json as the chart writes it."""
        config = next(
            item
            for item in self.documents
            if item["kind"] == "ConfigMap" and "operator.json" in (item.get("data") or {})
        )
        found: dict[str, Any] = json.loads(config["data"]["operator.json"])
        return found

    async def install(self, api: Api) -> None:
        """Apply the rights and what belongs to them."""
        kinds = ("ServiceAccount", "Role", "RoleBinding", "KopfPeering")
        await api.apply(*(item for item in self.documents if item["kind"] in kinds))

    async def kubeconfig(self, api: Api, cluster: Cluster, path: Path, port: int | None = None) -> Path:
        """Credentials of the operator's service account; `port` leads there by another way."""
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        where = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{OPERATOR}/token"
        token = (await api.request("POST", where, asked))["status"]["token"]
        document = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
        document["users"][0]["user"] = {"token": token}
        if port is not None:
            document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        return _written(path, document)

    @property
    def user(self) -> str:
        """The operator as the API server's audit log names it."""
        return f"system:serviceaccount:{self.namespace}:{OPERATOR}"


def _written(path: Path, document: Json) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def api_port(cluster: Cluster) -> int:
    """Port of the API server."""
    port = urlsplit(cluster.layout.api_url).port
    assert port is not None
    return port


class OperatorProcess:
    """`perpmaker operator run` under way."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """Everything it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, line by line; fails for words that went past its log."""
        return [json.loads(line) for line in self.log.splitlines() if line]

    @property
    def rss_mb(self) -> float:
        """Memory it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * _PAGE / 1e6

    @property
    def cpu_s(self) -> float:
        """Processor time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def said(self, event: str, within_s: float = 30.0) -> dict[str, Any]:
        """The line of its log, once it is there."""

        async def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if line.get("event") == event), None)

        return await until(f"the operator says {event}", found, within_s=within_s)

    async def ended(self, within_s: float = 30.0) -> int:
        """Its exit code, once it has ended by itself."""

        async def code() -> str | None:
            found = self.process.poll()
            return None if found is None else str(found)

        return int(await until("the operator ends", code, within_s=within_s))

    def stop(self) -> float:
        """SIGTERM; seconds until it had ended."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)
        return time.monotonic() - began


@contextmanager
def operator_process(
    settings: dict[str, Any], kubeconfig: Path, folder: Path, name: str = "operator"
) -> Iterator[OperatorProcess]:
    """Run an operator with these settings until the block ends."""
    config, log = folder / f"{name}.json", folder / f"{name}.log"
    config.write_text(json.dumps({**settings, "health_port": 0, "metrics_port": 0}), encoding="utf-8")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "perpmaker.cli", "operator", "run", "--config", str(config)],
            cwd=ROOT,
            env={"PATH": "", "HOME": str(folder), "PYTHONPATH": "services", "KUBECONFIG": str(kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    running = OperatorProcess(process, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
