"""Whether orders are held back for want of requests."""

from __future__ import annotations

from perpmaker.quoter.shortage import REMEMBERED_NS, Shortage


def test_nothing_is_short_at_first() -> None:
    assert Shortage().words(0) == ()


def test_a_shortage_that_is_not_met_again_is_over() -> None:
    short = Shortage()
    short.on_not_sent("budget", 1)
    assert short.words(REMEMBERED_NS) == ("rate_limited",)
    assert short.words(REMEMBERED_NS + 1) == ()


def test_a_pause_after_refusals_for_asking_too_much_is_a_shortage_while_it_lasts() -> None:
    short = Shortage()
    short.on_refused("rate_limit", 1)
    short.on_backoff(REMEMBERED_NS)
    assert short.words(2 * REMEMBERED_NS - 1) == ("rate_limited", "backoff")


def test_a_pause_after_other_refusals_is_not_a_shortage_of_requests() -> None:
    short = Shortage()
    short.on_refused("margin", 1)
    short.on_backoff(2)
    assert short.words(3) == ("backoff",)


def test_a_pause_long_after_a_shortage_is_a_pause_only() -> None:
    short = Shortage()
    short.on_refused("rate_limit", 1)
    short.on_backoff(REMEMBERED_NS + 1)
    assert short.words(REMEMBERED_NS + 1) == ("backoff",)
