"""When a dead child is started again."""

from __future__ import annotations

from perpmaker.local.restarts import (
    CANNOT_START,
    MAX_FAILED_FIRST_STARTS,
    MAX_FAILED_STARTS,
    MAX_PAUSE_S,
    GiveUp,
    Restart,
    after_exit,
)


def test_a_child_that_was_ready_is_restarted_almost_at_once() -> None:
    verdict = after_exit(code=-9, restartable=True, ever_ready=True, failed_starts=1)
    assert verdict == Restart(pause_s=0.1)


def test_pauses_grow_and_are_capped() -> None:
    verdicts = [
        after_exit(code=1, restartable=True, ever_ready=True, failed_starts=n) for n in range(1, MAX_FAILED_STARTS)
    ]
    pauses = [verdict.pause_s for verdict in verdicts if isinstance(verdict, Restart)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_S
    assert len(pauses) == len(verdicts)


def test_a_child_that_says_it_cannot_start_is_given_up_before_it_was_ever_ready() -> None:
    verdict = after_exit(code=CANNOT_START, restartable=True, ever_ready=False, failed_starts=1)
    assert isinstance(verdict, GiveUp)


def test_a_child_that_was_ready_before_may_fail_to_start_for_a_while() -> None:
    verdict = after_exit(code=CANNOT_START, restartable=True, ever_ready=True, failed_starts=2)
    assert isinstance(verdict, Restart)


def test_repeated_deaths_before_readiness_end_in_giving_up() -> None:
    verdict = after_exit(code=1, restartable=True, ever_ready=True, failed_starts=MAX_FAILED_STARTS)
    assert isinstance(verdict, GiveUp)


def test_a_child_that_never_was_ready_is_given_up_sooner() -> None:
    verdict = after_exit(code=1, restartable=True, ever_ready=False, failed_starts=MAX_FAILED_FIRST_STARTS)
    assert isinstance(verdict, GiveUp)


def test_what_lives_in_memory_is_never_restarted() -> None:
    verdict = after_exit(code=-9, restartable=False, ever_ready=True, failed_starts=1)
    assert isinstance(verdict, GiveUp)
