"""What a live object lacks of the one that is wanted.

Everything else in the live object is somebody else's: defaults of the API server, a mesh's annotations, an injected
container. Used to apply only where something is missing, and to say what was repaired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from perpmaker.operator.children.objects import stamped
from perpmaker.operator.children.quantities import parse_quantity
from perpmaker.operator.interfaces import Manifest

Path: TypeAlias = tuple[str, ...]

_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ownerReferences": ("uid",),
}
"""Lists whose items are told apart by these fields, so that others may add items of their own."""

_PORT_KEY: Final = ("containerPort", "port", "protocol")
"""Of the named `ports` of a container or a Service. Those of a NetworkPolicy have no names and are a plain list."""

_WHOLE_MAPS: Final = frozenset(
    {"selector", "matchLabels", "nodeSelector", "podSelector", "namespaceSelector", "labelSelector"}
)
"""Maps that mean something else with an entry more."""

_QUANTITY_MAPS: Final = frozenset({"requests", "limits"})
_QUANTITY_FIELDS: Final = frozenset({"sizeLimit"})


def missing(desired: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Paths of `desired` that `live` lacks or has different, in the order of `desired`; empty when there are none.

    An empty list or map is wanted by nobody: the API server does not keep it.
    """
    return [_spell(path) for path in _in_map(desired, live, ())]


def to_apply(desired: Manifest, live: Manifest | None) -> tuple[Manifest, ...]:
    """What to apply, one after the other, to make `live` what is desired; the last is `desired` or nearly so.

    Usually that is one manifest. A Deployment that somebody made roll has to be taken back in two: the API server
    refuses type Recreate beside rolling parameters, and an apply removes only what is its own. So the first makes the
    parameters ours, with the rollout paused, and the second removes them.
    """
    final = with_immutable_fields(desired, live)
    rolling = ((live or {}).get("spec") or {}).get("strategy", {}).get("rollingUpdate")
    if desired["kind"] != "Deployment" or not rolling:
        return (final,)
    # Never more than one pod, and no value that is there already: of an equal one we would be the second owner.
    parameters = {
        "maxSurge": "0%" if rolling.get("maxSurge") == 0 else 0,
        "maxUnavailable": 2 if rolling.get("maxUnavailable") == 1 else 1,
    }
    taking = {"strategy": {"type": "RollingUpdate", "rollingUpdate": parameters}, "paused": True}
    return stamped({**desired, "spec": {**desired["spec"], **taking}}), final


def with_immutable_fields(desired: Manifest, live: Manifest | None) -> Manifest:
    """`desired` as it can be applied to an object that exists: what may never change stays as it is.

    Only a StatefulSet's claim templates can differ, when the installation's storage settings changed; those hold for
    stores made afterwards.
    """
    wanted = desired["spec"].get("volumeClaimTemplates") if desired["kind"] == "StatefulSet" else None
    kept = ((live or {}).get("spec") or {}).get("volumeClaimTemplates")
    if not wanted or not kept or not any(_in_list("", wanted, kept, ())):
        return desired
    templates = [
        {"metadata": {key: claim["metadata"][key] for key in ("name", "labels") if key in claim["metadata"]}}
        | {"spec": claim["spec"]}
        for claim in kept
    ]
    return stamped({**desired, "spec": {**desired["spec"], "volumeClaimTemplates": templates}})


def _spell(path: Path) -> str:
    return "".join(step if step.startswith("[") else f".{step}" for step in path).removeprefix(".")


def _differences(key: str, desired: Any, live: Any, path: Path) -> Iterator[Path]:
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping) or (key in _WHOLE_MAPS and live.keys() - desired.keys()):
            yield path
        elif key in _QUANTITY_MAPS:
            yield from _in_quantities(desired, live, path)
        else:
            yield from _in_map(desired, live, path)
    elif isinstance(desired, list):
        if isinstance(live, list):
            yield from _in_list(key, desired, live, path)
        else:
            yield path
    elif key in _QUANTITY_FIELDS:
        if not _same_quantity(desired, live):
            yield path
    elif type(desired) is not type(live) or desired != live:
        yield path


def _in_map(desired: Mapping[str, Any], live: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for key, value in desired.items():
        if key in live:
            yield from _differences(key, value, live[key], (*path, key))
        elif value not in ({}, [], None):
            yield (*path, key)


def _in_quantities(desired: Mapping[str, Any], live: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for name, amount in desired.items():
        if not _same_quantity(amount, live.get(name)):
            yield (*path, name)


def _same_quantity(desired: object, live: object) -> bool:
    amount = parse_quantity(desired)
    return desired == live if amount is None else amount == parse_quantity(live)


def _in_list(key: str, desired: Sequence[Any], live: Sequence[Any], path: Path) -> Iterator[Path]:
    fields = _merge_key(key, desired)
    if fields:
        present = {_identity(item, fields): item for item in live if isinstance(item, Mapping)}
        for item in desired:
            name = _identity(item, fields)
            step = (*path, f"[{'/'.join(filter(None, name))}]")
            if name in present:
                yield from _in_map(item, present[name], step)
            else:
                yield step
    elif len(desired) != len(live):
        yield path
    else:
        for index, (item, other) in enumerate(zip(desired, live, strict=True)):
            yield from _differences("", item, other, (*path, f"[{index}]"))


def _merge_key(key: str, desired: Sequence[Any]) -> tuple[str, ...]:
    if key == "ports":
        return _PORT_KEY if all("name" in item for item in desired) else ()
    return _MERGE_KEYS.get(key, ())


def _identity(item: Mapping[str, Any], fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(item.get(field, "")) for field in fields)
