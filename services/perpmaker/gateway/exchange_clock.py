"""The exchange's clock seen from here: from question and answer times, never more certain than they allow."""

from __future__ import annotations

import asyncio
from collections import deque

from perpmaker.common.clock import Clock

WARN_OFFSET_MS = 250
COMMIT_LAG_MS = 200
"""What an answer may lag the newest block: about two blocks of 70 ms."""

_SAMPLES = 5


class ExchangeClock:
    """Offset of the exchange's clock to ours; 0 until the first sample."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._intervals: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)
        self.doubted = asyncio.Event()
        """Set while the exchange's words contradict the measured offset: it must be measured anew."""

    def observe(self, asked_ms: int, answered_ms: int, exchange_ms: int) -> None:
        """Take one answer of the exchange's time: its offset lies between the two ends of the exchange of words."""
        if self.doubted.is_set():
            # What was measured before the doubt is what is doubted.
            self._intervals.clear()
            self.doubted.clear()
        self._intervals.append((exchange_ms - answered_ms, exchange_ms - asked_ms))

    def doubt(self) -> None:
        """Trust the offset no longer until the next sample: the exchange refused a nonce for its time."""
        self.doubted.set()

    @property
    def is_doubted(self) -> bool:
        """Whether the offset must be measured before anything relies on it."""
        return self.doubted.is_set()

    @property
    def offset_ms(self) -> int:
        """Exchange clock minus ours: what the quickest answer allows, nearest to zero."""
        low, high = min(self._intervals, key=lambda interval: interval[1] - interval[0], default=(0, 0))
        return min(max(0, low), high)

    def now_ms(self) -> int:
        """Exchange time now, best estimate."""
        return self._clock.now_ms() + self.offset_ms

    def at_least_ms(self) -> int:
        """A time whose every event an answer to a question asked now surely contains.

        Exchange times are those of blocks, which are stamped before they can be read, so the most pessimistic recent
        sample counts and the commit lag is taken off.
        """
        low = min((interval[0] for interval in self._intervals), default=0)
        return self._clock.now_ms() + low - COMMIT_LAG_MS
