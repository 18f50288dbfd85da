"""The node's own network, mount and PID namespaces, its link to the host, and the cgroup of its pods.

Everything of the node lives inside: the standard paths are private mounts, the usual ports are free. The host sees one
link and one cgroup folder, and the end of the namespaces' first process is the end of every process in them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final

from tests.e2e.cluster.layout import INDEXES, INSIDE, Layout
from tests.e2e.cluster.processes import ClusterError, Process, children, wait_for

_CGROUPS: Final = Path("/sys/fs/cgroup")

# The first process ignores SIGCHLD, so that the kernel reaps the orphans of the namespace.
_FIRST_PROCESS: Final = f"""set -e
mount --make-rshared /
cd "$1"
mkdir -p var-log/pods kubelet containerd
mount -t tmpfs -o mode=755 tmpfs /run
mkdir {INSIDE} /run/lock
mount --no-canonicalize --bind . {INSIDE}
mount --bind {INSIDE}/var-log /var/log
if [ "$2" = overlay ]; then mount -t tmpfs tmpfs {INSIDE}/containerd; fi
ip link set lo up
touch {INSIDE}/namespaces-ready
trap "" CHLD
exec sleep infinity
"""

_NETWORK: Final = """set -e
ip addr add "$1/30" dev eth0
ip link set eth0 up
ip route add default via "$2"
echo 1 >/proc/sys/net/ipv4/ip_forward
# Without it packets between two pods on the bridge pass neither kube-proxy's rules nor NetworkPolicy.
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi
"""


def run(*words: str, stdin: str | None = None) -> str:
    """Run a program and return what it printed. Raises ClusterError with what it complained of."""
    done = subprocess.run(words, input=stdin, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(words)[:200]}: exit {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout


def enter(first: Process) -> list[str]:
    """Words before a command that make it run inside."""
    return ["nsenter", f"--target={first.pid}", "--mount", "--net", "--pid", "--"]


def free_index(taken: Collection[int]) -> int:
    """An index whose networks nobody on this machine uses. Raises ClusterError when there is none."""
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    for index in INDEXES:
        if index not in taken and Layout(Path(), Path(), has_node=True, index=index).link not in links:
            return index
    raise ClusterError(f"{len(INDEXES)} clusters run on this machine; `python -m tests.e2e.cluster list` names them")


def start(layout: Layout) -> tuple[Process, Process]:
    """Make the namespaces. Returns the process outside that holds them and the first process inside."""
    marker = layout.path("namespaces-ready")
    marker.unlink(missing_ok=True)
    isolation = ["--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation=private"]
    arguments = ["sh", "-c", _FIRST_PROCESS, "sh", str(layout.state), _file_system(layout.state)]
    with layout.path("log", "namespaces.log").open("ab") as log:
        process = subprocess.Popen(
            ["unshare", *isolation, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    holder = Process.of(process.pid)
    wait_for("the node's namespaces (namespaces.log)", lambda: marker.exists() and children(process.pid), 15)
    if holder is None:
        raise ClusterError("the node's namespaces ended at once; see namespaces.log")
    return holder, children(process.pid)[0]


def connect(layout: Layout, first: Process) -> None:
    """Link node and host, route pods and Services to the node, and make the cgroup."""
    link = layout.link
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(first.pid))
    run("ip", "addr", "add", f"{layout.host_ip}/30", "dev", link)
    run("ip", "addr", "add", f"{layout.outside_ip}/32", "dev", link)
    run("ip", "link", "set", link, "up")
    run(*enter(first), "sh", "-c", _NETWORK, "sh", layout.node_ip, layout.host_ip)
    for net in (layout.pod_net, layout.service_net):
        run("ip", "route", "replace", net, "via", layout.node_ip, "dev", link)
    for top in _cgroup_tops():
        folder = top / link
        folder.mkdir(exist_ok=True)
        # Version 1 makes a new set of CPUs empty, in which nothing can run.
        for name in ("cpuset.mems", "cpuset.cpus"):
            if (top / name).exists() and not (folder / name).read_text().strip():
                (folder / name).write_text((top / name).read_text())


def end(layout: Layout, holder: Process | None, first: Process | None) -> None:
    """End every process of the node and remove what the host has of it. Works on whatever part exists."""
    for process in (first, holder):
        if process is not None:
            process.send(signal.SIGKILL)
            wait_for("the node's namespaces to end", partial(_has_ended, process), 30)
    if Path("/sys/class/net", layout.link).exists():
        subprocess.run(["ip", "link", "delete", layout.link], check=False, capture_output=True)
    for top in _cgroup_tops():
        if (top / layout.link).exists():
            wait_for("the pods' cgroups to empty", partial(_remove_cgroup, top / layout.link), 30)


def pod_cgroups(layout: Layout, pod_uid: str) -> list[Path]:
    """Folders of one pod's containers, in the one hierarchy that lists every process."""
    tops = _cgroup_tops()
    top = next((one for one in tops if one.name == "memory"), tops[0])
    spellings = {f"pod{pod_uid}", f"pod{pod_uid.replace('-', '_')}"}
    return [
        Path(folder)
        for folder, _, _ in os.walk(top / layout.link)
        if spellings & set(Path(folder).relative_to(top).parts)
    ]


def processes_in(cgroup: Path) -> list[int]:
    """Processes directly in a cgroup, as the host numbers them."""
    try:
        return [int(line) for line in (cgroup / "cgroup.procs").read_text().split()]
    except FileNotFoundError:
        return []


def remove_tree(folder: Path) -> None:
    """Remove the state folder; what is still in use inside is a fault worth hearing of.

    Two runs may remove what a third one left behind: what is gone already is no fault.
    """

    def judge(_function: object, _path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=judge)


def _has_ended(process: Process) -> bool:
    return not process.is_alive


def _cgroup_tops() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return sorted(path for path in _CGROUPS.iterdir() if path.is_mount())


def _remove_cgroup(folder: Path) -> bool:
    for path, _, _ in os.walk(folder, topdown=False):
        Path(path).rmdir()
    return True


def _file_system(path: Path) -> str:
    """Type of the file system that holds a path: containerd's own overlays cannot lie on an overlay."""
    best, kind = -1, ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount_point = before.split()[4]
        if path.is_relative_to(mount_point) and len(mount_point) >= best:
            best, kind = len(mount_point), after.split()[0]
    return kind
