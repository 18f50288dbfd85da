"""The three kinds of patch, and who owns which field: pure functions over JSON.

Server-side apply is an approximation of the real one: lists whose items carry one of a few well-known keys are merged
by it, all others are replaced as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Json = Any
Path = tuple[str, ...]
Managers = dict[str, set[Path]]

_LIST_KEYS = ("name", "type", "containerPort", "port", "uid", "topologyKey", "ip")


class PatchRefusedError(Exception):
    """The patch does not fit the object."""


class ApplyConflictError(Exception):
    """Another manager has set a field to something else, and force was not given."""

    def __init__(self, manager: str, path: Path) -> None:
        super().__init__(f'conflict with "{manager}": .{".".join(path)}')
        self.path = path


def merge_patch(target: Json, patch: Json) -> Json:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Json, operations: list[dict[str, Json]]) -> Json:
    """RFC 6902, as far as it is used: add, remove, replace, test. Raises PatchRefusedError."""
    document = copy.deepcopy(target)
    for operation in operations:
        *parents, last = [
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].removeprefix("/").split("/")
        ]
        holder = document
        for step in parents:
            holder = _child(holder, step, operation)
        document = _change(document, holder, last, operation)
    return document


def _child(holder: Json, step: str, operation: dict[str, Json]) -> Json:
    try:
        return holder[int(step)] if isinstance(holder, list) else holder[step]
    except (KeyError, IndexError, ValueError) as error:
        raise PatchRefusedError(f"{operation['op']} {operation['path']}: no such path") from error


def _change(document: Json, holder: Json, last: str, operation: dict[str, Json]) -> Json:
    match operation["op"]:
        case "test":
            if _child(holder, last, operation) != operation["value"]:
                raise PatchRefusedError(f"test {operation['path']}: the value is another")
        case "add" if isinstance(holder, list):
            holder.insert(len(holder) if last == "-" else int(last), operation["value"])
        case "add":
            holder[last] = operation["value"]
        case "replace":
            _child(holder, last, operation)
            holder[int(last) if isinstance(holder, list) else last] = operation["value"]
        case "remove":
            _child(holder, last, operation)
            del holder[int(last) if isinstance(holder, list) else last]
        case other:
            raise PatchRefusedError(f"operation {other} is not understood")
    return document


def leaves(value: Json, path: Path = ()) -> Iterator[Path]:
    """Paths of everything that can be owned; items of keyed lists are found by their key."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and (key := _list_key(value)):
        for item in value:
            yield from leaves(item, (*path, f"[{key}={item[key]}]"))
    else:
        yield path


def apply(live: Json, wanted: Json, managers: Managers, manager: str, *, force: bool) -> tuple[Json, Managers]:
    """Server-side apply; returns the object and who owns what. Raises ApplyConflictError."""
    new_paths = set(leaves(wanted))
    after = {name: set(paths) for name, paths in managers.items()}
    for other in [name for name in after if name != manager]:
        for path in after[other] & new_paths:
            if _at(live, path) != _at(wanted, path):
                if not force:
                    raise ApplyConflictError(other, path)
                after[other].discard(path)
    for path in sorted(after.get(manager, set()) - new_paths, key=len, reverse=True):
        if not any(path in paths for name, paths in after.items() if name != manager):
            live = _without(live, path)
    after[manager] = new_paths
    return _merged(live, wanted), {name: paths for name, paths in after.items() if paths}


def owned_after_write(before: Json, after: Json, managers: Managers, manager: str) -> Managers:
    """Who owns what after a write that was not an apply: the writer what it changed, nobody what is gone."""
    there = set(leaves(after))
    changed = {path for path in there if _at(before, path) != _at(after, path)}
    kept = {name: (paths & there) - (changed if name != manager else set()) for name, paths in managers.items()}
    kept[manager] = kept.get(manager, set()) | changed
    return {name: paths for name, paths in kept.items() if paths}


_ABSENT: Any = object()


def _list_key(items: list[Json]) -> str | None:
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    return next((key for key in _LIST_KEYS if all(key in item for item in items)), None)


def _keyed(step: str) -> tuple[str, str] | None:
    if not step.startswith("["):
        return None
    key, _, value = step[1:-1].partition("=")
    return key, value


def _index(items: Json, step: str) -> int | None:
    found = _keyed(step)
    if found is None or not isinstance(items, list):
        return None
    key, value = found
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and str(item.get(key)) == value), None)


def _at(value: Json, path: Path) -> Json:
    for step in path:
        if _keyed(step):
            index = _index(value, step)
            if index is None:
                return _ABSENT
            value = value[index]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return _ABSENT
    return value


def _without(value: Json, path: Path) -> Json:
    step, *rest = path
    if _keyed(step):
        index = _index(value, step)
        if index is None:
            return value
        key = step[1:-1].partition("=")[0]
        if rest == [key] and len(value[index]) > 1:
            return value  # the key goes last, with the item
        inner = _without(value[index], tuple(rest)) if rest else None
        emptied = not inner or set(inner) <= {key}
        return [*value[:index], *([] if emptied else [inner]), *value[index + 1 :]]
    if not isinstance(value, dict) or step not in value:
        return value
    inner = _without(value[step], tuple(rest)) if rest else None
    left = {key: item for key, item in value.items() if key != step}
    return left if inner in (None, {}, []) else {**value, step: inner}


def _merged(live: Json, wanted: Json) -> Json:
    if isinstance(live, dict) and isinstance(wanted, dict) and wanted:
        return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}
    if isinstance(live, list) and isinstance(wanted, list) and (key := _list_key(wanted)):
        merged = list(live)
        for item in wanted:
            index = _index(merged, f"[{key}={item[key]}]")
            if index is None:
                merged.append(copy.deepcopy(item))
            else:
                merged[index] = _merged(merged[index], item)
        return merged
    return copy.deepcopy(wanted)
