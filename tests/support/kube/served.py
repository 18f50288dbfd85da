"""Which kinds are served where: discovery, and what a path names."""

from __future__ import annotations

from collections.abc import Container

from tests.support.kube.cluster import Json
from tests.support.kube.kinds import KINDS, Kind


class NotServed(Exception):  # noqa: N818 (an answer, not a failure)
    """No kind is served at a path; a real server answers such a request with a text, not with a Status."""


def discovery(path: str, hidden: Container[str]) -> Json | None:
    """What is told of the API itself at a path; None where nothing is."""
    served = [kind for kind in KINDS if kind.plural not in hidden]
    versions = {kind.api_version for kind in served}
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0-fake"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [
            {
                "name": version.partition("/")[0],
                "versions": [{"groupVersion": version, "version": version.partition("/")[2]}],
                "preferredVersion": {"groupVersion": version, "version": version.partition("/")[2]},
            }
            for version in sorted(versions)
            if "/" in version
        ]
        return {"kind": "APIGroupList", "groups": groups}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    if version in versions:
        resources = [entry for kind in served if kind.api_version == version for entry in _resources(kind)]
        return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return None


def parse(path: str, hidden: Container[str]) -> tuple[Kind, str | None, str, str]:
    """Kind, namespace, name and subresource that a path names. Raises NotServed."""
    parts = path.strip("/").split("/")
    version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    for kind in KINDS:
        if rest and kind.api_version == version and kind.plural == rest[0] and kind.plural not in hidden:
            name, sub, *_ = *rest[1:], "", ""
            return kind, namespace, name, sub
    raise NotServed(path)


def _resources(kind: Kind) -> list[Json]:
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    entry = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs,
    }
    sub = {**entry, "name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]}
    return [entry, sub] if kind.has_status else [entry]
