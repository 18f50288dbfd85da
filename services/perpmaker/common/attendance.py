"""Whether a caller on whom others rely is there: it has given a sign of life a moment ago.

An open stream is no such sign: a peer whose node is gone, or whose process hangs, leaves its stream open for a while.
Only of a caller that never gave one, as those of earlier releases do not, the stream has to do. A caller may say that
it is about to end and needs its receiver until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from perpmaker.common.clock import Clock

PATIENCE_S: Final = 15.0
"""A caller that restarts is back within this."""

SILENCE_S: Final = 3.0
"""Three times the distance of two signs of life."""


class Caller:
    """One caller, for as long as its stream is open."""

    def __init__(self, attendance: Attendance) -> None:
        self._attendance = attendance
        self.shows_life = False
        self.is_leaving = False

    def seen(self, *, leaving: bool = False) -> None:
        """It gave a sign of life, and with it said whether it is about to end."""
        self.shows_life = True
        self.is_leaving = leaving
        self._attendance.note()


class Attendance:
    """Callers present now, and when one was last heard; the beginning counts as having heard one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callers: set[Caller] = set()
        self._seen_s = clock.monotonic_s()
        self.on_return: Callable[[], None] = lambda: None
        """Called when a caller is heard again after a silence."""

    def note(self) -> None:
        """Some caller was heard now."""
        now_s = self._clock.monotonic_s()
        was_silent = now_s - self._seen_s >= SILENCE_S
        self._seen_s = now_s
        if was_silent:
            self.on_return()

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        """A caller whose stream is open for as long as the block lasts; opening it is a sign of life."""
        caller = Caller(self)
        self._callers.add(caller)
        self.note()
        try:
            yield caller
        finally:
            self._callers.discard(caller)
            if not caller.shows_life:
                self.note()

    @property
    def silence_s(self) -> float:
        """Time since the last sign of life."""
        if not all(caller.shows_life for caller in self._callers):
            return 0.0
        return self._clock.monotonic_s() - self._seen_s

    @property
    def is_given(self) -> bool:
        """Whether a caller is there, or was a moment ago."""
        return self.silence_s <= PATIENCE_S

    @property
    def is_attached(self) -> bool:
        """Whether a caller's stream is open and not silent."""
        return bool(self._callers) and self.is_given

    @property
    def is_leaving(self) -> bool:
        """Whether a caller that is there is about to end."""
        return self.is_attached and any(caller.is_leaving for caller in self._callers)
