"""Names, labels, annotations and ports that the operator writes: each in this one place."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from perpmaker.api.v1alpha1 import GROUP

MANAGER: Final = "perpmaker-operator"
"""Field manager of children, component of events, value of the managed-by label."""
STATUS_MANAGER: Final = "perpmaker-operator-status"
"""Field manager of status."""
FINALIZER: Final = f"{GROUP}/finalizer"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
ROLE_LABEL: Final = "app.kubernetes.io/component"
ACCOUNT_LABEL: Final = f"{GROUP}/account"
MAKER_LABEL: Final = f"{GROUP}/marketmaker"

CONFIG_HASH: Final = f"{GROUP}/config-hash"
"""Pod template annotation: hash of what only a restart can change."""
APPLIED_HASH: Final = f"{GROUP}/applied-hash"
"""Annotation of every child: hash of the manifest that was applied last."""
REVISION: Final = f"{GROUP}/revision"
"""Annotation of an account service's ConfigMap: revision of the document in it."""
RECONCILE: Final = f"{GROUP}/reconcile"
"""Annotation of a TradingAccount or MarketMaker; `disabled` freezes the operator for it, not trading."""
DISABLED: Final = "disabled"
ACCEPTED: Final = f"{GROUP}/accepted"
"""Annotation of a quoter's ConfigMap: uid, generation and spec of the MarketMaker that was accepted last, as JSON.

The quoter goes on by it while a newer spec is not accepted.
"""
FORCE_DELETE: Final = f"{GROUP}/force-delete"
"""Annotation; the object's uid in it releases the finalizer without a proof that no orders are left."""

GRPC_PORT: Final = 50051
HEALTH_PORT: Final = 50052
METRICS_PORT: Final = 9090
VENUE_PORT: Final = 8010
STORE_PORT: Final = 6379

PART_FILE: Final = "part.json"
CONFIG_DIR: Final = "/etc/perpmaker"
TLS_DIR: Final = "/var/run/perpmaker/tls"
KEY_DIR: Final = "/var/run/perpmaker/key"
STORE_CREDENTIALS_DIR: Final = "/var/run/perpmaker/store"


def is_forced(metadata: Mapping[str, Any]) -> bool:
    """Whether a person has said that the object is to be released without a proof."""
    return bool((metadata.get("annotations") or {}).get(FORCE_DELETE) == metadata["uid"])


class Role(StrEnum):
    """What a child is for."""

    GATEWAY = "gateway"
    ORDER_STATE = "order-state"
    RISK = "risk"
    QUOTER = "quoter"
    STORE = "store"
    VENUE = "venue"


def child(owner: str, role: Role) -> str:
    """Name of the children of one role; `owner` is the MarketMaker for quoters and the TradingAccount otherwise."""
    return f"{owner}-{role.value}"


def config_map(owner: str, role: Role) -> str:
    """Name of the ConfigMap with the part of a child."""
    return f"{child(owner, role)}-config"


def tls_secret(owner: str, role: Role) -> str:
    """Name of the Secret with the certificate of a child."""
    return f"{child(owner, role)}-tls"


def host(owner: str, role: Role, namespace: str) -> str:
    """DNS name under which a child's Service is reached from any namespace."""
    return f"{child(owner, role)}.{namespace}.svc"


def target(owner: str, role: Role, namespace: str) -> str:
    """gRPC address of a child."""
    return f"{host(owner, role, namespace)}:{GRPC_PORT}"
