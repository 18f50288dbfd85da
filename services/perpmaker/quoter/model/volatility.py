"""Volatility of the mid in basis points per square root of a second, robust to jumps, O(1) per sample.

Guarantees: the estimate is finite and inside [FLOOR, CAP] whatever it is fed; it starts at the prior and
forgets it with time alone (never by own fills); one observation moves it at most once per sampling interval.

Bipower variation (Barndorff-Nielsen and Shephard 2004) multiplies neighbouring absolute returns, so a
single jump does not raise it; realised variance does rise. Their ratio is the jump measure. On a coarse tick
grid most returns are zero and bipower collapses, hence realised variance is discounted by at most JUMP_TOXIC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SAMPLE_NS = 250_000_000
HALF_LIFE_S = 30.0
PRIOR_SIGMA = 2.5
"""2.5e-4 per square root of a second."""
CAP_SIGMA = 10 * PRIOR_SIGMA
FLOOR_SIGMA = 0.02
JUMP_TOXIC = 3.0
"""Realised over bipower variance from which on the market jumps rather than diffuses."""
_BIPOWER = math.pi / 2
_MAX_GAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Volatility:
    """State of the estimator; variances in bps^2 per second."""

    realised: float = PRIOR_SIGMA**2
    bipower: float = PRIOR_SIGMA**2
    last_mid: float = 0.0
    last_ns: int = 0
    last_rate: float = -1.0
    """Absolute return of the previous sample per square root of a second; negative when there is none."""
    samples: int = 0

    @property
    def _is_sane(self) -> bool:
        return 0 <= self.realised < math.inf and 0 <= self.bipower < math.inf

    @property
    def sigma_bps(self) -> float:
        """Volatility, bps per square root of a second; not a number when the state is not."""
        if not self._is_sane:
            return math.nan
        variance = max(self.bipower, self.realised / JUMP_TOXIC)
        return min(max(math.sqrt(variance), FLOOR_SIGMA), CAP_SIGMA)

    @property
    def jump_ratio(self) -> float:
        """Realised over bipower variance, at least 1; not a number when the state is not."""
        if not self._is_sane:
            return math.nan
        floor = FLOOR_SIGMA**2
        return max(1.0, max(self.realised, floor) / max(self.bipower, floor))


def observe_mid(state: Volatility, mid: float, now_ns: int) -> Volatility:
    """Take a mid; ignored when it is not a positive finite number or when the sampling interval is not
    over."""
    if not (math.isfinite(mid) and mid > 0):
        return state
    if state.last_mid <= 0:
        return Volatility(state.realised, state.bipower, mid, now_ns)
    elapsed_ns = now_ns - state.last_ns
    if elapsed_ns < SAMPLE_NS:
        return state
    elapsed_s = elapsed_ns / 1e9
    # A return over a hole in the feed is one sample of unknown shape: it moves the variance by its length capped.
    weight = 1.0 - math.exp2(-min(elapsed_s, _MAX_GAP_S) / HALF_LIFE_S)
    rate = abs(math.log(mid / state.last_mid)) * 1e4 / math.sqrt(elapsed_s)
    rate = min(rate, 10 * CAP_SIGMA)
    bipower = state.bipower
    if state.last_rate >= 0:
        bipower += weight * (_BIPOWER * rate * state.last_rate - bipower)
    return Volatility(
        realised=state.realised + weight * (rate * rate - state.realised),
        bipower=bipower,
        last_mid=mid,
        last_ns=now_ns,
        last_rate=rate,
        samples=state.samples + 1,
    )
