"""When to connect again: soon at first, slower each time, never in step with others. Pure."""

from __future__ import annotations

FIRST_S = 0.2
LONGEST_S = 10.0
STABLE_S = 5.0
"""A connection that lived this long was a success; the next loss begins at FIRST_S again."""


def reconnect_delay_s(attempt: int, jitter: float) -> float:
    """Pause before the attempt (0 is the first after a loss); `jitter` in 0..1 takes up to half of it away."""
    full = min(LONGEST_S, FIRST_S * float(1 << min(attempt, 16)))
    return full * (1 - jitter / 2)
