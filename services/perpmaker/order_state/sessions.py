"""Whether the newest session of a market is at work: it has given a sign of life a moment ago."""

from __future__ import annotations

from perpmaker.common.attendance import SILENCE_S
from perpmaker.common.clock import Clock


class Sessions:
    """When the newest session of each market was last heard; before it was, the beginning counts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._heard_s: dict[str, float] = {}

    def heard(self, market: str) -> None:
        """The newest session of a market gave a sign of life, or was granted."""
        self._heard_s[market] = self._clock.monotonic_s()

    def is_silent(self, market: str) -> bool:
        """Whether another session may take its place."""
        return self._clock.monotonic_s() - self._heard_s.get(market, self._began_s) >= SILENCE_S
