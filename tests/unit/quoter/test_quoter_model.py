"""Volatility, fair price, intensity, half-spread and skew at known values."""

from __future__ import annotations

import math

import pytest
from tests.support.quoter import PX, SECOND_NS, settings

from perpmaker.common.decimals import E8
from perpmaker.quoter.model.avellaneda_stoikov import avellaneda_stoikov
from perpmaker.quoter.model.fair_price import FairPrice, fair_price
from perpmaker.quoter.model.glft import glft
from perpmaker.quoter.model.intensity import Intensity, observe_trades
from perpmaker.quoter.model.quote import MAKER_FEE_BPS, jump_premium_bps, quote
from perpmaker.quoter.model.skew import distances, inventory_share, skew_bps
from perpmaker.quoter.model.spread import NotQuotableError, compose
from perpmaker.quoter.model.volatility import CAP_SIGMA, FLOOR_SIGMA, PRIOR_SIGMA, Volatility, observe_mid
from perpmaker.quoter.settings import ModelKind


def walk(returns_bps: list[float], *, step_ns: int = SECOND_NS) -> Volatility:
    state = Volatility()
    mid = float(PX)
    state = observe_mid(state, mid, step_ns)
    for i, bps in enumerate(returns_bps):
        mid *= math.exp(bps / 1e4)
        state = observe_mid(state, mid, (i + 2) * step_ns)
    return state


def test_a_cold_estimator_says_the_prior() -> None:
    assert Volatility().sigma_bps == PRIOR_SIGMA
    assert Volatility().jump_ratio == 1.0


def test_constant_absolute_returns_converge_to_their_volatility_and_more_under_bipower() -> None:
    state = walk([1.0, -1.0] * 300)
    assert state.realised == pytest.approx(1.0, rel=0.01)
    assert state.sigma_bps == pytest.approx(math.sqrt(math.pi / 2), rel=0.01)


def test_one_jump_raises_realised_but_hardly_bipower_variance() -> None:
    calm = walk([0.5, -0.5] * 300)
    jumped = walk([0.5, -0.5] * 300 + [40.0, 0.5, -0.5])
    assert jumped.jump_ratio > 3 * calm.jump_ratio
    assert jumped.bipower < jumped.realised / 3


def test_samples_closer_than_the_interval_are_not_taken() -> None:
    state = observe_mid(Volatility(), float(PX), SECOND_NS)
    assert observe_mid(state, PX * 1.01, SECOND_NS + 1) is state


@pytest.mark.parametrize("mid", [math.nan, math.inf, 0.0, -1.0])
def test_a_mid_that_is_no_price_leaves_the_estimate_alone(mid: float) -> None:
    state = walk([1.0, -1.0])
    assert observe_mid(state, mid, 10 * SECOND_NS) is state


def test_volatility_stays_between_floor_and_cap() -> None:
    assert walk([0.0] * 2_000).sigma_bps == FLOOR_SIGMA
    assert walk([5_000.0, -5_000.0] * 100).sigma_bps == CAP_SIGMA


def test_a_balanced_touch_is_fair_at_the_mid() -> None:
    assert fair_price((PX - E8, E8), (PX + E8, E8)) == FairPrice(PX, PX)


def test_the_fair_price_leans_away_from_the_heavier_side_and_stays_inside_the_touch() -> None:
    price = fair_price((PX - 10 * E8, 9 * E8), (PX + 10 * E8, E8))
    assert isinstance(price, FairPrice)
    assert price.mid < price.fair < PX + 10 * E8


def test_a_thin_touch_says_nothing_about_direction() -> None:
    price = fair_price((PX - 10 * E8, 9_000), (PX + 10 * E8, 1_000))
    assert isinstance(price, FairPrice)
    assert price.fair == price.mid


@pytest.mark.parametrize(
    ("bid", "ask", "word"),
    [
        (None, None, "no_book"),
        ((PX, E8), None, "one_sided_book"),
        (None, (PX, E8), "one_sided_book"),
        ((PX, E8), (PX, E8), "crossed_book"),
        ((PX, 0), (PX + E8, E8), "not_a_number"),
    ],
)
def test_a_book_without_a_fair_price_says_why(
    bid: tuple[int, int] | None, ask: tuple[int, int] | None, word: str
) -> None:
    assert fair_price(bid, ask) == word


TOUCH = (int(PX * 0.9993), int(PX * 1.0007))


