"""Sizes shrink before a limit is reached, and do not flap."""

from __future__ import annotations

import pytest
from tests.support.risk import healthy

from perpmaker.common.decimals import E8
from perpmaker.risk.sizing import SideScales, scale_ppm, settle_ppm, side_scales
from perpmaker.risk.state import Pending

LIMIT_E8 = E8 // 5


@pytest.mark.parametrize(
    ("used_percent", "scale"),
    [(-50, 1_000_000), (0, 1_000_000), (70, 1_000_000), (85, 500_000), (100, 0), (150, 0)],
)
def test_the_scale_is_full_up_to_seven_tenths_and_nothing_at_the_limit(used_percent: int, scale: int) -> None:
    assert scale_ppm(LIMIT_E8 * used_percent // 100, LIMIT_E8) == scale


def test_without_a_limit_nothing_is_added() -> None:
    assert scale_ppm(0, 0) == 0


@pytest.mark.parametrize(
    ("previous", "wanted", "settled"),
    [
        (500_000, 529_999, 500_000),
        (500_000, 530_000, 530_000),
        (500_000, 470_001, 500_000),
        (500_000, 470_000, 470_000),
        (20_000, 0, 0),
        (990_000, 1_000_000, 1_000_000),
        (1_000_000, 980_000, 1_000_000),
    ],
)
def test_a_scale_moves_in_steps_but_always_reaches_its_ends(previous: int, wanted: int, settled: int) -> None:
    assert settle_ppm(previous, wanted) == settled


def test_only_the_side_that_adds_is_scaled() -> None:
    long = side_scales(healthy(position_e8=LIMIT_E8 * 85 // 100), SideScales())
    assert long == SideScales(bid_ppm=500_000, ask_ppm=1_000_000)
    short = side_scales(healthy(position_e8=-LIMIT_E8), SideScales())
    assert short == SideScales(bid_ppm=1_000_000, ask_ppm=0)


def test_an_order_in_doubt_counts_like_position() -> None:
    state = healthy(pending=Pending(unknown_bid_e8=LIMIT_E8 * 85 // 100, unknown_ask_e8=LIMIT_E8))
    assert side_scales(state, SideScales()) == SideScales(bid_ppm=500_000, ask_ppm=0)


def test_a_full_ladder_at_rest_does_not_shrink_itself() -> None:
    state = healthy().with_pending_exposure(LIMIT_E8, LIMIT_E8)
    assert side_scales(state, SideScales()) == SideScales()
