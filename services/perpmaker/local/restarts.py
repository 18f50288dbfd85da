"""When a dead child is started again, after which pause, and when the runner gives up on it."""

from __future__ import annotations

from dataclasses import dataclass

CANNOT_START = 2
"""Exit code by which a service says that starting it again as it is configured is pointless."""

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 2.0
MAX_FAILED_STARTS = 10
"""Deaths in a row without having been ready in between, for a child that was ready before."""
MAX_FAILED_FIRST_STARTS = 3
"""The same for a child that never was."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after a pause."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not start it again."""

    why: str


def after_exit(*, code: int, restartable: bool, ever_ready: bool, failed_starts: int) -> Restart | GiveUp:
    """Decide what follows the death of a child.

    `ever_ready`: some earlier incarnation of it was ready, so its configuration is sound and "cannot start" may pass
    (its store is away for a moment). `failed_starts`: deaths in a row without readiness, this one included.
    """
    if not restartable:
        return GiveUp("it cannot be restarted faithfully: its state lived in its memory")
    if code == CANNOT_START and not ever_ready:
        return GiveUp("it cannot start")
    if failed_starts >= (MAX_FAILED_STARTS if ever_ready else MAX_FAILED_FIRST_STARTS):
        return GiveUp(f"it died {failed_starts} times in a row before it was ready")
    return Restart(min(FIRST_PAUSE_S * 2 ** max(0, failed_starts - 1), MAX_PAUSE_S))
