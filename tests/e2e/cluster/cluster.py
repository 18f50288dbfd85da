"""Starting, disturbing and ending one cluster."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from tests.e2e.cluster import certificates, images, needs, node, settings
from tests.e2e.cluster.daemons import command
from tests.e2e.cluster.layout import NODE_NAME, Layout, Ports
from tests.e2e.cluster.names import NODE_DAEMONS, Daemon
from tests.e2e.cluster.pods import PodFaults
from tests.e2e.cluster.processes import ClusterError, Process, children, wait_for
from tests.e2e.cluster.record import Record, Running, load

ROOT: Final = Path(__file__).parents[3]
_MANIFESTS: Final = Path(__file__).parent / "manifests"
_UP_S: Final = 120.0
_STOP_S: Final = 90.0

Say = Callable[[str], None]


class Cluster:
    """One cluster, of this process or of an earlier one. Every verb raises ClusterError when it has no effect."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.faults = PodFaults(self)

    @classmethod
    def at(cls, state: Path) -> Self:
        """The cluster whose state is in the folder. Raises ClusterError when there is none."""
        record = load(state)
        if record is None:
            raise ClusterError(f"no cluster in {state}: start one with `python -m tests.e2e.cluster up`")
        return cls(record)

    @classmethod
    def create(
        cls,
        state: Path,
        assets: Path,
        *,
        has_node: bool,
        archives: Sequence[Path] = (),
        owned: bool = False,
        say: Say = lambda _: None,
    ) -> Self:
        """Start a cluster and return when it is ready. What lies in the state folder is taken down first.

        `owned` ties it to this process: it is taken down when this process ends, however it ends.
        """
        lack = needs.lacking(has_node=has_node)
        if lack is not None:
            raise ClusterError(f"a cluster cannot start here: {lack}")
        earlier = load(state)
        if earlier is not None:
            cls(earlier).down()
        state.mkdir(parents=True, exist_ok=True)
        ports = Ports() if has_node else Ports(*_free_ports(3))
        index = node.free_index(_indexes_beside(state)) if has_node else 0
        layout = Layout(state.resolve(), assets.resolve(), has_node=has_node, index=index, ports=ports)
        cluster = cls(Record(layout, owner=Process.of(os.getpid()) if owned else None))
        layout.path("log").mkdir(exist_ok=True)
        cluster._record.save()
        try:
            if owned:
                cluster._start_guard()
            cluster._bring_up(archives, say)
        except BaseException as error:
            if not isinstance(error, ClusterError):
                cluster.down()
                raise
            report = cluster.log_tails()
            cluster.down()
            raise ClusterError(f"{error}\n{report}") from error
        return cluster

    # What a test reads.

    @property
    def layout(self) -> Layout:
        """Addresses and files."""
        return self._record.layout

    @property
    def kubeconfig(self) -> Path:
        """Credentials that may do everything."""
        return self.layout.kubeconfig(settings.ADMIN)

    @property
    def stranger_kubeconfig(self) -> Path:
        """Credentials that may do nothing until a test binds a Role to the user `stranger`."""
        return self.layout.kubeconfig(settings.STRANGER)

    @property
    def is_orphaned(self) -> bool:
        """Belongs to a test run that is no more."""
        return self._record.is_orphaned

    @property
    def is_running(self) -> bool:
        """Some process of it lives."""
        return any(running.process.is_alive for running in self._record.daemons.values())

    def processes(self) -> dict[Daemon, Process | None]:
        """Each daemon that was started, None for one that has ended."""
        return {
            name: running.process if running.process.is_alive else None
            for name, running in self._record.daemons.items()
        }

    def audit(self) -> list[dict[str, Any]]:
        """Requests to the API server so far, by anyone but the cluster itself."""
        path = self.layout.path("log", "audit.jsonl")
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def log_tails(self, lines: int = 15) -> str:
        """The end of every daemon's log."""
        tails = []
        for path in sorted(self.layout.path("log").glob("*.log")):
            tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            tails.append(f"--- {path.name}\n" + "\n".join(line[:400] for line in tail))
        return "\n".join(tails)

    # What a test does.

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return what it printed."""
        return node.run(str(self.layout.assets / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words, stdin=stdin)

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run a command inside the node and return what it printed."""
        return node.run(*self.entered(words), stdin=stdin)

    def entered(self, words: Sequence[str]) -> list[str]:
        """The command line that runs a command inside the node."""
        if self._record.first is None:
            return list(words)
        return [*node.enter(self._record.first), *words]

    def load(self, archives: Sequence[Path]) -> None:
        """Make images known to the node."""
        for archive in archives:
            with archive.open("rb") as file:
                words = self.entered(["ctr", "--namespace", "k8s.io", "images", "import", "-"])
                done = subprocess.run(words, stdin=file, check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise ClusterError(f"{archive} cannot be loaded: {done.stderr[-1000:]}")

    def start(self, daemon: Daemon | str) -> None:
        """Start a daemon that is not running. For the API server this returns when it is ready again."""
        name = self._known(daemon)
        running = self._record.daemons.get(name)
        if running is None or not running.process.is_alive:
            self._spawn(name)
        if name is Daemon.API_SERVER:
            self._wait_for_api()

    def stop(self, daemon: Daemon | str) -> None:
        """Tell a daemon to end and wait until it has; the API server drains for up to a minute."""
        self._signal(daemon, signal.SIGTERM)

    def kill(self, daemon: Daemon | str) -> None:
        """End a daemon at once."""
        self._signal(daemon, signal.SIGKILL)

    def pause(self, daemon: Daemon | str) -> None:
        """Stop a daemon in its tracks: connections stay open and nobody answers."""
        self._signal(daemon, signal.SIGSTOP)

    def resume(self, daemon: Daemon | str) -> None:
        """Let a stopped daemon go on."""
        self._signal(daemon, signal.SIGCONT)

    def down(self) -> None:
        """End everything and remove every trace: processes, link, cgroup, state. Works on whatever part exists."""
        record = self._record
        if record.guard is not None and record.guard.pid != os.getpid():
            record.guard.send(signal.SIGKILL)
        for running in record.daemons.values():
            running.process.send(signal.SIGKILL)
            if running.parent is not None:
                running.parent.send(signal.SIGCONT)
        if self.layout.has_node:
            node.end(self.layout, record.holder, record.first)
        for name, running in record.daemons.items():
            wait_for(f"{name} to end", partial(_has_ended, running), 15)
            if running.parent is not None:
                running.parent.send(signal.SIGKILL)
        if self.layout.state.exists():
            node.remove_tree(self.layout.state)

    # How it comes up.

    def _bring_up(self, archives: Sequence[Path], say: Say) -> None:
        began = time.monotonic()

        def reached(what: str) -> None:
            say(f"{time.monotonic() - began:5.1f} s  {what}")

        self._configure()
        if self.layout.has_node:
            self._make_node()
            self.start(Daemon.CONTAINERD)
            reached("node's namespaces")
        self._spawn(Daemon.ETCD)
        self._spawn(Daemon.API_SERVER)
        if self.layout.has_node:
            wait_for("containerd", self._has_containerd, _UP_S)
            self.load([images.pause(self.layout), images.coredns(self.layout), *archives])
            reached("images loaded")
        self._wait_for_api()
        reached("API server ready")
        self._spawn(Daemon.CONTROLLER_MANAGER)
        self._spawn(Daemon.SCHEDULER)
        wait_for("the default service account", self._has_default_account, _UP_S)
        if self.layout.has_node:
            self._bring_node_up(reached)
        ended = [str(name) for name, process in self.processes().items() if process is None]
        if ended:
            raise ClusterError(f"ended while the cluster came up: {', '.join(ended)}")
        reached("up")

    def _bring_node_up(self, reached: Say) -> None:
        for daemon in (Daemon.KUBELET, Daemon.PROXY, Daemon.NETWORK_POLICY):
            self._spawn(daemon)
        manifest = (_MANIFESTS / "dns.yaml").read_text(encoding="utf-8").replace("@DNS@", self.layout.dns_ip)
        self.kubectl("apply", "--server-side", "--filename=-", stdin=manifest)
        wait_for("the node object", lambda: self._asked("get", "node", NODE_NAME, "--output=name"), _UP_S)
        self.kubectl("wait", "node", NODE_NAME, "--for=condition=Ready", f"--timeout={_UP_S:.0f}s")
        reached("node ready")
        self.kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", f"--timeout={_UP_S:.0f}s")
        reached("cluster DNS ready")

    def _make_node(self) -> None:
        self._record.holder, self._record.first = node.start(self.layout)
        self._record.save()
        node.connect(self.layout, self._record.first)

    def _configure(self) -> None:
        layout = self.layout
        certificates.issue_all(layout)
        tokens = {settings.ADMIN: "system:masters", settings.POLICY_AGENT: "system:masters", settings.STRANGER: ""}
        lines = []
        for user, group in tokens.items():
            token = secrets.token_hex(16)
            lines.append(f'{token},{user},{user},"{group}"\n')
            # These are read by whoever runs the tests, so they name files as the host sees them; the policy agent's
            # certificate is named on its command line.
            document = settings.kubeconfig(layout, user, layout.path("pki", "ca.crt"), {"token": token})
            self._write(f"{user}.kubeconfig", document)
        self._write("pki/tokens.csv", "".join(lines))
        for who in ("controller-manager", "scheduler", "kubelet", "proxy"):
            user_files = {
                "client-certificate": str(layout.seen("pki", f"{who}.crt")),
                "client-key": str(layout.seen("pki", f"{who}.key")),
            }
            self._write(f"{who}.kubeconfig", settings.kubeconfig(layout, who, layout.seen("pki", "ca.crt"), user_files))
        self._write("audit.json", settings.audit_policy())
        cni = settings.cni_folder()
        if layout.has_node and cni is not None:
            # No resolver beyond the cluster's own.
            self._write("resolv.conf", "")
            self._write("containerd.toml", settings.containerd(cni))
            self._write("cni/10-bridge.conflist", settings.cni_network(layout))
            self._write("kubelet.json", settings.kubelet(layout))
            self._write("proxy.json", settings.proxy(layout))

    def _write(self, name: str, content: str | dict[str, Any]) -> None:
        path = self.layout.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)

    def _start_guard(self) -> None:
        """A process of its own that takes the cluster down when this one is killed."""
        with self.layout.path("log", "guard.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.cluster.guard", str(self.layout.state)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
            )
        self._record.guard = Process.of(process.pid)
        self._record.save()

    def _spawn(self, daemon: Daemon) -> None:
        words = self.entered(command(daemon, self.layout))
        with self.layout.path("log", f"{daemon}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
                # Inside the node the working directory is the root.
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        started = Process.of(process.pid)
        if started is None:
            raise ClusterError(f"{daemon} ended at once; see {daemon}.log")
        running = Running(started)
        if self.layout.has_node:
            # What enters the PID namespace forks; the daemon is its child.
            wait_for(f"{daemon} to start (see {daemon}.log)", lambda: children(process.pid), 15)
            running = Running(children(process.pid)[0], parent=started)
        self._record.daemons[daemon] = running
        self._record.save()

    def _signal(self, daemon: Daemon | str, number: signal.Signals) -> None:
        name = self._known(daemon)
        running = self._record.daemons.get(name)
        if running is None or not running.process.is_alive:
            raise ClusterError(f"{name} is not running")
        running.process.send(number)
        if running.parent is not None and number is not signal.SIGSTOP:
            # It stops itself together with the daemon, and would not notice its end.
            running.parent.send(signal.SIGCONT)
        if number in {signal.SIGTERM, signal.SIGKILL}:
            wait_for(f"{name} to end", partial(_has_ended, running), _STOP_S)

    def _known(self, daemon: Daemon | str) -> Daemon:
        try:
            name = Daemon(daemon)
        except ValueError as error:
            raise ClusterError(f"no daemon {daemon!r}; there are {', '.join(Daemon)}") from error
        if name in NODE_DAEMONS and not self.layout.has_node:
            raise ClusterError(f"this cluster has no node, so no {name}")
        return name

    def _wait_for_api(self) -> None:
        wait_for("the API server (see kube-apiserver.log)", self._is_api_ready, _UP_S)

    def _is_api_ready(self) -> bool:
        return self._asked("get", "--raw", "/readyz") == "ok"

    def _has_default_account(self) -> bool:
        return bool(self._asked("get", "serviceaccount", "default", "--namespace=default", "--output=name"))

    def _has_containerd(self) -> bool:
        try:
            return bool(self.run("ctr", "version"))
        except ClusterError:
            return False

    def _asked(self, *words: str) -> str:
        try:
            return self.kubectl("--request-timeout=5s", *words)
        except ClusterError:
            return ""


def _has_ended(running: Running) -> bool:
    return not running.process.is_alive


def _indexes_beside(state: Path) -> set[int]:
    """Indexes of clusters that may still be about to make their link."""
    records = (load(one) for one in state.parent.glob("*") if one.is_dir())
    return {record.layout.index for record in records if record is not None and record.layout.has_node}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
