"""Which copy of the operator works, read from the peering objects that kopf keeps: pure.

A copy begins only when its own entry has been seen: from then on the copies before it can know that they have to wait.
Later its entry may be missing without meaning anything, as kopf removes it when the API server was away for longer
than its lifetime, and enters it again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from perpmaker.operator.interfaces import Manifest


class Standing(enum.Enum):
    """What a copy of the operator is among the others."""

    JOINING = "joining"
    """Its entry has not been seen yet, so another one may be at work that does not know of it."""
    WORKS = "works"
    WAITS = "waits"
    """A live copy with the same or a higher priority is entered."""


def has_joined(peerings: Sequence[Manifest], identity: str) -> bool:
    """Whether we are entered in every peering object, of which there has to be one."""
    return bool(peerings) and all(identity in (peering.get("status") or {}) for peering in peerings)


def standing(
    peerings: Iterable[Manifest], identity: str, priority: int, now: datetime, *, has_joined: bool
) -> Standing:
    """Where we stand; `has_joined` is whether our entry has been seen at any time."""
    if not has_joined:
        return Standing.JOINING
    rivals = (told for peering in peerings for told in _others(peering, identity))
    waits = any(_is_alive(told, now) and int(told.get("priority", 0)) >= priority for told in rivals)
    return Standing.WAITS if waits else Standing.WORKS


def _others(peering: Manifest, identity: str) -> Iterator[dict[str, Any]]:
    for peer, told in (peering.get("status") or {}).items():
        if peer != identity and isinstance(told, dict):
            yield told


def _is_alive(told: dict[str, Any], now: datetime) -> bool:
    return now < datetime.fromisoformat(told["lastseen"]) + timedelta(seconds=int(told.get("lifetime", 60)))
