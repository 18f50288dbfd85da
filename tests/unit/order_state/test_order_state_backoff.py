"""I27: pauses grow, are capped, and do not depend on batch sizes."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from perpmaker.order_state.core.backoff import Backoff, after_batch


def test_three_refused_batches_pause_and_each_refused_probe_doubles_up_to_the_cap():
    backoff, now, pauses = Backoff(), 0, []
    for _ in range(9):
        backoff = after_batch(backoff, refused=1, accepted=0, now_ms=now)
        if backoff.is_pausing(now):
            pauses.append((backoff.until_ms - now) // 1000)
            now = backoff.until_ms
    assert pauses == [5, 10, 20, 40, 80, 120, 120]


def test_a_batch_of_many_refusals_is_one():
    assert not after_batch(Backoff(), refused=25, accepted=0, now_ms=0).is_pausing(0)


def test_a_batch_without_outcomes_changes_nothing():
    before = Backoff(refused_in_a_row=2)
    assert after_batch(before, refused=0, accepted=0, now_ms=0) == before


def test_an_accepted_batch_forgets_and_a_mixed_one_does_not():
    before = Backoff(refused_in_a_row=2)
    assert after_batch(before, refused=0, accepted=1, now_ms=0) == Backoff()
    assert after_batch(before, refused=1, accepted=5, now_ms=0).is_pausing(0)


def test_refusals_of_orders_sent_before_the_pause_do_not_lengthen_it():
    pausing = Backoff(refused_in_a_row=3, pauses=1, until_ms=5000)
    assert after_batch(pausing, refused=3, accepted=0, now_ms=4000) == pausing


@given(st.lists(st.integers(1, 40), max_size=12), st.lists(st.integers(1, 40), max_size=12))
def test_the_size_of_batches_is_irrelevant(one, other):
    """I27."""
    sizes = list(zip(one, other, strict=False))
    a = b = Backoff()
    for x, y in sizes:
        a = after_batch(a, refused=x, accepted=0, now_ms=0)
        b = after_batch(b, refused=y, accepted=0, now_ms=0)
    assert a == b
