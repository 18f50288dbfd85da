"""What a test does to one pod that Kubernetes has no verb for: freeze it, cut its network, act from inside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.cluster import node
from tests.e2e.cluster.processes import ClusterError

if TYPE_CHECKING:
    from tests.e2e.cluster.cluster import Cluster

_TABLE: Final = "e2e_cut"

# The kubelet's probes go on: they leave the node by its output hook and come back as replies, so a pod that is cut is
# judged by whether it is alive, not by whether it is reached.
_CUT: Final = """table inet {table} {{
  set pods {{ type ipv4_addr; }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ip saddr @pods drop
    ip daddr @pods drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    ip saddr @pods ct direction original drop
  }}
}}
"""


class PodFaults:
    """Faults of single pods of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def pids(self, namespace: str, pod: str) -> list[int]:
        """Processes of the pod's containers as the host numbers them, the sandbox's own last. Raises ClusterError."""
        uid = self._object(namespace, pod)["metadata"]["uid"]
        found = [pid for cgroup in node.pod_cgroups(self._cluster.layout, uid) for pid in node.processes_in(cgroup)]
        if not found:
            raise ClusterError(f"pod {namespace}/{pod} has no process")
        return sorted(found, key=lambda pid: (_is_sandbox(pid), pid))

    def pause(self, namespace: str, pod: str) -> list[int]:
        """Stop every process of the pod's containers, as a frozen machine would. Returns them, for `resume`."""
        stopped = [pid for pid in self.pids(namespace, pod) if not _is_sandbox(pid)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        return stopped

    def resume(self, stopped: list[int]) -> None:
        """Let the processes go on; those that were killed meanwhile are passed over."""
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue

    def cut(self, namespace: str, pod: str) -> str:
        """Drop all traffic of the pod but the kubelet's probes, also of connections that exist. Returns its address,
        for `heal`."""
        ip = str(self._object(namespace, pod)["status"]["podIP"])
        tables = self._cluster.run("nft", "list", "tables")
        if f"inet {_TABLE}" not in tables:
            self._cluster.run("nft", "-f", "-", stdin=_CUT.format(table=_TABLE))
        self._cluster.run("nft", "add", "element", "inet", _TABLE, "pods", f"{{ {ip} }}")
        return ip

    def heal(self, ip: str) -> None:
        """Let the traffic of a pod's address pass again."""
        self._cluster.run("nft", "delete", "element", "inet", _TABLE, "pods", f"{{ {ip} }}")

    def exec_in_netns(self, namespace: str, pod: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the host with the pod's network, so with its address and under its policies."""
        pid = self.pids(namespace, pod)[0]
        return subprocess.run(
            ["nsenter", f"--target={pid}", "--net", "--", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def _object(self, namespace: str, pod: str) -> dict[str, Any]:
        answer = self._cluster.kubectl("get", "pod", pod, "--namespace", namespace, "--output", "json")
        document: dict[str, Any] = json.loads(answer)
        return document


def _is_sandbox(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").readlink() == Path("/pause")
    except OSError:
        return False
