"""The newest known version of every object that matters, told by watches and by our own writes.

Three races are survived here. A watch tells what we wrote ourselves: the same version again is no news. The answer to
a write may overtake or be overtaken by the watch: an older version never replaces a newer one, and a write that the
watch has already passed is ignored, so that a deleted object does not come back. A new listing after a gap tells what
was deleted meanwhile by leaving it out.

Children and pods are kept as JSON text: as Python objects they need ten times the memory, and few are read at a time.
Accounts and makers are few and read all the time, so they are kept as they are read; nobody may change what he reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from perpmaker.operator.interfaces import Manifest, Ref, Resource
from perpmaker.operator.kube.resources import MARKET_MAKER, OWNERS, resource_of
from perpmaker.operator.names import ACCOUNT_LABEL, MAKER_LABEL, MANAGED_BY_LABEL, MANAGER

INDEXED_LABELS: Final = (MAKER_LABEL, ACCOUNT_LABEL)
"""Labels by which lists are found without a scan; the first is the narrower one."""
_OF_ACCOUNT: Final = "spec.accountRef.name"
_INDEXED: Final = (*INDEXED_LABELS, _OF_ACCOUNT)


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


@dataclass(frozen=True, slots=True)
class _Kept:
    """An object, and what of it is asked most."""

    name: str
    version: int
    created: str
    labels: Mapping[str, str]
    """Its labels, and of a maker its account."""
    body: Manifest | bytes

    @classmethod
    def of(cls, resource: Resource, item: Manifest) -> _Kept:
        metadata = item["metadata"]
        labels: dict[str, str] = metadata.get("labels") or {}
        # Half of an object's size. Of a child nobody asks who owns a field, of an owner only who wrote its spec.
        fields = metadata.get("managedFields") or () if resource in OWNERS else ()
        lean = {key: value for key, value in metadata.items() if key != "managedFields"}
        if by := [entry for entry in fields if "subresource" not in entry]:
            lean["managedFields"] = by
        item = {**item, "metadata": lean}
        if resource == MARKET_MAKER:
            labels = {**labels, _OF_ACCOUNT: account_of(item) or ""}
        body: Manifest | bytes = item if resource in OWNERS else msgspec.json.encode(item)
        return cls(metadata["name"], version_of(item), metadata.get("creationTimestamp", ""), labels, body)

    def manifest(self) -> Manifest:
        return cast("Manifest", msgspec.json.decode(self.body)) if isinstance(self.body, bytes) else self.body


def account_of(maker: Manifest) -> str | None:
    """Name of the account that a maker refers to."""
    name = ((maker.get("spec") or {}).get("accountRef") or {}).get("name")
    return name if isinstance(name, str) else None


class Store:
    """Implements `World`; fed by watches through `replace`, `put`, `remove` and by writes through `learn`."""

    def __init__(self, scopes: Iterable[Scope], on_change: OnChange = lambda _change: None) -> None:
        self.scopes = tuple(scopes)
        self._on_change = on_change
        self._objects: dict[tuple[Resource, str], dict[str, _Kept]] = {}
        self._labelled: dict[tuple[Resource, str, str, str], set[str]] = {}
        self._seen: dict[Scope, int] = {}
        self._denied: dict[Scope, str] = {}

    def get(self, ref: Ref) -> Manifest | None:
        """One object; None when there is none or it is not watched."""
        kept = self._objects.get((ref.resource, ref.namespace), {}).get(ref.name)
        return None if kept is None else kept.manifest()

    def list(self, resource: Resource, namespace: str, labels: Mapping[str, str] | None = None) -> Sequence[Manifest]:
        """Objects of one kind in a namespace that carry all `labels`, oldest first."""
        wanted = (labels or {}).items()
        found = [kept for kept in self._candidates(resource, namespace, labels or {}) if wanted <= kept.labels.items()]
        return [kept.manifest() for kept in sorted(found, key=lambda kept: (kept.created, kept.name))]

    def makers_of(self, namespace: str, account: str) -> Sequence[Manifest]:
        """MarketMakers that refer to an account, oldest first."""
        return self.list(MARKET_MAKER, namespace, {_OF_ACCOUNT: account})

    def _candidates(self, resource: Resource, namespace: str, labels: Mapping[str, str]) -> Iterable[_Kept]:
        objects = self._objects.get((resource, namespace), {})
        for label in _INDEXED:
            if label in labels:
                names = self._labelled.get((resource, namespace, label, labels[label]), set())
                return (objects[name] for name in names)
        return objects.values()

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
        found = [reason for scope, reason in self._denied.items() if scope.namespace in {None, namespace}]
        return "; ".join(sorted(found)) or None

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
            (namespace, kept)
            for namespace, kept in self._kept(scope)
            if (namespace, kept.name) not in present and kept.version <= at
        ]
        self._seen[scope] = max(at, self._seen.get(scope, 0))
        for namespace, kept in gone:
            self._drop(scope.resource, namespace, kept)
        for item in items:
            self._keep(scope.resource, item, is_own=False)

    def lack(self, scope: Scope) -> None:
        """The API server does not serve the kind: there are none."""
        self.replace(scope, (), str(max((kept.version for _, kept in self._kept(scope)), default=0)))

    def clear(self) -> None:
        """Forget everything without a word: nobody looks, and watches begin anew."""
        for known in (self._objects, self._labelled, self._seen, self._denied):
            known.clear()

    def put(self, scope: Scope, item: Manifest) -> None:
        """A watch tells a version of an object."""
        self.advance(scope, item)
        self._keep(scope.resource, item, is_own=False)

    def remove(self, scope: Scope, item: Manifest) -> None:
        """A watch tells that an object is gone, or has lost the label that made us watch it."""
        self.advance(scope, item)
        metadata = item["metadata"]
        namespace = metadata.get("namespace", "")
        known = self._objects.get((scope.resource, namespace), {}).get(metadata["name"])
        if known is not None and known.version <= version_of(item):
            self._drop(scope.resource, namespace, known)

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

    def _kept(self, scope: Scope) -> Iterator[tuple[str, _Kept]]:
        """What is known of a scope, with its namespace."""
        for (resource, namespace), objects in self._objects.items():
            if resource == scope.resource and scope.namespace in {None, namespace}:
                yield from ((namespace, kept) for kept in objects.values())

    def _keep(self, resource: Resource, item: Manifest, *, is_own: bool) -> None:
        namespace = item["metadata"].get("namespace", "")
        objects = self._objects.setdefault((resource, namespace), {})
        new = _Kept.of(resource, item)
        old = objects.get(new.name)
        if old is not None and new.version <= old.version:
            return
        if old is not None:
            self._unlabel(resource, namespace, old)
        objects[new.name] = new
        for label in _INDEXED:
            if label in new.labels:
                self._labelled.setdefault((resource, namespace, label, new.labels[label]), set()).add(new.name)
        self._on_change(Change(resource, None if old is None else old.manifest(), item, is_own))

    def _drop(self, resource: Resource, namespace: str, kept: _Kept) -> None:
        self._unlabel(resource, namespace, kept)
        del self._objects[resource, namespace][kept.name]
        self._on_change(Change(resource, kept.manifest(), None, is_own=False))

    def _unlabel(self, resource: Resource, namespace: str, kept: _Kept) -> None:
        for label in _INDEXED:
            if label not in kept.labels:
                continue
            key = (resource, namespace, label, kept.labels[label])
            names = self._labelled[key]
            names.discard(kept.name)
            if not names:
                del self._labelled[key]
