"""The store of an account with redis.mode Managed, and how services sign in to whichever store there is."""

from __future__ import annotations

from typing import Any, Final

from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator import names
from perpmaker.operator.children.network_policies import network_policy
from perpmaker.operator.children.objects import Child
from perpmaker.operator.children.override_models import Overrides
from perpmaker.operator.children.parts import is_simulated, password_entry, store_secret
from perpmaker.operator.children.pods import (
    Mount,
    Program,
    claim_mount,
    empty_mount,
    pod_template,
    secret_mount,
    tcp_probes,
)
from perpmaker.operator.children.workloads import child_of, service, service_account
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

USERS_ENTRY: Final = "users.acl"
CREDENTIALS_VOLUME: Final = "store-credentials"

_DATA_VOLUME: Final = "data"
_DATA_DIR: Final = "/data"
_USERS_FILE: Final = f"{names.STORE_CREDENTIALS_DIR}/{USERS_ENTRY}"
_PORT_NAME: Final = "redis"
_GRACE_S: Final = 60


def credentials_mounts(account: TradingAccount, role: Role, settings: OperatorSettings) -> tuple[Mount, ...]:
    """The password of one service, and not the other's; nothing for a store without passwords."""
    secret = store_secret(account, settings)
    if secret is None:
        return ()
    return (secret_mount(CREDENTIALS_VOLUME, secret, names.STORE_CREDENTIALS_DIR, (password_entry(role),)),)


def store(account: TradingAccount, settings: OperatorSettings) -> tuple[Manifest, ...]:
    """Everything of a managed store, in apply order."""
    child = child_of(account, Role.STORE, settings.store.image or settings.image.reference)
    ports = {_PORT_NAME: names.STORE_PORT}
    policy = (network_policy(child, account, settings),) if settings.network_policies.enabled else ()
    return (
        service_account(child),
        service(child, ports),
        *policy,
        _stateful_set(child, _program(settings, ports), account, settings),
    )


def _program(settings: OperatorSettings, ports: dict[str, int]) -> Program:
    credentials = secret_mount(
        CREDENTIALS_VOLUME, settings.store.credentials_secret, names.STORE_CREDENTIALS_DIR, (USERS_ENTRY,)
    )
    if settings.store.persistent:
        data = claim_mount(_DATA_VOLUME, _DATA_DIR)
    else:
        data = empty_mount(_DATA_VOLUME, _DATA_DIR, settings.store.size)
    foreign = settings.store.image is not None
    return Program(
        image=settings.store.image or settings.image.reference,
        command=() if foreign else ("perpmaker",),
        args=_SERVER_OPTIONS if foreign else ("store", f"--data={_DATA_DIR}", f"--acl-file={_USERS_FILE}"),
        ports=ports,
        probes=tcp_probes(_PORT_NAME),
        grace_s=_GRACE_S,
        mounts=(data, credentials),
    )


_SERVER_OPTIONS: Final = (
    *("--bind", "0.0.0.0"),
    *("--port", str(names.STORE_PORT)),
    *("--dir", _DATA_DIR),
    *("--appendonly", "yes"),
    # Not every server can be asked to wait for the disk, so every write does.
    *("--appendfsync", "always"),
    *("--save", ""),
    *("--maxmemory-policy", "noeviction"),
    *("--aclfile", _USERS_FILE),
)
"""For an image whose entry is the server itself: what `perpmaker store` would ask of it."""


def _stateful_set(child: Child, program: Program, account: TradingAccount, settings: OperatorSettings) -> Manifest:
    spec: dict[str, Any] = {
        "replicas": 1,
        "serviceName": child.name,
        "selector": {"matchLabels": child.selector},
        "template": pod_template(child, program, settings, Overrides()),
    }
    if settings.store.persistent:
        spec["volumeClaimTemplates"] = [_claim(child, settings)]
        # Orders and latch of a real account outlive the object that named them. What is known of a simulated account
        # is worth nothing once its exchange is gone, and would only confuse a namesake.
        when_deleted = "Delete" if is_simulated(account) else "Retain"
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": when_deleted, "whenScaled": "Retain"}
    return child.manifest(kinds.STATEFUL_SET, {"spec": spec})


def _claim(child: Child, settings: OperatorSettings) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.store.size}},
    }
    if settings.store.storage_class is not None:
        spec["storageClassName"] = settings.store.storage_class
    return {"metadata": {"name": _DATA_VOLUME, "labels": child.selector}, "spec": spec}
