"""Who was heard a moment ago is not missed yet; who is silent is, whatever its stream says."""

from __future__ import annotations

from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.common.clock import ManualClock


def test_a_caller_is_missed_only_after_a_while() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    clock.advance_ms(round(PATIENCE_S * 10_000))
    assert not attendance.is_given
    with attendance.caller():
        assert attendance.is_given
    clock.advance_ms(round(PATIENCE_S * 1_000))
    assert attendance.is_given
    clock.advance_ms(1)
    assert not attendance.is_given


def test_a_silent_caller_is_missed_although_its_stream_is_open() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    with attendance.caller() as caller:
        clock.advance_ms(round(PATIENCE_S * 1_000))
        caller.seen()
        clock.advance_ms(round(PATIENCE_S * 1_000))
        assert attendance.is_attached
        clock.advance_ms(1)
        assert not attendance.is_attached
        assert not attendance.is_given


def test_the_end_of_a_stream_is_no_sign_of_life() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    with attendance.caller() as caller:
        caller.seen()
        clock.advance_ms(5_000)
    assert attendance.silence_s == 5.0
    assert not attendance.is_attached


def test_of_a_caller_that_shows_no_life_the_stream_has_to_do() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    with attendance.caller():
        clock.advance_ms(round(PATIENCE_S * 10_000))
        assert attendance.is_attached
    clock.advance_ms(round(PATIENCE_S * 1_000))
    assert attendance.is_given
    clock.advance_ms(1)
    assert not attendance.is_given


def test_a_caller_leaves_until_it_is_gone_or_silent() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    with attendance.caller() as caller:
        assert not attendance.is_leaving
        caller.seen(leaving=True)
        assert attendance.is_leaving
        clock.advance_ms(round(PATIENCE_S * 1_000) + 1)
        assert not attendance.is_leaving
        caller.seen(leaving=True)
        assert attendance.is_leaving
    assert not attendance.is_leaving


def test_a_return_is_told_only_after_a_silence() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    returns: list[int] = []
    attendance.on_return = lambda: returns.append(clock.now_ms())
    with attendance.caller() as caller:
        for _ in range(3):
            clock.advance_ms(1_000)
            caller.seen()
        assert not returns
        clock.advance_ms(3_000)
        caller.seen()
        assert returns == [clock.now_ms()]
