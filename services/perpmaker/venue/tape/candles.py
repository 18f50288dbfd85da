"""Candles of one market in every interval the exchange offers.

A trade touches only the forming minute; when a minute ends it is merged into the longer intervals. Intervals
without a trade have no candle. Source: Hyperliquid documentation, "Info endpoint", candle snapshot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
CANDLES_KEPT = 5_000
INTERVALS_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": None,
}
"""Length of each interval; a month has none that is constant."""
_MONDAY_MS = 4 * DAY_MS
"""The first Monday after the epoch, which was a Thursday."""


@dataclass(slots=True)
class Candle:
    """Trades from `start_ms` up to and including `end_ms`. Prices and sizes are scaled by 1e8."""

    start_ms: int
    end_ms: int
    open_px_e8: int
    close_px_e8: int
    high_px_e8: int
    low_px_e8: int
    base_e8: int = 0
    quote_e8: int = 0
    trades: int = 0

    def extend(self, later: Candle) -> None:
        """Take in what happened after what this candle holds."""
        self.close_px_e8 = later.close_px_e8
        self.high_px_e8 = max(self.high_px_e8, later.high_px_e8)
        self.low_px_e8 = min(self.low_px_e8, later.low_px_e8)
        self.base_e8 += later.base_e8
        self.quote_e8 += later.quote_e8
        self.trades += later.trades


def bounds_ms(interval: str, at_ms: int) -> tuple[int, int]:
    """First and last millisecond of the candle that contains a time. Weeks begin on Monday (UTC)."""
    length_ms = INTERVALS_MS[interval]
    if length_ms is None:
        return _month_ms(at_ms)
    shift_ms = _MONDAY_MS if interval == "1w" else 0
    start_ms = (at_ms - shift_ms) // length_ms * length_ms + shift_ms
    return start_ms, start_ms + length_ms - 1


def _month_ms(at_ms: int) -> tuple[int, int]:
    first = datetime.fromtimestamp(at_ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()) * 1000, int(after.timestamp()) * 1000 - 1


class Candles:
    """The most recent candles of one market, per interval."""

    def __init__(self) -> None:
        self._minute: Candle | None = None
        self._ended = {interval: deque[Candle](maxlen=CANDLES_KEPT) for interval in INTERVALS_MS}

    def add(self, time_ms: int, px_e8: int, sz_e8: int, quote_e8: int) -> None:
        """Record a trade. Times never run backwards."""
        minute = self._minute
        if minute is None or time_ms > minute.end_ms:
            self._end_minute()
            minute = self._minute = Candle(*bounds_ms("1m", time_ms), px_e8, px_e8, px_e8, px_e8)
        minute.close_px_e8 = px_e8
        minute.high_px_e8 = max(minute.high_px_e8, px_e8)
        minute.low_px_e8 = min(minute.low_px_e8, px_e8)
        minute.base_e8 += sz_e8
        minute.quote_e8 += quote_e8
        minute.trades += 1

    def _end_minute(self) -> None:
        if self._minute is None:
            return
        for interval, bars in self._ended.items():
            start_ms, end_ms = bounds_ms(interval, self._minute.start_ms)
            if bars and bars[-1].start_ms == start_ms:
                bars[-1].extend(self._minute)
            else:
                bars.append(replace(self._minute, start_ms=start_ms, end_ms=end_ms))

    def latest(self, interval: str) -> Candle | None:
        """The candle of the last trade."""
        if self._minute is None:
            return None
        start_ms, end_ms = bounds_ms(interval, self._minute.start_ms)
        bars = self._ended[interval]
        if not bars or bars[-1].start_ms != start_ms:
            return replace(self._minute, start_ms=start_ms, end_ms=end_ms)
        forming = replace(bars[-1])
        forming.extend(self._minute)
        return forming

    def between(self, interval: str, start_ms: int, end_ms: int) -> list[Candle]:
        """Candles that begin in the range, both ends included, oldest first, at most 5,000."""
        latest = self.latest(interval)
        if latest is None:
            return []
        bars = [bar for bar in self._ended[interval] if bar.start_ms < latest.start_ms]
        return [bar for bar in (*bars, latest)[-CANDLES_KEPT:] if start_ms <= bar.start_ms <= end_ms]
