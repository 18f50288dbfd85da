"""Conditions as values, and how a new judgement becomes the list in status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perpmaker.api.v1alpha1.shared import ConditionStatus
from perpmaker.operator.conditions.reasons import ConditionType, Reason

_MESSAGE_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement. `message` holds the facts and, where something is wrong, the remedy."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        """Whether the condition is True."""
        return self.status is ConditionStatus.TRUE


def true(type_: ConditionType, reason: Reason, message: str) -> Finding:
    """It holds."""
    return Finding(type_, ConditionStatus.TRUE, reason, message)


def false(type_: ConditionType, reason: Reason, message: str) -> Finding:
    """It does not."""
    return Finding(type_, ConditionStatus.FALSE, reason, message)


def unknown(type_: ConditionType, reason: Reason, message: str) -> Finding:
    """Nobody can tell."""
    return Finding(type_, ConditionStatus.UNKNOWN, reason, message)


def conditions(
    findings: Iterable[Finding], before: Sequence[Mapping[str, Any]], *, generation: int, now: str
) -> list[dict[str, Any]]:
    """The list for status: `lastTransitionTime` moves only where the status did. `now` is an RFC 3339 time."""
    known = {item.get("type"): item for item in before}
    listed = []
    for finding in findings:
        old = known.get(finding.type.value)
        stays = old is not None and old.get("status") == finding.status.value
        listed.append(
            {
                "type": finding.type.value,
                "status": finding.status.value,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if stays and old is not None else now,
                "reason": finding.reason.value,
                "message": finding.message[:_MESSAGE_LENGTH],
            }
        )
    return listed


def find(listed: Sequence[Mapping[str, Any]] | None, type_: ConditionType) -> Mapping[str, Any] | None:
    """One condition of a status."""
    return next((item for item in listed or () if item.get("type") == type_.value), None)


def is_true(listed: Sequence[Mapping[str, Any]] | None, type_: ConditionType) -> bool:
    """Whether a condition of a status holds."""
    found = find(listed, type_)
    return found is not None and found.get("status") == ConditionStatus.TRUE.value
