"""P&L of the UTC day."""

from __future__ import annotations

from perpmaker.risk.day import Day, decode_days, encode_days, observe, observe_total, utc_date

MONDAY, TUESDAY = "2026-03-02", "2026-03-03"


def test_the_first_look_begins_the_day_at_zero() -> None:
    assert observe(None, MONDAY, 700, fills=3) == Day(date=MONDAY, base_e8=700, fills=3)


def test_the_peak_keeps_the_best_pnl_and_starts_at_zero() -> None:
    day = observe(None, MONDAY, 100, fills=0)
    for pnl in (90, 160, 120):
        day = observe(day, MONDAY, pnl, fills=0)
    assert (day.pnl_e8, day.peak_e8) == (20, 60)


def test_midnight_begins_a_new_day_from_the_last_pnl() -> None:
    day = observe(observe(None, MONDAY, 100, fills=0), MONDAY, 150, fills=0)
    day = observe(day, TUESDAY, 130, fills=0)
    assert (day.date, day.base_e8, day.pnl_e8, day.peak_e8) == (TUESDAY, 150, -20, 0)


def test_a_clock_that_goes_back_does_not_begin_a_new_day() -> None:
    day = observe(observe(None, TUESDAY, 100, fills=0), MONDAY, 90, fills=0)
    assert (day.date, day.pnl_e8) == (TUESDAY, -10)


def test_a_rebuilt_ledger_does_not_move_the_days_pnl() -> None:
    day = observe(observe(None, MONDAY, 1_000, fills=50), MONDAY, 900, fills=60)
    rebuilt = observe(day, MONDAY, 40, fills=10)
    assert rebuilt.pnl_e8 == -100
    assert observe(rebuilt, MONDAY, 35, fills=11).pnl_e8 == -105


def test_the_accounts_day_is_the_sum_with_its_own_peak() -> None:
    day = observe_total(None, MONDAY, -5)
    assert (day.pnl_e8, day.peak_e8) == (-5, 0)
    day = observe_total(observe_total(day, MONDAY, 30), MONDAY, 10)
    assert (day.pnl_e8, day.peak_e8) == (10, 30)
    day = observe_total(day, TUESDAY, -1)
    assert (day.date, day.pnl_e8, day.peak_e8) == (TUESDAY, -1, 0)
    assert observe_total(day, MONDAY, 2).date == TUESDAY


def test_days_survive_their_encoding_and_damage_is_no_day() -> None:
    days = {"BTC": Day(date=MONDAY, base_e8=1, pnl_e8=2, peak_e8=3, fills=4)}
    assert decode_days(encode_days(days)) == days
    assert decode_days(b"{") == {}


def test_the_date_is_that_of_utc() -> None:
    assert utc_date(1_772_495_999_999) == MONDAY
    assert utc_date(1_772_496_000_000) == TUESDAY
