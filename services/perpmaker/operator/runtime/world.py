"""The newest known version of every object that matters, told by watches and by our own writes.

Three races are survived here. A watch tells what we wrote ourselves: the same version again is no news. The answer to
a write may overtake or be overtaken by the watch: an older version never replaces a newer one, and a write that the
watch has already passed is ignored, so that a deleted object does not come back. A new listing after a gap tells what
was deleted meanwhile by leaving it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perpmaker.operator.interfaces import Manifest, Ref, Resource
from perpmaker.operator.kube.resources import OWNERS, resource_of
from perpmaker.operator.names import ACCOUNT_LABEL, MAKER_LABEL, MANAGED_BY_LABEL, MANAGER

INDEXED_LABELS: Final = (MAKER_LABEL, ACCOUNT_LABEL)
"""Labels by which lists are found without a scan; the first is the narrower one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one watch covers."""

    resource: Resource
    namespace: str | None
    """None for the whole cluster."""

    def __str__(self) -> str:
        return f"{self.resource.plural} in {self.namespace or 'the cluster'}"


@dataclass(frozen=True, slots=True)
class Change:
    """An object is another than before."""

    resource: Resource
    old: Manifest | None
    new: Manifest | None
    is_own: bool
    """Whether we wrote it ourselves."""


OnChange = Callable[[Change], None]


def version_of(manifest: Manifest) -> int:
    """The resourceVersion as a number: in practice, and since Kubernetes 1.35 by contract, versions are ordered."""
    return int(manifest["metadata"]["resourceVersion"])


class Store:
    """Implements `World`; fed by watches through `replace`, `put`, `remove` and by writes through `learn`."""

    def __init__(self, scopes: Iterable[Scope], on_change: OnChange = lambda _change: None) -> None:
        self.scopes = tuple(scopes)
        self._on_change = on_change
        self._objects: dict[tuple[Resource, str], dict[str, Manifest]] = {}
        self._labelled: dict[tuple[Resource, str, str, str], set[str]] = {}
        self._seen: dict[Scope, int] = {}
        self._denied: dict[Scope, str] = {}

    def get(self, ref: Ref) -> Manifest | None:
        """One object; None when there is none or it is not watched."""
        return self._objects.get((ref.resource, ref.namespace), {}).get(ref.name)

    def list(self, resource: Resource, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """Objects of one kind in a namespace that carry all `labels`, oldest first."""
        found = self._candidates(resource, namespace, labels or {})
        if labels:
            found = (item for item in found if labels.items() <= (item["metadata"].get("labels") or {}).items())
        return sorted(found, key=lambda item: (item["metadata"].get("creationTimestamp", ""), item["metadata"]["name"]))

    def _candidates(self, resource: Resource, namespace: str, labels: Mapping[str, str]) -> Iterator[Manifest]:
        objects = self._objects.get((resource, namespace), {})
        for label in INDEXED_LABELS:
            if label in labels:
                names = self._labelled.get((resource, namespace, label, labels[label]), set())
                return (objects[name] for name in names)
        return iter(tuple(objects.values()))

    @property
    def is_synced(self) -> bool:
        """Whether every watch has delivered its first listing; before, absence proves nothing."""
        return len(self._seen) == len(self.scopes)

    @property
    def missing(self) -> tuple[Scope, ...]:
        """Watches that have not delivered their first listing."""
        return tuple(scope for scope in self.scopes if scope not in self._seen)

    def denial(self, namespace: str) -> str | None:
        """Why something in a namespace cannot be watched although the API server answers; None when all is well."""
        for scope, reason in self._denied.items():
            if scope.namespace in {None, namespace}:
                return reason
        return None

    def deny(self, scope: Scope, reason: str | None) -> None:
        """Note that a watch is refused, or (None) that it is not any more."""
        if reason is None:
            self._denied.pop(scope, None)
        else:
            self._denied[scope] = reason

    def replace(self, scope: Scope, items: Sequence[Manifest], version: str) -> None:
        """A listing: what it leaves out is gone, unless we wrote it after the listing was made."""
        at = int(version)
        present = {(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in items}
        gone = [
            item
            for (resource, namespace), objects in self._objects.items()
            if resource == scope.resource and scope.namespace in {None, namespace}
            for item in objects.values()
            if (namespace, item["metadata"]["name"]) not in present and version_of(item) <= at
        ]
        self._seen[scope] = max(at, self._seen.get(scope, 0))
        for item in gone:
            self._drop(scope.resource, item)
        for item in items:
            self._keep(scope.resource, item, is_own=False)

    def put(self, scope: Scope, item: Manifest) -> None:
        """A watch tells a version of an object."""
        self.advance(scope, item)
        self._keep(scope.resource, item, is_own=False)

    def remove(self, scope: Scope, item: Manifest) -> None:
        """A watch tells that an object is gone, or has lost the label that made us watch it."""
        self.advance(scope, item)
        metadata = item["metadata"]
        known = self.get(Ref(scope.resource, metadata.get("namespace", ""), metadata["name"]))
        if known is not None and version_of(known) <= version_of(item):
            self._drop(scope.resource, known)

    def advance(self, scope: Scope, item: Manifest) -> None:
        """A watch has come as far as this object's (or bookmark's) version."""
        self._seen[scope] = max(version_of(item), self._seen.get(scope, 0))

    def learn(self, written: Manifest) -> None:
        """We wrote an object ourselves: known at once, before the watch tells."""
        resource = resource_of(written)
        metadata = written["metadata"]
        namespace = metadata.get("namespace", "")
        scope = next((s for s in self.scopes if s.resource == resource and s.namespace in {None, namespace}), None)
        if scope is None or version_of(written) <= self._seen.get(scope, 0):
            return
        if resource in OWNERS or (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER:
            self._keep(resource, written, is_own=True)

    def _keep(self, resource: Resource, item: Manifest, *, is_own: bool) -> None:
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        objects = self._objects.setdefault((resource, namespace), {})
        old = objects.get(name)
        if old is not None and version_of(item) <= version_of(old):
            return
        if resource not in OWNERS:
            # Half of an object's size, and nobody asks who owns a field of a child: the server settles that.
            item = {**item, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
        if old is not None:
            self._unlabel(resource, namespace, old)
        objects[name] = item
        for label in INDEXED_LABELS:
            value = (metadata.get("labels") or {}).get(label)
            if value is not None:
                self._labelled.setdefault((resource, namespace, label, value), set()).add(name)
        self._on_change(Change(resource, old, item, is_own))

    def _drop(self, resource: Resource, item: Manifest) -> None:
        namespace = item["metadata"].get("namespace", "")
        self._unlabel(resource, namespace, item)
        del self._objects[resource, namespace][item["metadata"]["name"]]
        self._on_change(Change(resource, item, None, is_own=False))

    def _unlabel(self, resource: Resource, namespace: str, item: Manifest) -> None:
        for label in INDEXED_LABELS:
            value = (item["metadata"].get("labels") or {}).get(label)
            if value is None:
                continue
            key = (resource, namespace, label, value)
            names = self._labelled[key]
            names.discard(item["metadata"]["name"])
            if not names:
                del self._labelled[key]
