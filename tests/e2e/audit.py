"""What the API server was asked for and by whom, from its audit log."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.e2e.cluster.cluster import Cluster

WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
FORBIDDEN: Final = 403


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


def requests(cluster: Cluster, user: str, since_s: float = 0.0) -> list[Request]:
    """Requests of one user for objects, from a time on. A watch counts when it begins."""
    found: dict[str, Request] = {}
    for line in cluster.audit():
        reference = line.get("objectRef")
        if line["user"].get("username") != user or reference is None:
            continue
        request = _request(line, reference)
        if request.at_s >= since_s:
            found[line["auditID"]] = request
    return list(found.values())


def rights_end_s(cluster: Cluster, namespace: str, name: str) -> float:
    """When somebody first deleted the Role or RoleBinding of this name, Unix time; infinite if nobody has."""
    ends = (
        _request(line, reference).at_s
        for line in cluster.audit()
        if (reference := line.get("objectRef")) is not None
        and (line["verb"], reference.get("namespace"), reference.get("name")) == ("delete", namespace, name)
        and reference["resource"] in {"roles", "rolebindings"}
    )
    return min(ends, default=math.inf)


def trespasses(asked: Iterable[Request]) -> list[Request]:
    """Of the operator's requests those that its rights did not cover, and those for Secrets, which it never reads.

    Nobody may create in a namespace that is being deleted, and an API server that has just come up knows no roles yet:
    what was granted at another time is no lack of a right.
    """
    seen = list(asked)
    granted = {(one.namespace, *one.right) for one in seen if not one.is_forbidden}
    return [
        one
        for one in seen
        if one.resource.partition("/")[0] == "secrets"
        or (one.is_forbidden and (one.namespace, *one.right) not in granted)
    ]


def by_verb(asked: Iterable[Request]) -> Counter[str]:
    """How often each verb was asked for on each resource."""
    return Counter(f"{request.verb} {request.resource}" for request in asked)


def _request(line: dict[str, Any], reference: dict[str, Any]) -> Request:
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
