"""Oracle and mark price of one market.

Mark is the median of: oracle plus a 150 s average of (mid - oracle); the median of best bid, best ask and last
trade; and a 30 s average of the second, which stands in for other exchanges' perpetuals. A pinned mark stays
where the control port put it. Source: Hyperliquid documentation, "Robust price indices".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median

from perpmaker.venue.units import scaled

_BASIS_S = 150.0
_BOOK_S = 30.0


@dataclass(slots=True)
class _Average:
    """The exchange's exponential average: numerator and denominator decay together."""

    span_s: float
    numerator: float = 0.0
    denominator: float = 0.0

    def add(self, sample: float, elapsed_s: float) -> float:
        decay = math.exp(-elapsed_s / self.span_s)
        self.numerator = self.numerator * decay + sample * elapsed_s
        self.denominator = self.denominator * decay + elapsed_s
        return self.numerator / self.denominator if self.denominator else sample


@dataclass(slots=True)
class Marks:
    """Current prices of one market, all scaled by 1e8."""

    oracle_px_e8: int
    mark_px_e8: int
    last_px_e8: int
    pinned: bool = False
    previous_px_e8: int = 0
    """The mark before this one, at which winners are deleveraged."""
    is_builder: bool = False
    """Of a builder-deployed dex: the premium is the middle of the impact prices, without a dead zone."""
    funding_multiplier_e6: int = 10**6
    premium_sum_e8: int = 0
    premium_samples: int = 0
    updated_ms: int | None = None
    _basis: _Average = field(default_factory=lambda: _Average(_BASIS_S))
    _book: _Average = field(default_factory=lambda: _Average(_BOOK_S))

    def update(self, oracle_px_e8: int, best_bid: int | None, best_ask: int | None, now_ms: int) -> int:
        """Publish a new oracle price and derive the mark from it. Returns the mark before rounding."""
        elapsed_s = 3.0 if self.updated_ms is None else max((now_ms - self.updated_ms) / 1000, 0.001)
        self.updated_ms = now_ms
        self.previous_px_e8 = self.mark_px_e8
        if self.pinned:
            return self.mark_px_e8
        self.oracle_px_e8 = oracle_px_e8
        if best_bid is None or best_ask is None:
            return oracle_px_e8
        mid = (best_bid + best_ask) / 2
        from_oracle = oracle_px_e8 + self._basis.add(mid - oracle_px_e8, elapsed_s)
        from_book = median((best_bid, best_ask, self.last_px_e8))
        return round(median((from_oracle, from_book, self._book.add(from_book, elapsed_s))))

    def pin(self, px_e8: int) -> None:
        self.previous_px_e8 = self.mark_px_e8
        self.oracle_px_e8 = self.mark_px_e8 = px_e8
        self.pinned = True

    def unpin(self) -> None:
        self.pinned = False

    def sample_premium(self, impact_bid: int | None, impact_ask: int | None) -> None:
        """Every 5 s: how far the book leans from the oracle, as a fraction scaled by 1e8."""
        self.premium_sum_e8 += self.premium_e8(impact_bid, impact_ask) or 0
        self.premium_samples += 1

    def premium_e8(self, impact_bid: int | None, impact_ask: int | None) -> int | None:
        if impact_bid is None or impact_ask is None:
            return None
        if self.is_builder:
            return scaled(impact_bid + impact_ask - 2 * self.oracle_px_e8, 10**8, 2 * self.oracle_px_e8)
        lean = max(impact_bid - self.oracle_px_e8, 0) - max(self.oracle_px_e8 - impact_ask, 0)
        return lean * 10**8 // self.oracle_px_e8

    def average_premium_e8(self) -> int:
        return self.premium_sum_e8 // self.premium_samples if self.premium_samples else 0

    def funding_rate_e10(self) -> int:
        """The hourly rate accruing now, scaled by 1e10: (P + clamp(1 bp - P, +-5 bps)) / 8, at most 4 %."""
        premium = self.premium_sum_e8 * 100 // self.premium_samples if self.premium_samples else 0
        interest = max(-5_000_000, min(1_000_000 - premium, 5_000_000))
        rate = scaled((premium + interest) // 8, self.funding_multiplier_e6, 10**6)
        return max(-400_000_000, min(rate, 400_000_000))

    def restart_premium(self) -> None:
        self.premium_sum_e8 = self.premium_samples = 0
