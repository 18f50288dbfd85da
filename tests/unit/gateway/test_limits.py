"""The exchange's bounds on price and value of an order."""

from __future__ import annotations

import pytest

from perpmaker.common.decimals import E8
from perpmaker.gateway.orders.limits import excess, largest_value_e8

MARK = 60_000 * E8


@pytest.mark.parametrize(
    ("px", "sz", "leverage", "expected"),
    [
        (60_000, 1, 40, None),
        (3_001, 1, 40, None),
        (3_000, 1, 40, "price_band"),
        (1_200_000, 1, 40, None),
        (1_200_001, 1, 40, "price_band"),
        (60_000, 5_000, 40, None),
        (60_000, 5_001, 40, "notional"),
        (60_000, 84, 3, "notional"),
        (60_000, 83, 3, None),
    ],
)
def test_bounds(px: int, sz: int, leverage: int, expected: str | None) -> None:
    assert excess(px * E8, sz * E8, reference_px_e8=MARK, max_leverage=leverage) == expected


def test_without_a_reference_only_the_value_is_bounded() -> None:
    assert excess(1, E8, reference_px_e8=0, max_leverage=40) is None
    assert excess(60_000 * E8, 5_001 * E8, reference_px_e8=0, max_leverage=40) == "notional"


@pytest.mark.parametrize(
    ("leverage", "millions"), [(40, 300), (25, 300), (24, 50), (20, 50), (19, 20), (10, 20), (9, 5), (1, 5)]
)
def test_largest_value_by_leverage(leverage: int, millions: int) -> None:
    assert largest_value_e8(leverage) == millions * 1_000_000 * E8