def test_intensity_learns_how_far_beyond_the_touch_takers_reach() -> None:
    state = Intensity()
    for i in range(1, 2_001):
        state = observe_trades(state, (int(PX * 1.0009),), TOUCH, i * SECOND_NS // 5, window_s=60.0)
    assert state.kappa_per_bps == pytest.approx(0.5, rel=0.05)
    assert state.arrivals_per_s == pytest.approx(5.0, rel=0.15)
    assert state.seen == 2_000


def test_a_wide_market_alone_does_not_look_like_one_that_pays_for_width() -> None:
    state = Intensity()
    for i in range(1, 501):
        state = observe_trades(state, TOUCH, TOUCH, i * SECOND_NS // 5, window_s=60.0)
    assert state.kappa_per_bps > Intensity().kappa_per_bps


def test_trades_without_a_touch_are_counted_but_teach_nothing() -> None:
    state = observe_trades(Intensity(), (PX, PX), None, SECOND_NS, window_s=60.0)
    assert state.seen == 2
    assert state.kappa_per_bps == Intensity().kappa_per_bps


def test_glft_reproduces_its_closed_form() -> None:
    terms = glft(sigma_bps=1.0, kappa_per_bps=0.25, arrivals_per_s=1.0, risk_aversion=0.1, clip=0.1)
    assert terms.intensity_bps == pytest.approx(math.log(1.04) / 0.01)
    carry = math.sqrt(0.1 / (2 * 0.1 * 0.25) * 1.04**26)
    assert terms.skew_at_limit_bps == pytest.approx(carry)
    assert terms.risk_bps == pytest.approx(0.05 * carry)


def test_avellaneda_stoikov_reproduces_its_closed_form() -> None:
    terms = avellaneda_stoikov(sigma_bps=2.0, kappa_per_bps=0.25, risk_aversion=0.1, clip=0.1, horizon_s=60.0)
    assert terms.intensity_bps == pytest.approx(math.log(1.04) / 0.01)
    assert terms.skew_at_limit_bps == pytest.approx(0.1 * 4 * 60)
    assert terms.risk_bps == pytest.approx(0.5 * 0.1 * 0.1 * 4 * 60)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["sigma_bps", "kappa_per_bps", "risk_aversion", "clip"])
def test_no_model_accepts_an_input_that_is_not_positive_and_finite(name: str, bad: float) -> None:
    good = {"sigma_bps": 1.0, "kappa_per_bps": 0.25, "risk_aversion": 0.1, "clip": 0.1}
    with pytest.raises(NotQuotableError):
        glft(**{**good, "arrivals_per_s": 1.0, name: bad})
    with pytest.raises(NotQuotableError):
        avellaneda_stoikov(**{**good, "horizon_s": 60.0, name: bad})


def test_jump_premium_begins_at_the_toxic_ratio_and_is_bounded() -> None:
    assert [jump_premium_bps(ratio) for ratio in (1.0, 3.0, 4.5, 100.0)] == [0.0, 0.0, 1.5, 5.0]


def test_the_permission_widens_what_the_floor_left_and_the_cap_ends_it() -> None:
    half = compose(
        intensity_bps=1.0,
        risk_bps=0.25,
        fee_bps=0.5,
        jump_bps=0.0,
        spread_factor_ppm=3_000_000,
        min_bps=2.0,
        max_bps=5.0,
    )
    assert (half.floor_bps, half.permission_bps, half.cap_bps, half.total_bps) == (0.25, 4.0, -1.0, 5.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_part_that_is_not_a_number_is_refused(bad: float) -> None:
    with pytest.raises(NotQuotableError):
        compose(
            intensity_bps=1.0, risk_bps=bad, fee_bps=0.5, jump_bps=0.0, spread_factor_ppm=0, min_bps=2.0, max_bps=5.0
        )


def test_long_inventory_lowers_both_quotes() -> None:
    skew = skew_bps(inventory_share(50.0, 0.0, 100.0), 4.0, 0.0)
    assert skew == -2.0
    both = distances(4.0, skew)
    assert (both.bid_bps, both.ask_bps) == (6.0, 2.0)


def test_skew_is_measured_from_the_target_inventory() -> None:
    assert skew_bps(inventory_share(50.0, 50.0, 100.0), 4.0, 9.0) == 0.0
    assert skew_bps(inventory_share(0.0, 50.0, 100.0), 4.0, 9.0) == 4.0


def test_skew_at_the_limit_never_takes_the_reducing_quote_through_the_fair_price() -> None:
    both = distances(4.0, skew_bps(1.0, 4.0, 100.0))
    assert (both.bid_bps, both.ask_bps) == (12.0, 0.0)


@pytest.mark.parametrize("model", list(ModelKind))
def test_every_model_gives_a_quote_inside_floor_and_cap(model: ModelKind) -> None:
    wanted = settings(model=model, fixed_half_spread_bps=4.0)
    found = quote(wanted, FairPrice(PX, PX), Volatility(), Intensity(), position_e8=0, spread_factor_ppm=1_000_000)
    assert wanted.min_half_spread_bps <= found.half_spread.total_bps <= wanted.max_half_spread_bps
    assert found.skew_bps == 0.0
    assert found.half_spread.fee_bps == (0.0 if model is ModelKind.FIXED else MAKER_FEE_BPS)
