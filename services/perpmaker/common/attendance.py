"""Whether a caller on whom others rely is there: its stream is open, or ended only a moment ago."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from perpmaker.common.clock import Clock

PATIENCE_S: Final = 15.0
"""A caller that restarts is back within this."""


class Attendance:
    """Callers present now, and when the last one was seen; the beginning counts as having seen one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callers = 0
        self._seen_s = clock.monotonic_s()

    @contextmanager
    def caller(self) -> Iterator[None]:
        """A caller for as long as the block lasts."""
        self._callers += 1
        try:
            yield
        finally:
            self._callers -= 1
            self._seen_s = self._clock.monotonic_s()

    @property
    def is_given(self) -> bool:
        """Whether a caller is there, or was a moment ago."""
        return self._callers > 0 or self._clock.monotonic_s() - self._seen_s <= PATIENCE_S
