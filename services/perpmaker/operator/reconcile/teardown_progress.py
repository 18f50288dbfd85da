"""How far a teardown is: what is known beyond its step, how patient it is, and what status says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from perpmaker.api.v1alpha1.shared import TeardownStep as Step
from perpmaker.operator import names, times
from perpmaker.operator.conditions import findings
from perpmaker.operator.conditions.findings import Finding, false
from perpmaker.operator.conditions.maker import Verdict, reconciling, stalled
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.teardown.table import Proof

APART_S: Final = 2.0
"""Between two snapshots that together are a proof: longer than an answer of the exchange can be late."""
POLL_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0
FAILED_AFTER: Final = 3
"""Tries of a cancel after which a person is told."""
GONE_AFTER: Final = 3
"""Calls without an answer after which a missing Deployment means that nobody is there."""
_ERROR_LENGTH: Final = 1024
BREAK_GLASS: Final = f"To release it all the same, put its uid into the annotation {names.FORCE_DELETE}"


@dataclass(slots=True)
class Progress:
    """What is known of one teardown beyond its step."""

    step_since_s: float
    proofs_s: list[float] = field(default_factory=list)
    """When the exchange showed no order of ours, since the market was last open."""
    is_closed: bool = False
    flatten_begun: bool = False
    flatten_is_over: bool = False
    is_flat: bool = False
    drained: bool = False
    silent: int = 0
    """Calls to risk in a row that were not answered."""
    attempts: int = 0
    error: str = ""

    @property
    def proof(self) -> Proof:
        """What the exchange has shown."""
        if not self.proofs_s:
            return Proof.NONE
        return Proof.TWICE if self.proofs_s[-1] - self.proofs_s[0] >= APART_S else Proof.ONCE


def teardown_status(
    now_ms: Callable[[], int],
    body: Manifest,
    *,
    step: Step,
    started_at: str,
    attempts: int,
    error: str,
    problem: Verdict | None,
) -> dict[str, Any]:
    """Status with the progress of a teardown; conditions of what is no longer looked at stay as they were."""
    before = body.get("status") or {}
    generation = body["metadata"].get("generation", 1)
    judged: list[Finding] = [
        false(ConditionType.READY, Reason.TERMINATING, f"it is being deleted: {step.value}"),
        reconciling(Verdict(Reason.TERMINATING, f"teardown: {step.value}{f'; {error}' if error else ''}")),
        stalled(problem),
    ]
    listed = before.get("conditions") or []
    fresh = findings.conditions(judged, listed, generation=generation, now=times.from_ms(now_ms()))
    replaced = {item["type"]: item for item in fresh}
    kept = [replaced.pop(item["type"], item) for item in listed]
    teardown: dict[str, Any] = {"step": step.value, "startedAt": started_at, "attempts": attempts}
    if error:
        teardown["lastError"] = error[:_ERROR_LENGTH]
    return {
        **before,
        "observedGeneration": generation,
        "conditions": [*kept, *replaced.values()],
        "teardown": teardown,
    }
