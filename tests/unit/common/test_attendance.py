"""Who was there a moment ago is not missed yet."""

from __future__ import annotations

from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.common.clock import ManualClock


def test_a_caller_is_missed_only_after_a_while() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    with attendance.caller():
        clock.advance_ms(round(PATIENCE_S * 10_000))
        assert attendance.is_given
        with attendance.caller():
            pass
        assert attendance.is_given
    clock.advance_ms(round(PATIENCE_S * 1_000))
    assert attendance.is_given
    clock.advance_ms(1)
    assert not attendance.is_given
