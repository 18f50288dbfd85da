"""Quantiles of the newest samples."""

from __future__ import annotations

from perpmaker.common.metrics import Reservoir


def test_quantiles_are_samples_by_nearest_rank() -> None:
    reservoir = Reservoir()
    for value in range(1, 101):
        reservoir.add(value)
    assert reservoir.quantiles((0.5, 0.9, 0.99, 1.0)) == (50, 90, 99, 100)


def test_only_the_newest_samples_count() -> None:
    reservoir = Reservoir(size=2)
    for value in (100, 1, 2):
        reservoir.add(value)
    assert reservoir.quantiles((1.0,)) == (2,)
    assert reservoir.count == 3


def test_without_samples_quantiles_are_zero() -> None:
    assert Reservoir().quantiles((0.5, 0.99)) == (0.0, 0.0)
