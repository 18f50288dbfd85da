"""Nonces of one signer: strictly increasing milliseconds, across restarts and clock jumps.

The exchange remembers a window of nonces per signer and refuses repetitions, so that two actions of one millisecond
must differ and a clock that was set back must not reuse the past. Source: Hyperliquid docs, "Nonces and API wallets".
"""

from __future__ import annotations

from perpmaker.common.clock import Clock

REMEMBERED = 100
"""So many of a signer's highest nonces the exchange remembers; the lowest of them is the least it takes."""

FARTHEST_FLOOR_MS = 365 * 24 * 3600 * 1000
"""A least nonce farther ahead of this clock than this is not believed."""

MAX_LEAD_MS = 24 * 3600 * 1000
"""The exchange refuses nonces farther in its future than this."""


class Nonces:
    """The one source of nonces of a process."""

    __slots__ = ("_clock", "_last")

    def __init__(self, clock: Clock, highest_recorded: int) -> None:
        """Begin above the clock and above `highest_recorded`, the highest nonce of any earlier process (0 for none)."""
        self._clock = clock
        self._last = highest_recorded

    @property
    def highest(self) -> int:
        """Highest nonce given out or recorded."""
        return self._last

    def take(self) -> int:
        """Next nonce: the clock, or one more than the last when the clock has not moved past it."""
        self._last = max(self._clock.now_ms(), self._last + 1)
        return self._last

    def lift(self, floor: int) -> None:
        """Go on above the least nonce that the exchange takes: another process has used higher ones.

        That one is the lowest of those remembered, and the others may follow it without a hole, so all are passed over.
        Or this clock is far behind. What no clock of a machine in service is off by is ignored.
        """
        if floor <= self._clock.now_ms() + FARTHEST_FLOOR_MS:
            self._last = max(self._last, floor + REMEMBERED - 1)

    def lead_ms(self) -> int:
        """How far the next nonce is ahead of the clock; beyond MAX_LEAD_MS the exchange refuses it."""
        return max(0, self._last + 1 - self._clock.now_ms())
