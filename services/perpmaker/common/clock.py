"""Time as a dependency: real in services, driven by hand in tests."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for the exchange and for people, monotonic time for every duration."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def monotonic_s(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def monotonic_ns(self) -> int:
        """The same clock in nanoseconds."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """See Clock."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """See Clock."""
        return time.monotonic()

    def monotonic_ns(self) -> int:
        """See Clock."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ms: int = 1_760_000_000_000) -> None:
        self._start_ms = now_ms
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """See Clock."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """See Clock."""
        return (self._now_ms - self._start_ms) / 1000

    def monotonic_ns(self) -> int:
        """See Clock."""
        return (self._now_ms - self._start_ms) * 1_000_000

    def advance_ms(self, ms: int) -> None:
        """Move both clocks forward."""
        self._now_ms += ms
