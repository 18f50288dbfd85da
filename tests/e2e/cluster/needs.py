"""What this machine must have before a cluster can start on it."""

from __future__ import annotations

import os
import shutil
from typing import Final

from tests.e2e.cluster.settings import cni_folder

_CONTROL: Final = {"etcd": "etcd-server"}
_NODE: Final = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
_CNI_PACKAGE: Final = "containernetworking-plugins"

PACKAGES: Final = tuple(sorted({*_CONTROL.values(), *_NODE.values(), _CNI_PACKAGE}))
"""Debian packages of a cluster with a node."""


def lacking(*, has_node: bool) -> str | None:
    """Everything that is missing and how to get it, as one sentence; None when a cluster can start."""
    wanted = {**_CONTROL, **(_NODE if has_node else {})}
    packages = {package for program, package in wanted.items() if shutil.which(program) is None}
    if has_node and cni_folder() is None:
        packages.add(_CNI_PACKAGE)
    problems = []
    if packages:
        problems.append(f"install {' '.join(sorted(packages))} (apt-get install)")
    if has_node and os.geteuid() != 0:
        problems.append("run as root, which a node's namespaces, mounts and cgroups need")
    return "; ".join(problems) or None
