"""Selectors of lists and watches, as far as they are used: equality of labels and of fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from aiohttp import web
from tests.support.kube.cluster import Entry, Json


def seen_through(entry: Entry, matches: Callable[[Json], bool]) -> tuple[str, Json] | None:
    """A change as a watch with a selector tells it: joining is ADDED, leaving is DELETED."""
    before = entry.previous is not None and matches(entry.previous)
    after = entry.type != "DELETED" and matches(entry.object)
    if after:
        return ("MODIFIED" if before else "ADDED"), entry.object
    if before:
        last = copy.deepcopy(entry.object if entry.type == "DELETED" else entry.previous or {})
        last["metadata"]["resourceVersion"] = str(entry.version)
        return "DELETED", last
    return None


def selector(request: web.Request) -> Callable[[Json], bool]:
    """Whether an object is one that the request's selectors mean."""
    labels = [pair.partition("=") for pair in filter(None, request.query.get("labelSelector", "").split(","))]
    fields = [pair.partition("=") for pair in filter(None, request.query.get("fieldSelector", "").split(","))]

    def matches(item: Json) -> bool:
        carried = item["metadata"].get("labels") or {}
        return all(carried.get(key) == value for key, _, value in labels) and all(
            str(_field(item, key)) == value for key, _, value in fields
        )

    return matches


def _field(item: Json, path: str) -> object:
    value: Any = item
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
