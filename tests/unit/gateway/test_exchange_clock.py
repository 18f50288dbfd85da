"""What question and answer times allow to say about the exchange's clock."""

from __future__ import annotations

import pytest

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.exchange_clock import COMMIT_LAG_MS, ExchangeClock

NOW = 1_760_000_000_000


def _observed(*samples: tuple[int, int, int]) -> ExchangeClock:
    exchange_clock = ExchangeClock(ManualClock(NOW))
    for asked, answered, exchange in samples:
        exchange_clock.observe(NOW + asked, NOW + answered, NOW + exchange)
    return exchange_clock


@pytest.mark.parametrize(
    ("exchange", "offset"), [(50, 0), (0, 0), (100, 0), (350, 250), (-300, -300), (1_100, 1_000), (-5_000, -5_000)]
)
def test_offset_is_only_what_the_round_trip_cannot_explain(exchange: int, offset: int) -> None:
    assert _observed((0, 100, exchange)).offset_ms == offset


def test_the_quickest_answer_decides_the_offset() -> None:
    assert _observed((0, 10, 510), (0, 4_000, 600)).offset_ms == 500


def test_lower_bound_takes_the_most_pessimistic_sample_and_the_commit_lag() -> None:
    exchange_clock = _observed((0, 100, 100), (0, 100, 30))
    assert exchange_clock.at_least_ms() == NOW - 70 - COMMIT_LAG_MS


def test_old_samples_are_forgotten() -> None:
    exchange_clock = _observed((0, 4_000, 0), *[(0, 10, 5)] * 5)
    assert exchange_clock.at_least_ms() == NOW - 5 - COMMIT_LAG_MS


def test_without_a_sample_nothing_is_assumed() -> None:
    assert _observed().offset_ms == 0


def test_doubt_lasts_until_the_next_sample_and_takes_the_old_ones_with_it() -> None:
    clock = _observed((0, 10, 10))
    clock.doubt()
    assert clock.is_doubted
    clock.observe(NOW, NOW + 500, NOW + 2_500)
    assert not clock.is_doubted
    assert clock.offset_ms == 2_000
