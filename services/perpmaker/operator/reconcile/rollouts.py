"""One slot for replacing pods: however many want a new version at once, markets stop quoting one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perpmaker.common.clock import Clock
from perpmaker.operator.interfaces import Ref

GATHER_S: Final = 1.0
"""Nobody gets the slot sooner than this after asking, so that whoever risks less can ask as well."""
FORGOTTEN_S: Final = 5.0
"""Who has not asked again for this long waits no more."""
STUCK_S: Final = 180.0
"""A replacement that takes longer gives the slot to the next: one broken node must not stop all others."""

TAKE_OVER_S: Final = 30.0
"""How long after its start an operator looks for replacements that one before it has begun."""


@dataclass(slots=True)
class _Waiting:
    rank: int
    since_s: float
    asked_at_s: float


class Slot:
    """One replacement at a time, with a pause before the next; the least risk first."""

    def __init__(self, clock: Clock, pause_s: float) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self._waiting: dict[Ref, _Waiting] = {}
        self._holder: Ref | None = None
        self._was_granted = False
        self._taken_at_s = 0.0
        self._free_from_s = clock.monotonic_s()
        self._made_at_s = clock.monotonic_s()

    def notice(self, ref: Ref) -> None:
        """A replacement is under way that was not begun here: soon after a start it has the slot, if nobody has.

        Later it is no replacement but trouble, and trouble of one must not hold up all.
        """
        now_s = self._clock.monotonic_s()
        if self._holder is None and now_s - self._made_at_s < TAKE_OVER_S:
            self._holder, self._was_granted, self._taken_at_s = ref, False, now_s

    def take(self, ref: Ref, rank: int = 0) -> bool:
        """Ask for the slot, again and again until granted; the lowest rank, then the first name, gets it."""
        now_s = self._clock.monotonic_s()
        if self._holder == ref:
            return True
        known = self._waiting.get(ref)
        is_new = known is None or now_s - known.asked_at_s > FORGOTTEN_S
        since_s = now_s if known is None or is_new else known.since_s
        self._waiting[ref] = _Waiting(rank, since_s, now_s)
        if self._holder is not None and now_s - self._taken_at_s < STUCK_S:
            return False
        if self._holder is None and now_s < self._free_from_s:
            return False
        self._waiting = {r: w for r, w in self._waiting.items() if now_s - w.asked_at_s <= FORGOTTEN_S}
        first = min(self._waiting, key=lambda r: (self._waiting[r].rank, r.namespace, r.name))
        if first != ref or now_s - since_s < GATHER_S:
            return False
        del self._waiting[ref]
        self._holder, self._was_granted, self._taken_at_s = ref, True, now_s
        return True

    def done(self, ref: Ref) -> bool:
        """The replacement has finished, or the object is gone; whether it was begun here."""
        self._waiting.pop(ref, None)
        if self._holder != ref:
            return False
        self._holder = None
        if self._was_granted:
            self._free_from_s = self._clock.monotonic_s() + self._pause_s
        return self._was_granted

    def holds(self, ref: Ref) -> bool:
        """Whether a replacement is under way."""
        return self._holder == ref

    def is_wanted_by(self, ref: Ref) -> bool:
        """Whether a replacement is under way or waits for its turn."""
        waiting = self._waiting.get(ref)
        return self.holds(ref) or (
            waiting is not None and self._clock.monotonic_s() - waiting.asked_at_s <= FORGOTTEN_S
        )

    def held_s(self) -> float:
        """How long the replacement that is under way has taken; 0 when none is."""
        return 0.0 if self._holder is None else self._clock.monotonic_s() - self._taken_at_s


class Rollouts:
    """A slot for quoters and one for accounts."""

    def __init__(self, clock: Clock, pause_s: float) -> None:
        self.quoters = Slot(clock, pause_s)
        self.accounts = Slot(clock, pause_s)
