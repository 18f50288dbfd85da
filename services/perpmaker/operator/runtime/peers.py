"""Which copy of the operator works, read from the peering objects that kopf keeps: pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from perpmaker.operator.interfaces import Manifest


def is_leader(peerings: Iterable[Manifest], identity: str, priority: int, now: datetime) -> bool:
    """Whether no live copy with the same or a higher priority is entered beside us."""
    for peering in peerings:
        for peer, told in (peering.get("status") or {}).items():
            if peer == identity or not isinstance(told, dict):
                continue
            seen = datetime.fromisoformat(told["lastseen"])
            alive = now < seen + timedelta(seconds=int(told.get("lifetime", 60)))
            if alive and int(told.get("priority", 0)) >= priority:
                return False
    return True
