"""What the API server was asked for and by whom, from its audit log."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from tests.e2e.cluster.cluster import Cluster

WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
FORBIDDEN: Final = 403
_REFUSED: Final = 300
"""Codes from here on changed nothing."""

Line: TypeAlias = dict[str, Any]
"""One line of an audit log."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was answered."""

    verb: str
    group: str
    resource: str
    """Plural, with `/sub` for a subresource."""
    namespace: str
    name: str
    code: int
    at_s: float
    """Unix time at which it came in."""
    message: str = ""
    """Words of a refusal."""

    @property
    def is_forbidden(self) -> bool:
        """Whether it was refused for want of a right."""
        return self.code == FORBIDDEN and "because it is being terminated" not in self.message

    @property
    def is_write(self) -> bool:
        """Whether it may have changed something."""
        return self.verb in WRITES and self.group != "authorization.k8s.io"

    @property
    def right(self) -> tuple[str, str, str]:
        """What it needed: verb, group, resource."""
        return self.verb, self.group, self.resource


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which nobody changed the rights of a user; it includes its beginning."""

    begin_s: float
    has_any: bool
    """Neither the Role nor the RoleBinding was gone."""


def requests(cluster: Cluster, user: str, since_s: float = 0.0) -> list[Request]:
    """Requests of one user for objects, from a time on. A watch counts when it begins."""
    return requests_in(cluster.audit(), user, since_s)


def requests_in(lines: Iterable[Line], user: str, since_s: float = 0.0) -> list[Request]:
    """The same from lines of an audit log."""
    found: dict[str, Request] = {}
    for line in lines:
        reference = line.get("objectRef")
        if line["user"].get("username") != user or reference is None:
            continue
        request = _request(line, reference)
        if request.at_s >= since_s:
            found[line["auditID"]] = request
    return list(found.values())


def spans(lines: Iterable[Line], namespace: str, name: str) -> list[Span]:
    """Stretches of time, in order, between changes of the Role and the RoleBinding of this name."""
    present = {"roles": True, "rolebindings": True}
    found = [Span(-math.inf, has_any=True)]
    asked = (_request(line, line["objectRef"]) for line in lines if line.get("objectRef") is not None)
    for change in sorted(asked, key=lambda one: one.at_s):
        is_ours = (change.namespace, change.name) == (namespace, name) and change.resource in present
        if is_ours and change.is_write and change.code < _REFUSED:
            present[change.resource] = change.verb != "delete"
            found.append(Span(change.at_s, all(present.values())))
    return found


def trespasses(asked: Iterable[Request], over: Sequence[Span]) -> list[Request]:
    """Of the operator's requests those that its rights did not cover, and those for Secrets, which it never reads.

    Each is judged by the rights of its own span: a right of another time is none. Within a span, what was granted at
    another moment is no lack of a right: an API server that has just come up knows no roles yet.
    """
    seen = [(one, _span_of(one, over)) for one in asked]
    granted = {(span, one.namespace, *one.right) for one, span in seen if not one.is_forbidden}
    return [
        one
        for one, span in seen
        if one.resource.partition("/")[0] == "secrets"
        or (one.is_forbidden and span.has_any and (span, one.namespace, *one.right) not in granted)
    ]


def _span_of(one: Request, over: Sequence[Span]) -> Span:
    return over[bisect_right(over, one.at_s, key=lambda span: span.begin_s) - 1]


def by_verb(asked: Iterable[Request]) -> Counter[str]:
    """How often each verb was asked for on each resource."""
    return Counter(f"{request.verb} {request.resource}" for request in asked)


def _request(line: Line, reference: dict[str, Any]) -> Request:
    sub = reference.get("subresource")
    return Request(
        verb=line["verb"],
        group=reference.get("apiGroup", ""),
        resource=f"{reference['resource']}/{sub}" if sub else reference["resource"],
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=(line.get("responseStatus") or {}).get("code", 0),
        at_s=datetime.fromisoformat(line["requestReceivedTimestamp"]).timestamp(),
        message=(line.get("responseStatus") or {}).get("message", ""),
    )
