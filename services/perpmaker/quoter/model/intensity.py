"""How fast fills get rarer with distance: intensity A exp(-kappa x distance), learned from public trades.

Guarantees: kappa and the arrival rate are positive, finite and bounded; both start at a prior and move with
market trades only, never with our own fill count (a spread that waits for own fills to narrow may wait for
ever).

Kappa is the mean of a Gamma posterior over exponentially forgotten reaches: how far beyond the touch a trade went.
The exponential has no memory, so the reach beyond the touch says as much as the distance from the fair price, and is
not biased where takers merely found nothing closer: measured from the fair price, a wide market would look like one
that pays for being wide, and stay so. The arrival rate is trades per second over the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

PRIOR_DISTANCE_BPS = 4.0
"""Kappa of 2500 per unit of price."""
PRIOR_TRADES = 10.0
PRIOR_ARRIVALS_PER_S = 1.0
PRIOR_SECONDS = 10.0
KAPPA_RANGE = (0.005, 1.0)
ARRIVAL_RANGE = (0.05, 20.0)
_MAX_DISTANCE_BPS = 200.0


@dataclass(frozen=True, slots=True)
class Intensity:
    """State of the estimator: forgotten sums over trades, their reach and time."""

    trades: float = 0.0
    distance_bps: float = 0.0
    seconds: float = 0.0
    last_ns: int = 0
    seen: int = 0
    """Trades ever handled."""

    @property
    def kappa_per_bps(self) -> float:
        """Decay of fills with distance, per bps."""
        raw = (PRIOR_TRADES + self.trades) / (PRIOR_TRADES * PRIOR_DISTANCE_BPS + self.distance_bps)
        return min(max(raw, KAPPA_RANGE[0]), KAPPA_RANGE[1])

    @property
    def arrivals_per_s(self) -> float:
        """Market trades per second."""
        raw = (PRIOR_ARRIVALS_PER_S * PRIOR_SECONDS + self.trades) / (PRIOR_SECONDS + self.seconds)
        return min(max(raw, ARRIVAL_RANGE[0]), ARRIVAL_RANGE[1])


def observe_trades(
    state: Intensity, prices_e8: Iterable[int], touch_e8: tuple[int, int] | None, now_ns: int, *, window_s: float
) -> Intensity:
    """Take the trades since the last call, each exactly once, against best bid and ask before them.

    `window_s` is the memory: weights fall to 1/e over it. Without a touch the trades are counted as seen only.
    """
    if state.last_ns == 0:
        state = Intensity(last_ns=now_ns, seen=state.seen)
    elapsed_s = max(0.0, (now_ns - state.last_ns) / 1e9)
    kept = math.exp(-elapsed_s / window_s)
    trades = state.trades * kept
    distance = state.distance_bps * kept
    seen = state.seen
    for px_e8 in prices_e8:
        seen += 1
        if touch_e8 is None or px_e8 <= 0:
            continue
        bid_e8, ask_e8 = touch_e8
        reach_e8 = max(0, px_e8 - ask_e8, bid_e8 - px_e8)
        trades += 1.0
        distance += min(reach_e8 / px_e8 * 1e4, _MAX_DISTANCE_BPS)
    return Intensity(
        trades=trades,
        distance_bps=distance,
        seconds=state.seconds * kept + window_s * (1.0 - kept),
        last_ns=now_ns,
        seen=seen,
    )
