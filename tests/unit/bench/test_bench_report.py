"""What the report of `make bench` says of figures, whatever they are."""

from __future__ import annotations

import pytest
from tests.bench.report import Budget, Figure, Rounds, document, duration

from perpmaker.common.metrics import Reservoir


def _samples(*values: float) -> Reservoir:
    samples = Reservoir()
    for value in values:
        samples.add(value)
    return samples


@pytest.mark.parametrize(
    ("p50", "p99", "budget", "verdict"),
    [
        (60, 150, Budget(60, 150), "met / met"),
        (61, 300, Budget(60, 150), "MISSED x1.0 / MISSED x2.0"),
        (3, None, Budget(3), "met"),
        (3, 9, Budget(3), "met"),
        (2_000, 1_000, Budget(2_000, is_least=True), "met"),
        (1_000, None, Budget(2_000, is_least=True), "MISSED x2.0"),
        (0, None, Budget(2_000, is_least=True), "MISSED xinf"),
        (5, 9, None, ""),
    ],
)
def test_a_verdict_names_each_bound_and_how_far_it_is_missed(
    p50: float, p99: float | None, budget: Budget | None, verdict: str
) -> None:
    assert Figure("any", "us", p50, p99, budget=budget).verdict == verdict


def test_a_duration_stands_beside_its_floor_of_the_same_run() -> None:
    figure = duration("any", _samples(30, 30, 90), floor=_samples(10, 20, 10))
    assert (figure.p50, figure.p99, figure.ratio, figure.samples) == (30, 90, 3, 3)
    assert duration("any", _samples(30)).ratio is None


def test_rounds_that_others_spoilt_do_not_make_the_p99() -> None:
    rounds = Rounds()
    for n in range(500):
        rounds.add(9_000.0 if n in range(7, 11) or n in range(307, 311) else 10.0)
    assert rounds.quantiles((0.5, 0.99)) == (10.0, 10.0)
    slow = Rounds()
    for n in range(500):
        slow.add(50.0 if n % 25 == 0 else 10.0)
    assert slow.quantiles((0.5, 0.99)) == (10.0, 50.0)


def test_the_document_for_programs_has_every_figure_with_its_part_and_verdict() -> None:
    told = document({"sign": [Figure("ten", "us", 45, 74, 1_492, 10, Budget(60, 150), 15)]})
    (figure,) = told["figures"]
    assert (figure["part"], figure["name"], figure["verdict"], figure["ratio"]) == ("sign", "ten", "met / met", 3)
    assert figure["budget"] == {"p50": 60, "p99": 150, "is_least": False}
    assert set(told["machine"]) == {"cpu", "cores", "python", "date"}
