"""The exchange's clock seen from here: an interval that surely contains its offset, from question and answer times."""

from __future__ import annotations

from perpmaker.common.clock import Clock

WARN_OFFSET_MS = 250


class ExchangeClock:
    """Offset of the exchange's clock to ours; 0 until the first sample."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._low_ms = 0
        self._high_ms = 0
        self.has_sample = False

    def observe(self, asked_ms: int, answered_ms: int, exchange_ms: int) -> None:
        """Take one answer of the exchange's time.

        Intervals of several samples are intersected; when they contradict each other a clock has moved, and the newest
        counts.
        """
        low, high = exchange_ms - answered_ms, exchange_ms - asked_ms
        if self.has_sample and max(low, self._low_ms) <= min(high, self._high_ms):
            low, high = max(low, self._low_ms), min(high, self._high_ms)
        self._low_ms, self._high_ms = low, high
        self.has_sample = True

    @property
    def offset_ms(self) -> int:
        """Exchange clock minus ours, best estimate: the end of the interval that is nearer to zero, or its inside."""
        return min(max(0, self._low_ms), self._high_ms)

    def now_ms(self) -> int:
        """Exchange time now, best estimate."""
        return self._clock.now_ms() + self.offset_ms

    def at_least_ms(self) -> int:
        """A time that the exchange's clock has surely reached by now."""
        return self._clock.now_ms() + self._low_ms
