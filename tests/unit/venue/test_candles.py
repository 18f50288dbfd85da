"""Candles from trades, in every interval. Source: documentation, "Info endpoint", candle snapshot."""

from __future__ import annotations

import pytest
from tests.support.busy_venue import ask, trade
from tests.support.venue_core import bench

from perpmaker.venue.tape.candles import CANDLES_KEPT, DAY_MS, HOUR_MS, INTERVALS_MS, MINUTE_MS, Candles, bounds_ms
from perpmaker.venue.units import E8

START_MS = 1_760_054_400_000  # 2025-10-10 00:00 UTC, a Friday


@pytest.mark.parametrize(
    ("interval", "start_ms", "length_ms"),
    [
        ("1m", START_MS, MINUTE_MS),
        ("15m", START_MS, 15 * MINUTE_MS),
        ("4h", START_MS, 4 * HOUR_MS),
        ("1d", START_MS, DAY_MS),
        ("1w", START_MS - 4 * DAY_MS, 7 * DAY_MS),
        ("1M", START_MS - 9 * DAY_MS, 31 * DAY_MS),
    ],
)
def test_an_interval_begins_on_its_round_time(interval: str, start_ms: int, length_ms: int) -> None:
    assert bounds_ms(interval, START_MS + 1) == (start_ms, start_ms + length_ms - 1)


def test_december_ends_with_the_year() -> None:
    december_ms = 1_766_000_000_000
    start_ms, end_ms = bounds_ms("1M", december_ms)
    assert (end_ms + 1 - start_ms) == 31 * DAY_MS
    assert bounds_ms("1M", end_ms + 1)[0] == end_ms + 1


def test_a_candle_has_first_last_highest_lowest_price_and_all_size() -> None:
    candles = Candles()
    for step, px in enumerate((100, 103, 98, 101)):
        candles.add(START_MS + step, px * E8, 2 * E8, 2 * px * E8)
    (bar,) = candles.between("1m", START_MS, START_MS)
    assert (bar.open_px_e8, bar.high_px_e8, bar.low_px_e8, bar.close_px_e8) == (100 * E8, 103 * E8, 98 * E8, 101 * E8)
    assert (bar.base_e8, bar.quote_e8, bar.trades) == (8 * E8, 804 * E8, 4)


@pytest.mark.parametrize("interval", list(INTERVALS_MS))
def test_every_interval_holds_all_trades_once(interval: str) -> None:
    candles = Candles()
    for minute in range(0, 3 * 1_440, 7):
        candles.add(START_MS + minute * MINUTE_MS, 100 * E8 + minute, E8, 100 * E8)
    bars = candles.between(interval, 0, START_MS + 10 * DAY_MS)
    assert sum(bar.trades for bar in bars) == len(range(0, 3 * 1_440, 7))
    assert all(bounds_ms(interval, bar.start_ms) == (bar.start_ms, bar.end_ms) for bar in bars)
    assert [bar.start_ms for bar in bars] == sorted({bar.start_ms for bar in bars})
    assert all(bar.low_px_e8 <= min(bar.open_px_e8, bar.close_px_e8) <= bar.high_px_e8 for bar in bars)


def test_only_the_latest_5000_are_kept() -> None:
    candles = Candles()
    for minute in range(CANDLES_KEPT + 10):
        candles.add(START_MS + minute * MINUTE_MS, E8, E8, E8)
    bars = candles.between("1m", 0, START_MS + 100 * DAY_MS)
    assert len(bars) == CANDLES_KEPT
    assert bars[0].start_ms == START_MS + 10 * MINUTE_MS


def test_the_snapshot_tells_trades_of_the_venue_and_both_bounds_count() -> None:
    made = bench()
    trade(made, px="180", sz="2")
    minute = made.now_ms // MINUTE_MS * MINUTE_MS
    made.step(MINUTE_MS)
    trade(made, px="182", sz="1", parts=1)
    asked = {"coin": "SOL", "interval": "1m", "startTime": minute, "endTime": minute + MINUTE_MS}
    first, second = ask(made, "candleSnapshot", req=asked)
    assert first == {
        "t": minute,
        "T": minute + 59_999,
        "s": "SOL",
        "i": "1m",
        "o": "180.0",
        "c": "180.0",
        "h": "180.0",
        "l": "180.0",
        "v": "2.0",
        "n": 2,
    }
    assert (second["o"], second["v"]) == ("182.0", "1.0")
    assert ask(made, "candleSnapshot", req=asked | {"startTime": minute + 1, "endTime": minute + 2}) == []


def test_a_day_of_volume_forgets_what_is_older() -> None:
    made = bench()
    trade(made, sz="2", parts=1)
    assert ask(made, "metaAndAssetCtxs")[1][0]["dayBaseVlm"] == "2.0"
    made.step(DAY_MS + HOUR_MS)
    assert ask(made, "metaAndAssetCtxs")[1][0]["dayBaseVlm"] == "0.0"
