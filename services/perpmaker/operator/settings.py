"""What the operator is told when it is installed: one file, written by the chart, unknown keys refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from perpmaker.common.config import Part


class TlsMode(StrEnum):
    """How services prove to each other who they are."""

    OFF = "off"
    """Plaintext; refused for accounts on Mainnet."""
    EXISTING_SECRET = "existingSecret"  # noqa: S105 (a mode)
    """Secrets named `<child>-tls` (ca.crt, tls.crt, tls.key) exist already."""
    CERT_MANAGER = "certManager"
    """The operator writes a Certificate for each child; cert-manager fills the Secret `<child>-tls`."""


class IssuerRef(Part):
    """The cert-manager issuer that signs every child's certificate."""

    name: str
    kind: Literal["Issuer", "ClusterIssuer"] = "Issuer"
    group: str = "cert-manager.io"


class TlsSettings(Part):
    """Mutual TLS between the services and the operator."""

    mode: Annotated[TlsMode, Field(strict=False)] = TlsMode.OFF
    issuer: IssuerRef | None = None
    """Needed with mode certManager."""
    certificate_dir: str = "/var/run/perpmaker/tls"
    """Where the operator's own ca.crt, tls.crt and tls.key are mounted."""


class ImageSettings(Part):
    """The one image that every child runs."""

    reference: str
    """`name:tag` or `name@sha256:...`."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


class StoreSettings(Part):
    """The store that is run for an account with redis.mode Managed."""

    credentials_secret: str = "perpmaker-store"  # noqa: S105 (a name)
    """Secret with `users.acl`, `order-state-password` and `risk-password`; made by the chart or by the user."""
    image: str | None = None
    """Image with a `valkey-server` or `redis-server` entry; the operator's default image when absent."""
    persistent: bool = True
    """Keep it on a PersistentVolumeClaim. Without, a new pod starts empty, and risk then halts until it is re-armed."""
    storage_class: str | None = None
    size: str = "1Gi"


class SimulatedSettings(Part):
    """The exchange that is run for an account on network Simulated."""

    seed: int = 1
    markets: tuple[str, ...] = ("BTC", "ETH", "SOL", "HYPE")
    faucet_usdc: int = 100_000


class NetworkPolicySettings(Part):
    """NetworkPolicies of the children: nothing may talk but what has to."""

    enabled: bool = True
    exchange_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    """Where the gateway may open port 443."""
    metrics_from_namespaces: dict[str, str] = Field({})
    """Labels of namespaces whose pods may read metrics; none when empty."""
    dns_namespace: str = "kube-system"
    """Namespace of the cluster's DNS pods."""


class RolloutSettings(Part):
    """How pods are replaced when what they run changed."""

    pause_seconds: float = Field(5.0, ge=0)
    """Pause between the replacement of one market's quoter and the next."""


class OperatorSettings(Part):
    """Everything the operator needs to know about its installation."""

    namespace: str
    """Namespace of the operator's own pod."""
    watch_namespaces: tuple[str, ...]
    """Namespaces whose objects are served; empty for the whole cluster."""
    service_account: str = "perpmaker-operator"
    image: ImageSettings
    tls: TlsSettings = TlsSettings()
    store: StoreSettings = StoreSettings()
    simulated: SimulatedSettings = SimulatedSettings()
    network_policies: NetworkPolicySettings = NetworkPolicySettings()
    rollout: RolloutSettings = RolloutSettings()
    priority_class: str | None = None
    gateway_disruption_budget: bool = False
    """Give gateways a PodDisruptionBudget that allows no eviction: draining their node then waits for a person."""
    resources: dict[str, dict[str, Any]] = Field({})
    """Kubernetes resource requirements by role (gateway, order-state, ...); a role that is absent has the defaults."""
    peering: bool = True
    """Let a second copy of the operator pause instead of working beside this one (needs the KopfPeering kind)."""
    resync_seconds: float = Field(30.0, gt=0)
    """Every object is looked at this often even when nothing happened."""
    summary_seconds: float = Field(30.0, gt=0)
    """Figures in status are written at most this often."""
    health_port: int = 8080
    metrics_port: int = 9090
    log_level: str = "info"
