"""The processes of the cluster by name; the name of a program of Kubernetes is its file's."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Daemon(StrEnum):
    """One process that can be stopped, killed, frozen and started on its own."""

    ETCD = "etcd"
    API_SERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    CONTAINERD = "containerd"
    KUBELET = "kubelet"
    PROXY = "kube-proxy"
    NETWORK_POLICY = "network-policy"


NODE_DAEMONS: Final = frozenset({Daemon.CONTAINERD, Daemon.KUBELET, Daemon.PROXY, Daemon.NETWORK_POLICY})
"""Those that only a cluster with a node has."""
