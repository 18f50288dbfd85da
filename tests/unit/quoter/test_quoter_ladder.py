"""Golden ladders: rounding, clipping, capacity, permission."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.quoter import BTC, PX, permission, settings

from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.ladder import Ladder, build_ladder
from perpmaker.quoter.limits import side_limits
from perpmaker.quoter.model.fair_price import FairPrice
from perpmaker.quoter.model.intensity import Intensity
from perpmaker.quoter.model.quote import Quote, quote
from perpmaker.quoter.model.volatility import Volatility
from perpmaker.quoter.settings import Mode, ModelKind
from perpmaker.quoter.values import Permission, Side

FIXED = {"model": ModelKind.FIXED, "fixed_half_spread_bps": 5.0}


def make(
    *,
    fair: float = PX,
    position_e8: int = 0,
    allowed: Permission | None = None,
    rules: InstrumentRules = BTC,
    bid_e8: int = 0,
    ask_e8: int = 0,
    **changes: Any,
) -> Ladder:
    wanted = settings(**{**FIXED, **changes})
    allowed = allowed or permission()
    found: Quote = quote(
        wanted,
        FairPrice(fair, fair),
        Volatility(),
        Intensity(),
        position_e8=position_e8,
        spread_factor_ppm=allowed.spread_factor_ppm,
    )
    limits = side_limits(position_e8, allowed, wanted, fair)
    return build_ladder(found, wanted, rules, limits, best_foreign_bid_e8=bid_e8, best_foreign_ask_e8=ask_e8)


def prices(ladder: Ladder, side: Side) -> list[float]:
    return [level.px_e8 / E8 for level in ladder.levels if level.side is side]


def sizes(ladder: Ladder, side: Side) -> list[int]:
    return [level.sz_e8 for level in ladder.levels if level.side is side]


def test_bids_round_down_and_asks_round_up_on_the_grid() -> None:
    ladder = make(fair=60_000.4 * E8)
    assert prices(ladder, Side.BUY) == [59970.0, 59958.0]
    assert prices(ladder, Side.SELL) == [60031.0, 60043.0]


def test_sizes_are_the_order_value_in_whole_lots() -> None:
    ladder = make()
    assert sizes(ladder, Side.BUY) == [500_000, 500_000]
    assert sizes(ladder, Side.SELL) == [499_000, 499_000]
    assert ladder.diagnostics == ()


def test_coarse_ticks_still_give_distinct_prices() -> None:
    rules = InstrumentRules(market="DOGE", asset_id=1, sz_decimals=5, max_leverage=10)
    ladder = make(
        fair=1.2 * E8,
        rules=rules,
        levels=3,
        level_spacing_bps=0.5,
        allowed=permission(min_position_e8=-10_000 * E8, max_position_e8=10_000 * E8),
        price_band_bps=10_000.0,
    )
    assert prices(ladder, Side.BUY) == [1.1, 1.0, 0.9]
    assert prices(ladder, Side.SELL) == [1.3, 1.4, 1.5]


def test_quotes_stop_one_tick_short_of_the_opposite_touch() -> None:
    ladder = make(ask_e8=59_960 * E8, bid_e8=60_050 * E8)
    assert prices(ladder, Side.BUY) == [59959.0, 59958.0]
    assert prices(ladder, Side.SELL) == [60051.0, 60052.0]


def test_levels_beyond_the_band_are_left_out_with_a_word() -> None:
    ladder = make(price_band_bps=6.0)
    assert prices(ladder, Side.BUY) == [59970.0]
    assert ladder.diagnostics == ("outside_band_buy", "outside_band_sell")


def test_at_the_limit_only_the_reducing_side_is_left_and_in_full() -> None:
    ladder = make(position_e8=5_000_000)
    assert prices(ladder, Side.BUY) == []
    assert len(sizes(ladder, Side.SELL)) == 2
    assert ladder.diagnostics == ("no_room_buy",)


def test_beyond_the_limit_the_reducing_side_stays() -> None:
    ladder = make(position_e8=-9_000_000)
    assert prices(ladder, Side.SELL) == []
    assert len(sizes(ladder, Side.BUY)) == 2


def test_the_adding_side_uses_the_room_that_is_left() -> None:
    ladder = make(allowed=permission(max_position_e8=700_000))
    assert sizes(ladder, Side.BUY) == [500_000, 186_000]


def test_reduce_only_gives_the_reducing_side_up_to_the_position() -> None:
    ladder = make(position_e8=700_000, allowed=permission(reduce_only=True))
    assert prices(ladder, Side.BUY) == []
    assert sizes(ladder, Side.SELL) == [499_000, 201_000]
    assert all(level.reduce_only for level in ladder.levels)


def test_reduce_only_mode_of_the_trader_works_like_that_of_risk() -> None:
    assert make(position_e8=700_000, mode=Mode.REDUCE_ONLY) == make(
        position_e8=700_000, allowed=permission(reduce_only=True)
    )


def test_a_position_below_the_minimum_is_closed_in_one_order() -> None:
    ladder = make(position_e8=-10_000, allowed=permission(reduce_only=True))
    assert sizes(ladder, Side.BUY) == [10_000]


def test_a_rest_too_small_to_close_later_goes_with_the_order_before_it() -> None:
    ladder = make(position_e8=505_000, allowed=permission(reduce_only=True))
    assert sizes(ladder, Side.SELL) == [505_000]


@pytest.mark.parametrize("word", ["killed", "closed"])
def test_a_killed_or_closed_market_has_no_target(word: str) -> None:
    assert make(position_e8=500_000, allowed=permission(**{word: True})).levels == ()


def test_size_factors_shrink_the_adding_side() -> None:
    ladder = make(allowed=permission(size_factor_ppm=500_000, bid_size_factor_ppm=500_000))
    assert sizes(ladder, Side.BUY) == [125_000, 125_000]
    assert sizes(ladder, Side.SELL) == [249_000, 249_000]


def test_a_size_factor_of_zero_never_removes_the_reducing_side() -> None:
    ladder = make(position_e8=500_000, allowed=permission(size_factor_ppm=0))
    assert prices(ladder, Side.BUY) == []
    assert sizes(ladder, Side.SELL) == [17_000, 17_000]


def test_a_shrunken_order_below_the_minimum_is_dropped_with_a_word() -> None:
    ladder = make(allowed=permission(size_factor_ppm=30_000))
    assert ladder.levels == ()
    assert ladder.diagnostics == ("below_minimum_buy", "below_minimum_sell")


def test_hundred_dollars_of_limit_still_quote_both_sides() -> None:
    ladder = make(order_notional_e8=10 * E8, max_notional_e8=100 * E8)
    assert sizes(ladder, Side.BUY) == [17_000, 17_000]
    assert sizes(ladder, Side.SELL) == [17_000, 17_000]


def test_room_for_one_minimum_order_is_not_lost_to_headroom() -> None:
    ladder = make(allowed=permission(max_position_e8=17_000), order_notional_e8=10 * E8, levels=1)
    assert sizes(ladder, Side.BUY) == [17_000]


def test_a_wider_permission_moves_the_quotes_out() -> None:
    wide = make(allowed=permission(spread_factor_ppm=2_000_000))
    assert prices(wide, Side.BUY)[0] == 59940.0


def test_a_distance_of_the_whole_price_leaves_no_price() -> None:
    ladder = make(fixed_half_spread_bps=10_000.0, max_half_spread_bps=20_000.0)
    assert ladder.diagnostics[0] == "no_price_buy"


def test_a_kill_closes_both_sides_of_the_limits() -> None:
    limits = side_limits(5, replace(permission(), killed=True), settings(), float(PX))
    assert limits.of(Side.BUY).capacity_e8 == limits.of(Side.SELL).capacity_e8 == 0
