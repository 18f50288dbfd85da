"""Nonces never repeat and never fall, whatever the clock does and however often the process restarts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.nonces import Nonces

Step = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 50)),
    st.tuples(st.just("clock"), st.integers(-100_000, 100_000)),
    st.tuples(st.just("restart"), st.integers(0, 0)),
)


@given(st.lists(Step, max_size=40), st.integers(0, 2_000_000))
def test_nonces_rise_strictly_across_restarts_and_clock_jumps(steps: list[tuple[str, int]], recorded: int) -> None:
    clock = ManualClock(1_000_000)
    nonces = Nonces(clock, recorded)
    last = recorded
    for kind, amount in steps:
        if kind == "take":
            for _ in range(amount):
                nonce = nonces.take()
                assert nonce > last
                assert nonce >= clock.now_ms()
                last = nonce
        elif kind == "clock":
            clock.advance_ms(amount)
        else:
            nonces = Nonces(clock, last)
        assert nonces.highest == last
