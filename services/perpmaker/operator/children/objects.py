"""What every child has in common: owner, name, labels, and a mark of what was applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from perpmaker.api.v1alpha1 import API_VERSION, MarketMaker, TradingAccount
from perpmaker.operator import names
from perpmaker.operator.children.hashes import applied_hash
from perpmaker.operator.interfaces import Manifest, Resource
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role

APP: Final = "perpmaker"
NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
PART_OF_LABEL: Final = "app.kubernetes.io/part-of"
VERSION_LABEL: Final = "app.kubernetes.io/version"

_MAX_LABEL: Final = 63

_APPLY_ORDER: Final = tuple(
    kind.kind
    for kind in (
        kinds.SERVICE_ACCOUNT,
        kinds.CONFIG_MAP,
        kinds.CERTIFICATE,
        kinds.SERVICE,
        kinds.NETWORK_POLICY,
        kinds.POD_DISRUPTION_BUDGET,
        kinds.STATEFUL_SET,
        kinds.DEPLOYMENT,
    )
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The trader's object that children belong to."""

    kind: str
    name: str
    namespace: str
    uid: str
    account: str
    """Name of the TradingAccount that it is or trades on."""

    @property
    def reference(self) -> dict[str, Any]:
        """The ownerReference: the garbage collector removes children after their owner, never before."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def owner_of(owner: TradingAccount | MarketMaker) -> Owner:
    """The owner's identity. Raises ValueError for an object that was not read from an API server."""
    meta = owner.metadata
    if not meta.uid or not meta.namespace:
        raise ValueError(
            f"{owner.kind} {meta.name} has no uid or no namespace; only an API server's object has children"
        )
    account = owner.spec.account_ref.name if isinstance(owner, MarketMaker) else meta.name
    return Owner(owner.kind, meta.name, meta.namespace, meta.uid, account)


def image_version(reference: str) -> str:
    """What an image reference says of its version, as a label value: the tag, else the digest, else `latest`."""
    name, _, digest = reference.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    text = tag or digest.replace(":", "-") or "latest"
    return text[:_MAX_LABEL].strip("-_.")


def role_labels(account: str, role: Role) -> dict[str, str]:
    """Labels by which pods of one role of an account are told from all others, whoever owns them."""
    return {NAME_LABEL: APP, names.ROLE_LABEL: role.value, names.ACCOUNT_LABEL: account}


@dataclass(frozen=True, slots=True)
class Child:
    """Everything of one role that belongs to one owner."""

    owner: Owner
    role: Role
    version: str

    @property
    def name(self) -> str:
        """Name of Deployment, Service and so on."""
        return names.child(self.owner.name, self.role)

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select its pod. Never changes: a Deployment's selector is immutable."""
        return {NAME_LABEL: APP, INSTANCE_LABEL: self.owner.name, names.ROLE_LABEL: self.role.value}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its objects and of its pod."""
        labels = {
            **self.selector,
            PART_OF_LABEL: APP,
            names.MANAGED_BY_LABEL: names.MANAGER,
            VERSION_LABEL: self.version,
            names.ACCOUNT_LABEL: self.owner.account,
        }
        if self.role is Role.QUOTER:
            labels[names.MAKER_LABEL] = self.owner.name
        return labels

    def manifest(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        name: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Manifest:
        """One object: `body` with metadata, its applied-hash included."""
        return stamped(
            {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {
                    "name": name or self.name,
                    "namespace": self.owner.namespace,
                    "labels": self.labels,
                    "annotations": dict(annotations or {}),
                    "ownerReferences": [self.owner.reference],
                },
                **body,
            }
        )


def stamped(manifest: Manifest) -> Manifest:
    """A copy with the annotation that tells what was applied."""
    meta = manifest["metadata"]
    annotations = {**meta.get("annotations", {}), names.APPLIED_HASH: applied_hash(manifest)}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def in_apply_order(manifests: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """What a pod needs before the pod; otherwise as given."""
    return tuple(sorted(manifests, key=lambda manifest: _APPLY_ORDER.index(manifest["kind"])))
