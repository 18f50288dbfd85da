"""What an asset is worth: a random walk in log price with a mild pull back to where it began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random


@dataclass(slots=True)
class FairPrice:
    """Volatility is in basis points per square root of a second; the pull halves a deviation in ten minutes."""

    start_px_e8: int
    vol_bps: float
    rng: Random
    _log_move: float = 0.0

    def advance(self, elapsed_s: float) -> None:
        pull = self._log_move * math.log(2) / 600 * elapsed_s
        shock = self.rng.gauss(0.0, self.vol_bps / 10_000 * math.sqrt(elapsed_s))
        self._log_move += shock - pull

    @property
    def px_e8(self) -> int:
        return round(self.start_px_e8 * math.exp(self._log_move))
