"""What a monitor says: how bad, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from perpmaker.risk.shares import ONE_PPM


class Severity(IntEnum):
    """Scale of the contract's `Check.severity`."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Action(IntEnum):
    """What follows from a finding; each implies every one before it. In brackets who carries it out.

    NONE: nothing, or only the factors (quoter). REDUCE_ONLY: nothing that adds to a position (order-state's gate).
    HOLD: nothing at all is quoted (quoter). PULL: the book is emptied (risk's executor, once per episode).
    KILL: the latch (risk's executor, until acknowledged).
    """

    NONE = 0
    REDUCE_ONLY = 1
    HOLD = 2
    PULL = 3
    KILL = 4


_SEVERITY_OF = {
    Action.REDUCE_ONLY: Severity.HIGH,
    Action.HOLD: Severity.HIGH,
    Action.PULL: Severity.HIGH,
    Action.KILL: Severity.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. `reason` is a short stable word, `detail` is for people."""

    check: str
    reason: str
    severity: Severity = Severity.NONE
    action: Action = Action.NONE
    detail: str = ""
    utilization_ppm: int = 0
    size_factor_ppm: int = ONE_PPM
    spread_factor_ppm: int = ONE_PPM

    @property
    def restricts(self) -> bool:
        """Whether it changes the permission at all."""
        return self.action is not Action.NONE or self.size_factor_ppm < ONE_PPM or self.spread_factor_ppm > ONE_PPM


def passed(check: str, utilization_ppm: int = 0) -> Finding:
    """The check holds; its use of the limit is shown."""
    return Finding(check, check, utilization_ppm=utilization_ppm)


def warned(check: str, reason: str, detail: str, utilization_ppm: int = 0) -> Finding:
    """Somebody should look; nothing is restricted."""
    return Finding(check, reason, Severity.MEDIUM, detail=detail, utilization_ppm=utilization_ppm)


def demanded(check: str, reason: str, action: Action, detail: str, utilization_ppm: int = 0) -> Finding:
    """An action follows; its severity is the action's."""
    return Finding(check, reason, _SEVERITY_OF[action], action, detail, utilization_ppm)
