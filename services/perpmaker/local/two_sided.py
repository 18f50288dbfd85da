"""How long a market was quoted on both sides: a clock that is told of every change and integrates over time."""

from __future__ import annotations

WARM_UP_S = 10.0
"""Time after the quoters became ready that does not count."""


class TwoSidedClock:
    """Integrates "a bid and an ask of ours are resting" over monotonic time; what is not seen counts as not quoted."""

    def __init__(self) -> None:
        self._counts_from_s: float | None = None
        self._ended_s: float | None = None
        self._since_s = 0.0
        self._quoted = False
        self._quoted_s = 0.0

    def begin(self, now_s: float) -> None:
        """Count from the end of the warm-up that begins now."""
        self._counts_from_s = now_s + WARM_UP_S

    def end(self, now_s: float) -> None:
        """Count no further."""
        self.set(False, now_s)
        if self._ended_s is None:
            self._ended_s = now_s

    def set(self, quoted: bool, now_s: float) -> None:
        """Both sides are quoted, or not, from now on."""
        self._quoted_s += self._running_s(now_s)
        self._quoted, self._since_s = quoted, now_s

    def ratio(self, now_s: float) -> float | None:
        """Share of the counted time, 0 to 1; None while nothing counts yet."""
        if self._counts_from_s is None:
            return None
        total_s = (now_s if self._ended_s is None else self._ended_s) - self._counts_from_s
        if total_s <= 0:
            return None
        return min(1.0, (self._quoted_s + self._running_s(now_s)) / total_s)

    def _running_s(self, now_s: float) -> float:
        """Counted part of the stretch that runs since the last change."""
        if not self._quoted or self._counts_from_s is None or self._ended_s is not None:
            return 0.0
        return max(0.0, now_s - max(self._since_s, self._counts_from_s))
