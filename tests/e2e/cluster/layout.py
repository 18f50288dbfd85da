"""Where everything of one cluster is: addresses, ports and files. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NODE_NAME: Final = "node-0"
INSIDE: Final = Path("/run/e2e")
"""The state folder as the node's processes see it."""
INDEXES: Final = range(16)
"""Clusters with a node that fit on one machine, each with networks of its own."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the control plane."""

    etcd: int = 2379
    etcd_peer: int = 2380
    api: int = 6443


@dataclass(frozen=True, slots=True)
class Layout:
    """One cluster. Without a node the control plane listens on loopback and `index` means nothing."""

    state: Path
    assets: Path
    has_node: bool
    index: int = 0
    ports: Ports = Ports()

    @property
    def link(self) -> str:
        """Name of the host's end of the link to the node, and of the cgroup that holds the pods."""
        return f"pm-e2e-{self.index}"

    @property
    def node_ip(self) -> str:
        """Address of the node, where the API server listens."""
        return f"10.245.{self.index}.2" if self.has_node else "127.0.0.1"

    @property
    def host_ip(self) -> str:
        """Address of the host on the link: the tests' own. NetworkPolicies let it in everywhere."""
        return f"10.245.{self.index}.1"

    @property
    def outside_ip(self) -> str:
        """An address of the host that stands for the internet: public by its number, and reached by the node's default
        route."""
        return f"203.0.113.{self.index + 1}"

    @property
    def pod_net(self) -> str:
        """Addresses of pods."""
        return f"10.244.{self.index}.0/24"

    @property
    def service_net(self) -> str:
        """Addresses of Services."""
        return f"10.112.{self.index * 16}.0/20"

    @property
    def api_service_ip(self) -> str:
        """ClusterIP of `kubernetes.default`, always the first."""
        return f"10.112.{self.index * 16}.1"

    @property
    def dns_ip(self) -> str:
        """ClusterIP of the cluster's DNS."""
        return f"10.112.{self.index * 16}.10"

    @property
    def api_url(self) -> str:
        """Address of the API server, from the host and from the node."""
        return f"https://{self.node_ip}:{self.ports.api}"

    def path(self, *parts: str) -> Path:
        """A file of the cluster as the host sees it."""
        return self.state.joinpath(*parts)

    def seen(self, *parts: str) -> Path:
        """The same file as the cluster's processes see it."""
        return (INSIDE if self.has_node else self.state).joinpath(*parts)

    def kubeconfig(self, who: str) -> Path:
        """Kubeconfig of a user or of a component."""
        return self.path(f"{who}.kubeconfig")
