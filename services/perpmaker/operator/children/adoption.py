"""Whose an object is that has the name of one of our children, and which of our objects are wanted no more."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from perpmaker.api.v1alpha1 import GROUP
from perpmaker.operator import names
from perpmaker.operator.children.objects import INSTANCE_LABEL, Owner
from perpmaker.operator.interfaces import Manifest, Ref
from perpmaker.operator.kube.resources import ref_of


class Ownership(StrEnum):
    """What a live object is to an owner."""

    ABSENT = "Absent"
    """There is none; it may be created."""
    OURS = "Ours"
    ORPHAN = "Orphan"
    """Made by the operator for an earlier object of the same kind and name; applying adopts it."""
    FOREIGN = "Foreign"
    """Somebody else's. Never written to: a person has to remove or rename it."""


def ownership(live: Manifest | None, owner: Owner) -> Ownership:
    """What a live object with a child's name is to the owner."""
    if live is None:
        return Ownership.ABSENT
    meta = live["metadata"]
    controller = _controller(meta)
    if controller is not None and controller.get("uid") == owner.uid:
        return Ownership.OURS
    is_ours_to_manage = (meta.get("labels") or {}).get(names.MANAGED_BY_LABEL) == names.MANAGER
    if is_ours_to_manage and _is_namesake(controller, meta, owner):
        return Ownership.ORPHAN
    return Ownership.FOREIGN


def surplus(desired: Iterable[Manifest], live: Iterable[Manifest], owner: Owner) -> tuple[Ref, ...]:
    """Children that the owner has and does not want: a store after a move to an external one, say."""
    wanted = {ref_of(manifest) for manifest in desired}
    ours = (ref_of(manifest) for manifest in live if ownership(manifest, owner) is Ownership.OURS)
    return tuple(ref for ref in ours if ref not in wanted)


def _controller(meta: dict[str, Any]) -> dict[str, Any] | None:
    references: list[dict[str, Any]] = meta.get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def _is_namesake(controller: dict[str, Any] | None, meta: dict[str, Any], owner: Owner) -> bool:
    """Whether the object was made for an object of the owner's kind and name.

    One without an owner, as a deletion with `--cascade=orphan` or a backup leaves it, is known by its labels.
    """
    if controller is None:
        return bool((meta.get("labels") or {}).get(INSTANCE_LABEL) == owner.name)
    group = str(controller.get("apiVersion", "")).partition("/")[0]
    return (group, controller.get("kind"), controller.get("name")) == (GROUP, owner.kind, owner.name)
