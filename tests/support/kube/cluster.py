"""The objects of a cluster and the rules they live by: versions, generations, finalizers, owners, field managers."""

from __future__ import annotations

import copy
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.kube import patches
from tests.support.kube.kinds import KINDS, Kind

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""
FOREGROUND = "foregroundDeletion"
_DNS = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class Refused(Exception):  # noqa: N818 (an answer, not a failure)
    """The API server says no."""

    def __init__(
        self, code: int, reason: str, message: str, causes: Iterable[tuple[str, str]] = (), name: str = ""
    ) -> None:
        """`name`: of the object that it is about, where there would have to be one."""
        super().__init__(message)
        self.code, self.reason, self.message, self.name = code, reason, message, name
        self.causes = [{"field": where, "message": what, "reason": "FieldValueInvalid"} for where, what in causes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, as watches tell it."""

    version: int
    kind: Kind
    type: str
    object: Json
    previous: Json | None


@dataclass(slots=True)
class Cluster:
    """All objects. Every method is one transaction."""

    clock_skew: timedelta = timedelta()
    version: int = 1000
    history: deque[Entry] = field(default_factory=lambda: deque(maxlen=20_000))
    expired_before: int = 0
    """Watches from an older version are answered with 410."""
    on_change: Callable[[], None] = lambda: None
    hidden: set[str] = field(default_factory=set)
    """Plurals of kinds that are not served."""
    _objects: dict[Kind, dict[Key, Json]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    _managers: dict[tuple[Kind, Key, str], patches.Managers] = field(default_factory=dict)

    def now(self) -> str:
        """The server's clock."""
        return (datetime.now(UTC) + self.clock_skew).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, kind: Kind, key: Key) -> Json:
        """One object. Raises Refused."""
        found = self._objects[kind].get(key)
        if found is None:
            raise Refused(404, "NotFound", f'{kind.plural} "{key[1]}" not found', name=key[1])
        return found

    def items(self, kind: Kind, namespace: str | None, matches: Callable[[Json], bool]) -> list[Json]:
        """Objects of a kind, by namespace and name."""
        chosen = sorted(self._objects[kind].items())
        return [item for (space, _), item in chosen if namespace in {None, space} and matches(item)]

    def create(self, kind: Kind, namespace: str, body: Json, manager: str) -> Json:
        """A new object. Raises Refused."""
        name = body.get("metadata", {}).get("name") or body["metadata"]["generateName"] + uuid.uuid4().hex[:5]
        key = (namespace if kind.namespaced else "", name)
        if key in self._objects[kind]:
            raise Refused(409, "AlreadyExists", f'{kind.plural} "{name}" already exists')
        fresh = self._new(kind, key, body)
        self._check(kind, fresh)
        self._managers[kind, key, ""] = patches.owned_after_write({}, _ownable(fresh), {}, manager)
        return self._store(kind, key, None, fresh)

    def write(self, kind: Kind, key: Key, sub: str, manager: str, change: Callable[[Json], Json]) -> Json:
        """Change an object by anything but an apply. Raises Refused."""
        live = self.get(kind, key)
        try:
            wanted = change(copy.deepcopy(live))
        except patches.PatchRefusedError as error:
            raise Refused(
                422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error
        fresh = self._fit(kind, live, wanted, sub)
        managers = self._managers.get((kind, key, sub), {})
        self._managers[kind, key, sub] = patches.owned_after_write(_ownable(live), _ownable(fresh), managers, manager)
        return self._store(kind, key, live, fresh)

    def apply(self, kind: Kind, key: Key, sub: str, manager: str, body: Json, *, force: bool) -> tuple[Json, bool]:
        """Server-side apply; returns the object and whether it is new. Raises Refused."""
        live = self._objects[kind].get(key)
        if live is None and sub:
            raise Refused(404, "NotFound", f'{kind.plural} "{key[1]}" not found', name=key[1])
        start = live if live is not None else self._new(kind, key, {})
        wanted = {"status": body.get("status", {})} if sub else _ownable(body)
        if sub:
            wanted = _ownable(wanted)
        managers = self._managers.get((kind, key, sub), {})
        try:
            merged, owned = patches.apply(_ownable(start), wanted, managers, manager, force=force)
        except patches.ApplyConflictError as error:
            raise Refused(409, "Conflict", f"Apply failed with 1 conflict: {error}") from error
        fresh = self._fit(kind, start, _with_system(merged, start), sub)
        self._check(kind, fresh)
        self._managers[kind, key, sub] = owned
        return self._store(kind, key, live, fresh), live is None

    def delete(self, kind: Kind, key: Key, options: Json) -> Json:
        """Delete an object, or mark it where finalizers hold it. Raises Refused."""
        live = self.get(kind, key)
        for name, value in (options.get("preconditions") or {}).items():
            if live["metadata"][name] != value:
                raise Refused(409, "Conflict", f"Precondition failed: {name} in precondition: {value}")
        finalizers = list(live["metadata"].get("finalizers") or ())
        if options.get("propagationPolicy") == "Foreground" and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        if not finalizers:
            self._remove(kind, key, live)
            return live
        if "deletionTimestamp" in live["metadata"]:
            return live
        marked = copy.deepcopy(live)
        marked["metadata"] |= {
            "deletionTimestamp": self.now(),
            "deletionGracePeriodSeconds": 0,
            "finalizers": finalizers,
        }
        if "generation" in marked["metadata"]:
            marked["metadata"]["generation"] += 1
        return self._store(kind, key, live, marked)

    def collect(self) -> bool:
        """One round of the garbage collector; whether it found anything to do."""
        uids = {item["metadata"]["uid"] for objects in self._objects.values() for item in objects.values()}
        for kind, objects in self._objects.items():
            for key, item in list(objects.items()):
                metadata = item["metadata"]
                owners = metadata.get("ownerReferences") or ()
                if owners and not any(owner["uid"] in uids for owner in owners) and "deletionTimestamp" not in metadata:
                    self.delete(kind, key, {})
                    return True
                is_held = FOREGROUND in (metadata.get("finalizers") or ()) and "deletionTimestamp" in metadata
                if is_held and self._release_foreground(kind, key, metadata["uid"]):
                    return True
        return False

    def _release_foreground(self, kind: Kind, key: Key, uid: str) -> bool:
        blocking = [
            (other, other_key, item)
            for other, objects in self._objects.items()
            for other_key, item in objects.items()
            for owner in item["metadata"].get("ownerReferences") or ()
            if owner["uid"] == uid and owner.get("blockOwnerDeletion")
        ]
        for other, other_key, item in blocking:
            if "deletionTimestamp" not in item["metadata"]:
                self.delete(other, other_key, {"propagationPolicy": "Foreground"})
                return True
        if blocking:
            return False

        def unblock(body: Json) -> Json:
            body["metadata"]["finalizers"].remove(FOREGROUND)
            return body

        self.write(kind, key, "", "garbage-collector", unblock)
        return True

    def _new(self, kind: Kind, key: Key, body: Json) -> Json:
        given = {name: value for name, value in body.items() if name != "status"}
        metadata = {
            **(body.get("metadata") or {}),
            "name": key[1],
            **({"namespace": key[0]} if kind.namespaced else {}),
            "uid": str(uuid.uuid4()),
            "creationTimestamp": self.now(),
            **({"generation": 1} if kind.counts_generation else {}),
        }
        metadata.pop("deletionTimestamp", None)
        metadata.pop("resourceVersion", None)
        return {**given, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}

    def _fit(self, kind: Kind, live: Json, wanted: Json, sub: str) -> Json:
        """What of a wish a request may change: status only through its subresource, and nothing else there."""
        said = wanted.get("metadata", {}).get("resourceVersion")
        if said is not None and said != live["metadata"].get("resourceVersion", said):
            raise Refused(
                409, "Conflict", "the object has been modified; please apply your changes to the latest version"
            )
        fresh = copy.deepcopy(wanted)
        if sub:
            fresh = {**copy.deepcopy(live), "status": fresh.get("status", {})}
        elif kind.has_status:
            fresh.pop("status", None)
            if "status" in live:
                fresh["status"] = copy.deepcopy(live["status"])
        fixed = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion")
        for name in fixed:
            fresh["metadata"].pop(name, None)
            if name in live["metadata"]:
                fresh["metadata"][name] = live["metadata"][name]
        if "deletionTimestamp" in live["metadata"]:
            added = set(fresh["metadata"].get("finalizers") or ()) - set(live["metadata"].get("finalizers") or ())
            if added:
                raise Refused(422, "Invalid", f"no new finalizers can be added if the object is being deleted: {added}")
        if (
            kind.counts_generation
            and _spec(fresh) != _spec(live)
            and "generation" in live["metadata"]
            and "spec" in live
        ):
            fresh["metadata"]["generation"] += 1
        for name in ("finalizers", "annotations", "labels", "ownerReferences"):
            if not fresh["metadata"].get(name):
                fresh["metadata"].pop(name, None)
        return fresh

    def _check(self, kind: Kind, body: Json) -> None:
        name = body["metadata"]["name"]
        if not _DNS.fullmatch(name):
            why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
            raise Refused(
                422,
                "Invalid",
                f'{kind.kind} "{name}" is invalid',
                [("metadata.name", f'Invalid value: "{name}": {why}')],
            )
        if kind.kind == "Event" and body.get("involvedObject", {}).get("namespace") != body["metadata"]["namespace"]:
            raise Refused(422, "Invalid", "involvedObject.namespace does not match event.namespace")

    def _store(self, kind: Kind, key: Key, live: Json | None, fresh: Json) -> Json:
        if live is not None and _bare(live) == _bare(fresh):
            return live
        if live is not None and "deletionTimestamp" in fresh["metadata"] and not fresh["metadata"].get("finalizers"):
            self._remove(kind, key, fresh)
            return fresh
        self.version += 1
        fresh["metadata"]["resourceVersion"] = str(self.version)
        self._objects[kind][key] = fresh
        self._tell(kind, "ADDED" if live is None else "MODIFIED", fresh, live)
        return fresh

    def _remove(self, kind: Kind, key: Key, last: Json) -> None:
        self.version += 1
        previous = self._objects[kind].pop(key)
        for sub in ("", "status"):
            self._managers.pop((kind, key, sub), None)
        gone = copy.deepcopy(last)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(kind, "DELETED", gone, previous)

    def _tell(self, kind: Kind, type_: str, item: Json, previous: Json | None) -> None:
        self.history.append(Entry(self.version, kind, type_, item, previous))
        self.on_change()


def _spec(body: Json) -> Mapping[str, Any]:
    return {name: value for name, value in body.items() if name not in {"metadata", "status"}}


def _bare(body: Json) -> Json:
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    return {**body, "metadata": metadata}


_SYSTEM = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion")


def _ownable(body: Json) -> Json:
    """Without what identifies an object or is the server's own."""
    bare = {name: value for name, value in body.items() if name not in {"apiVersion", "kind", "metadata"}}
    metadata = {n: v for n, v in (body.get("metadata") or {}).items() if n not in {*_SYSTEM, "managedFields"}}
    return {**bare, **({"metadata": metadata} if metadata else {})}


def _with_system(merged: Json, start: Json) -> Json:
    system = {name: value for name, value in start["metadata"].items() if name in _SYSTEM}
    return {
        **merged,
        "apiVersion": start["apiVersion"],
        "kind": start["kind"],
        "metadata": {**(merged.get("metadata") or {}), **system},
    }
