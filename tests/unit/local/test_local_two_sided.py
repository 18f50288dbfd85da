"""The clock that measures how long both sides were quoted."""

from __future__ import annotations

import pytest

from perpmaker.local.two_sided import WARM_UP_S, TwoSidedClock


def test_nothing_is_measured_during_the_warm_up() -> None:
    clock = TwoSidedClock()
    clock.begin(100.0)
    clock.set(True, 101.0)
    assert clock.ratio(100.0 + WARM_UP_S) is None


def test_quoted_time_counts_from_the_end_of_the_warm_up() -> None:
    clock = TwoSidedClock()
    clock.begin(0.0)
    clock.set(True, 1.0)
    clock.set(False, WARM_UP_S + 6.0)
    assert clock.ratio(WARM_UP_S + 8.0) == pytest.approx(0.75)


def test_a_market_quoted_all_the_time_has_ratio_one() -> None:
    clock = TwoSidedClock()
    clock.set(True, 0.0)
    clock.begin(5.0)
    assert clock.ratio(50.0) == 1.0


def test_time_after_the_end_does_not_count() -> None:
    clock = TwoSidedClock()
    clock.begin(0.0)
    clock.set(True, 0.0)
    clock.end(WARM_UP_S + 10.0)
    clock.set(False, WARM_UP_S + 11.0)
    assert clock.ratio(WARM_UP_S + 40.0) == 1.0


def test_a_repeated_report_changes_nothing() -> None:
    clock = TwoSidedClock()
    clock.begin(0.0)
    for second in range(30):
        clock.set(True, float(second))
    clock.set(False, 30.0)
    assert clock.ratio(50.0) == pytest.approx(0.5)
