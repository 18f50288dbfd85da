"""Ladders and quotes: valid on the wire, bounded, skewed the right way (I36 to I42)."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.support.quoter import BTC, NOW_MS, NOW_NS, PX, order, permission, settings, standing, view

from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.decide import State, View, decide
from perpmaker.quoter.ladder import Ladder, build_ladder
from perpmaker.quoter.limits import Limits, side_limits
from perpmaker.quoter.model.fair_price import FairPrice
from perpmaker.quoter.model.intensity import Intensity
from perpmaker.quoter.model.quote import Quote, quote
from perpmaker.quoter.model.volatility import Volatility
from perpmaker.quoter.settings import ModelKind, Settings
from perpmaker.quoter.values import SIDES, BookView, Permission, Side

GRID_BPS = 2e-6
models = st.sampled_from(list(ModelKind))
ppms = st.integers(0, 1_000_000)


@st.composite
def wanted_settings(draw: st.DrawFn) -> Settings:
    floor = draw(st.floats(0.1, 20.0))
    max_notional = draw(st.integers(10, 100_000)) * E8
    return settings(
        model=draw(models),
        fixed_half_spread_bps=draw(st.floats(0.1, 80.0)),
        risk_aversion=draw(st.floats(0.001, 10.0)),
        horizon_s=draw(st.floats(1.0, 3_600.0)),
        min_half_spread_bps=floor,
        max_half_spread_bps=draw(st.floats(floor, 100.0)),
        levels=draw(st.integers(1, 6)),
        level_spacing_bps=draw(st.floats(0.01, 20.0)),
        price_band_bps=draw(st.floats(10.0, 10_000.0)),
        order_notional_e8=draw(st.integers(10, 5_000)) * E8,
        max_notional_e8=max_notional,
        target_notional_e8=draw(st.integers(-max_notional, max_notional)),
    )


volatilities = st.builds(
    Volatility,
    realised=st.floats(0, 1e6),
    bipower=st.floats(0, 1e6),
)
intensities = st.builds(Intensity, trades=st.floats(0, 1e5), distance_bps=st.floats(0, 1e6), seconds=st.floats(0, 1e4))


@st.composite
def permissions(draw: st.DrawFn) -> Permission:
    return permission(
        min_position_e8=-draw(st.integers(0, 50)) * E8 // 10,
        max_position_e8=draw(st.integers(0, 50)) * E8 // 10,
        reduce_only=draw(st.booleans()),
        spread_factor_ppm=draw(st.integers(1_000_000, 5_000_000)),
        size_factor_ppm=draw(ppms),
        bid_size_factor_ppm=draw(ppms),
        ask_size_factor_ppm=draw(ppms),
    )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder]:
    """A whole pricing: instrument, price, inventory, permission, ladder."""
    wanted = draw(wanted_settings())
    rules = InstrumentRules("X", 0, draw(st.integers(0, 5)), 10)
    fair = draw(st.floats(0.01, 200_000.0)) * E8
    allowed = draw(permissions())
    position_e8 = draw(st.integers(-(10**6), 10**6)) * rules.lot_e8
    found = quote(
        wanted,
        FairPrice(fair, fair),
        draw(volatilities),
        draw(intensities),
        position_e8=position_e8,
        spread_factor_ppm=allowed.spread_factor_ppm,
    )
    limits = side_limits(position_e8, allowed, wanted, fair)
    touch = draw(
        st.one_of(
            st.just((0, 0)),
            st.tuples(st.floats(-50, 50), st.floats(0.1, 50)).map(
                lambda t: (int(fair * (1 + t[0] / 1e4)), int(fair * (1 + (t[0] + t[1]) / 1e4)))
            ),
        )
    )
    ladder = build_ladder(found, wanted, rules, limits, best_foreign_bid_e8=touch[0], best_foreign_ask_e8=touch[1])
    for level in ladder.levels:
        if touch[0]:
            assert level.px_e8 < touch[1] if level.side is Side.BUY else level.px_e8 > touch[0]
    return wanted, rules, allowed, found, limits, position_e8, ladder


@examples(max_examples=300, deadline=None)
@given(scenes())
def test_every_level_is_valid_on_the_wire_and_bids_stay_below_asks(
    scene: tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder],
) -> None:
    """I36: bid < ask, tick, lot and notional valid, prices distinct and ordered."""
    wanted, rules, _, _, _, position_e8, ladder = scene
    bids = [level for level in ladder.levels if level.side is Side.BUY]
    asks = [level for level in ladder.levels if level.side is Side.SELL]
    for level in ladder.levels:
        closes = level.reduce_only and level.sz_e8 == abs(position_e8)
        assert rules.violation(level.px_e8, level.sz_e8, closes_position=closes) is None
    assert [b.px_e8 for b in bids] == sorted({b.px_e8 for b in bids}, reverse=True)
    assert [a.px_e8 for a in asks] == sorted({a.px_e8 for a in asks})
    if bids and asks:
        assert bids[0].px_e8 < asks[0].px_e8
    assert len(bids) <= wanted.levels
    assert len(asks) <= wanted.levels


@examples(max_examples=300, deadline=None)
@given(scenes())
def test_sizes_stay_within_the_capacity_of_their_side(
    scene: tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder],
) -> None:
    """I40; reduce-only sizes together never exceed the position (I20)."""
    *_, limits, position_e8, ladder = scene
    for side in SIDES:
        total = sum(level.sz_e8 for level in ladder.levels if level.side is side)
        assert total <= limits.of(side).capacity_e8
        if any(level.reduce_only for level in ladder.levels if level.side is side):
            assert total <= abs(position_e8)
            assert position_e8 * side.sign < 0


@examples(max_examples=300, deadline=None)
@given(scenes())
def test_a_missing_side_is_explained(
    scene: tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder],
) -> None:
    """I42: at least one valid order per side or an explicit diagnostic."""
    *_, ladder = scene
    for side in SIDES:
        has = any(level.side is side for level in ladder.levels)
        assert has or any(word.endswith(side.name.lower()) for word in ladder.diagnostics)


@examples(max_examples=300, deadline=None)
@given(scenes())
def test_the_side_that_reduces_always_has_room_for_the_whole_position(
    scene: tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder],
) -> None:
    """I32: neither limits nor size factors take the way out of a position."""
    *_, limits, position_e8, _ = scene
    if position_e8:
        reducing = limits.sell if position_e8 > 0 else limits.buy
        assert reducing.capacity_e8 >= abs(position_e8)


@examples(max_examples=300, deadline=None)
@given(scenes())
def test_the_parts_of_the_half_spread_add_up_exactly_between_floor_and_cap(
    scene: tuple[Settings, InstrumentRules, Permission, Quote, Limits, int, Ladder],
) -> None:
    """I37."""
    wanted, _, _, found, *_ = scene
    half = found.half_spread
    assert math.fsum(half.parts) == half.total_bps
    assert wanted.min_half_spread_bps - GRID_BPS <= half.total_bps <= wanted.max_half_spread_bps + GRID_BPS


@examples(max_examples=200, deadline=None)
@given(wanted_settings(), intensities, st.floats(0, 1e4), st.floats(0, 1e4))
def test_the_half_spread_never_falls_when_volatility_rises(
    wanted: Settings, intensity: Intensity, low: float, more: float
) -> None:
    """I39, with the jump ratio held."""
    halves = [
        quote(
            wanted,
            FairPrice(PX, PX),
            Volatility(realised=variance, bipower=variance),
            intensity,
            position_e8=0,
            spread_factor_ppm=1_000_000,
        ).half_spread.total_bps
        for variance in (low, low + more)
    ]
    assert halves[0] <= halves[1]


@examples(max_examples=200, deadline=None)
@given(wanted_settings(), volatilities, intensities, st.floats(-1.2, 1.2), st.floats(0.001, 0.5))
def test_quotes_move_against_inventory_and_by_enough(
    wanted: Settings, volatility: Volatility, intensity: Intensity, share: float, step: float
) -> None:
    """I38: the middle of the quotes falls with inventory; at half the limit by 10 % of the half-spread, at all of it by
    the whole."""
    wanted = replace(wanted, target_notional_e8=0)
    limit_e8 = wanted.max_notional_e8 / PX * E8

    def at(inventory: float) -> Quote:
        return quote(
            wanted,
            FairPrice(PX, PX),
            volatility,
            intensity,
            position_e8=round(inventory * limit_e8),
            spread_factor_ppm=1_000_000,
        )

    def middle(found: Quote) -> float:
        return found.distances.ask_bps - found.distances.bid_bps

    here, there = at(share), at(share + step)
    assert middle(there) <= middle(here)
    for inventory, least in ((0.5, 0.1), (1.0, 0.99), (-0.5, 0.1), (-1.0, 0.99)):
        found = at(inventory)
        assert found.skew_bps * inventory < 0
        assert abs(found.skew_bps) >= least * found.half_spread.total_bps
        assert min(found.distances.bid_bps, found.distances.ask_bps) >= 0


@examples(max_examples=200, deadline=None)
@given(permissions(), st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_capacities_are_never_negative_and_fall_as_the_position_comes_closer(
    allowed: Permission, position_e8: int, step_e8: int
) -> None:
    """B8: monotone in the position on the side that adds; never negative."""
    wanted = settings()
    here, there = (side_limits(at, allowed, wanted, float(PX)) for at in (abs(position_e8), abs(position_e8) + step_e8))
    assert there.buy.capacity_e8 <= here.buy.capacity_e8 or position_e8 == 0
    assert there.sell.capacity_e8 >= here.sell.capacity_e8 or position_e8 == 0
    assert min(here.buy.capacity_e8, here.sell.capacity_e8, there.buy.capacity_e8, there.sell.capacity_e8) >= 0


nonsense = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0])


@examples(max_examples=100, deadline=None)
@given(nonsense, nonsense, nonsense)
def test_nonsense_in_estimators_never_crashes_and_never_quotes_nonsense(a: float, b: float, c: float) -> None:
    """I41."""
    state = State(volatility=Volatility(realised=a, bipower=b), intensity=Intensity(trades=c, distance_bps=b))
    live = (order(Side.BUY, PX - 30 * E8),)
    _, decision = decide(state, view(orders=live), settings(), BTC)
    for level in decision.ladder.levels:
        assert BTC.violation(level.px_e8, level.sz_e8) is None
    if decision.quote is None:
        assert decision.diagnostics
        assert not decision.plan.adds


@examples(max_examples=100, deadline=None)
@given(
    nonsense, st.sampled_from(["risk_aversion", "horizon_s", "fixed_half_spread_bps", "min_half_spread_bps"]), models
)
def test_nonsense_in_settings_gives_finite_quotes_or_none(bad: float, name: str, model: ModelKind) -> None:
    """I41: the gap that validation would have to leave is closed by the model."""
    changes = {"fixed_half_spread_bps": 4.0, name: bad}
    _, decision = decide(State(), view(), settings(model=model, **changes), BTC)
    if decision.quote is None:
        assert decision.diagnostics
        assert decision.plan.is_empty
    else:
        assert 0 < decision.quote.half_spread.total_bps < math.inf
        assert math.isfinite(decision.quote.skew_bps)


@examples(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**13), st.integers(0, 10**10)), max_size=3),
    st.lists(st.tuples(st.integers(1, 10**13), st.integers(0, 10**10)), max_size=3),
    st.integers(-(10**8), 10**8),
)
def test_any_book_gives_valid_orders_or_a_diagnostic(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], position_e8: int
) -> None:
    """I36 and I42 end to end."""
    seen = BookView(tuple(sorted(bids, reverse=True)), tuple(sorted(asks)), NOW_MS, NOW_NS)
    _, decision = decide(State(), View(standing(book=seen), position_e8, ()), settings(), BTC)
    assert decision.plan.places or decision.diagnostics
    for placement in decision.plan.places:
        assert BTC.violation(placement.target.px_e8, placement.target.sz_e8) is None
