"""Share of the last hour in which both sides rested: what a market maker is measured by. Pure but for its own sums."""

from __future__ import annotations

from collections import deque
from typing import Final

_BUCKET_S: Final = 60.0
_BUCKETS: Final = 60
_PPM: Final = 1_000_000


class TwoSided:
    """Time observed and time with orders on both sides, by minute, an hour back at most."""

    def __init__(self) -> None:
        self._begun_s: deque[float] = deque(maxlen=_BUCKETS)
        self._sums: deque[tuple[float, float]] = deque(maxlen=_BUCKETS)

    def observe(self, now_s: float, elapsed_s: float, *, both: bool) -> None:
        """Add a stretch of time that ends now; monotonic seconds."""
        while self._begun_s and now_s - self._begun_s[0] >= _BUCKET_S * _BUCKETS:
            self._begun_s.popleft()
            self._sums.popleft()
        if not self._begun_s or now_s - self._begun_s[-1] >= _BUCKET_S:
            self._begun_s.append(now_s)
            self._sums.append((0.0, 0.0))
        total_s, both_s = self._sums[-1]
        self._sums[-1] = (total_s + elapsed_s, both_s + (elapsed_s if both else 0.0))

    @property
    def ppm(self) -> int:
        """Share of the time observed, parts per million; 0 before any was."""
        total_s = sum(total for total, _ in self._sums)
        return round(_PPM * sum(both for _, both in self._sums) / total_s) if total_s > 0 else 0
