"""The seams inside the operator: what the deciding half asks of the half that talks to Kubernetes.

Decisions (`children`, `conditions`, `teardown`) are pure. Reconcilers put them together and see the cluster only
through `Kube` and `World`, so that a test can give them a cluster of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API server's paths know it."""

    api_version: str
    kind: str
    plural: str


@dataclass(frozen=True, slots=True)
class Ref:
    """One object."""

    resource: Resource
    namespace: str
    name: str


class KubeError(Exception):
    """The API server refused or did not answer. `status` is 0 when it did not answer at all.

    `is_absent`: it knows the kind and has no such object. A 404 without it says nothing about the object: a kind whose
    definition or API group is away answers 404 as well, and its objects come back with it.
    """

    def __init__(
        self,
        verb: str,
        ref: Ref,
        status: int,
        reason: str,
        message: str,
        causes: Sequence[str] = (),
        *,
        is_absent: bool = False,
    ) -> None:
        super().__init__(f"{verb} {ref.resource.kind} {ref.namespace}/{ref.name}: {status} {reason}: {message}")
        self.verb = verb
        self.ref = ref
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)
        self.is_absent = is_absent


class Kube(Protocol):
    """Requests to the API server. Each raises KubeError; retries are the caller's."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with force; returns the object as it is now."""
        ...

    async def apply_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest:
        """Server-side apply of the status subresource under the status manager."""
        ...

    async def get(self, ref: Ref) -> Manifest | None:
        """The object as the API server has it now; None when there is none. A kind that is not served raises."""
        ...

    async def delete(self, ref: Ref, *, uid: str | None = None) -> bool:
        """Delete in the foreground; False when there is none (any more). `uid` protects a namesake."""
        ...


class World(Protocol):
    """What the watches have told: the newest known version of every object that matters. Reading it costs nothing.

    What is read is shared with other readers: nobody may change it.
    """

    def get(self, ref: Ref) -> Manifest | None:
        """One object; None when there is none or it is not watched."""
        ...

    def list(self, resource: Resource, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """Objects of one kind in a namespace that carry all `labels`, oldest first."""
        ...

    def makers_of(self, namespace: str, account: str) -> Sequence[Manifest]:
        """MarketMakers that refer to an account, oldest first."""
        ...

    @property
    def is_synced(self) -> bool:
        """Whether every watch has delivered its first listing; before, absence proves nothing."""
        ...


class EventType(StrEnum):
    """Types that the API server accepts."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Teller(Protocol):
    """Kubernetes Events, sent at most once in ten minutes for the same object, reason and message."""

    def tell(self, about: Manifest, type_: EventType, reason: str, message: str) -> None:
        """Post an Event soon; never blocks, never raises."""
        ...


class Waker(Protocol):
    """Asks for another look at objects."""

    def wake(self, ref: Ref, source: str) -> None:
        """Reconcile the object soon; requests in quick succession are one."""
        ...


@dataclass(frozen=True, slots=True)
class Again:
    """When to look again although nothing has happened; None leaves it to the resync."""

    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class TornDown:
    """Whether the object may go; if not, when to look again."""

    done: bool
    again_after_s: float = 1.0


class Reconciler(Protocol):
    """What happens to one kind of object. Calls for one object never overlap.

    An exception means: look again after a growing pause. The runtime logs it once for each change of its text.
    """

    async def reconcile(self, body: Manifest) -> Again:
        """Bring the cluster nearer to the object's spec and its status nearer to the truth."""
        ...

    async def tear_down(self, body: Manifest) -> TornDown:
        """One step towards deletion; called until done. `body` carries the status of the step before."""
        ...
