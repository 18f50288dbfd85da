"""How steady the machine is: the same piece of work again and again. On an idle core p99 is close to p50."""

from __future__ import annotations

import time

from tests.bench.report import Figure, duration

from perpmaker.common.metrics import Reservoir

_STEPS = 20_000
_SAMPLES = 500


def figure(when: str) -> Figure:
    """Wall time of a fixed piece of Python work."""
    samples = Reservoir()
    for _ in range(_SAMPLES):
        begun = time.perf_counter_ns()
        total = 0
        for step in range(_STEPS):
            total += step
        samples.add((time.perf_counter_ns() - begun) / 1_000)
    return duration(f"fixed work, {when} the others", samples)
