"""Everything the venue remembers of its markets beyond the present: a function of the blocks it committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from perpmaker.venue.engine.state import Events, FundingRate, State
from perpmaker.venue.tape.candles import DAY_MS, HOUR_MS, Candles
from perpmaker.venue.units import notional_e8

_FUNDING_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of a market. Volumes count whole hours, the one that began 23 hours ago included."""

    base_e8: int
    quote_e8: int
    start_px_e8: int


class Tape:
    """Candles, funding rates and hourly mark prices of every market."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.candles = {m.asset: Candles() for m in state.markets}
        self._funding = {m.asset: deque[FundingRate](maxlen=_FUNDING_KEPT) for m in state.markets}
        self._hourly_marks = {m.asset: deque[tuple[int, int]](maxlen=DAY_MS // HOUR_MS + 1) for m in state.markets}

    def record(self, events: Events) -> None:
        """Take in what a committed block did."""
        for made in events.trades:
            value = notional_e8(made.px_e8, made.sz_e8)
            self.candles[made.asset].add(made.time_ms, made.px_e8, made.sz_e8, value)
        for rate in events.funding_rates:
            self._funding[rate.asset].append(rate)
        if events.marks_moved:
            self._sample_marks()

    def _sample_marks(self) -> None:
        hour = self._state.now_ms // HOUR_MS
        for asset, samples in self._hourly_marks.items():
            if not samples or samples[-1][0] != hour:
                samples.append((hour, self._state.mark_px_e8(asset)))

    def funding(self, asset: int, start_ms: int, end_ms: int) -> Iterable[FundingRate]:
        """Settled rates in a range, both ends included, oldest first."""
        return (rate for rate in self._funding[asset] if start_ms <= rate.time_ms <= end_ms)

    def day(self, asset: int) -> Day:
        """What happened in the last 24 hours, or since the venue began."""
        now_ms = self._state.now_ms
        hours = self.candles[asset].between("1h", now_ms - DAY_MS + 1, now_ms)
        samples = self._hourly_marks[asset]
        start_px = samples[0][1] if samples else self._state.mark_px_e8(asset)
        return Day(sum(bar.base_e8 for bar in hours), sum(bar.quote_e8 for bar in hours), start_px)
