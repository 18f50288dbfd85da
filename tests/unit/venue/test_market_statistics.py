"""The calibrated market looks like its table says, over 1,000 simulated seconds; the weather and the crowds show."""

from __future__ import annotations

import sys
import time
from collections import Counter
from itertools import pairwise

import pytest
from tests.support.market_statistics import Tally, observe

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.flow.parameters import EPISODES, REGIMES
from perpmaker.venue.flow.participants import HouseParticipants

THIN = "tst:THIN"
MARKETS = list_markets(("BTC", "ETH", "SOL", THIN))
SECONDS = 1_000

Range = tuple[float, float]
SPREAD_BPS: dict[str, Range] = {"BTC": (0.15, 1.0), "ETH": (0.4, 1.5), "SOL": (0.5, 2.0), THIN: (8, 40)}
TOUCH_USD: dict[str, Range] = {
    "BTC": (50_000, 500_000), "ETH": (20_000, 250_000), "SOL": (8_000, 100_000), THIN: (300, 5_000),
}  # fmt: skip
NEAR_USD: dict[str, Range] = {"BTC": (5e6, 15e6), "ETH": (2e6, 7e6), "SOL": (5e5, 3e6), THIN: (100, 10_000)}
TRADES_PER_MINUTE: dict[str, Range] = {"BTC": (150, 900), "ETH": (80, 500), "SOL": (40, 300), THIN: (1, 20)}
VOLATILITY_PCT: dict[str, Range] = {"BTC": (1, 12), "ETH": (1.5, 15), "SOL": (2, 20), THIN: (3, 30)}


@pytest.fixture(scope="module")
def seen() -> tuple[Venue, dict[str, Tally]]:
    began_s = time.process_time()
    venue, tallies = observe(MARKETS, seed=1, seconds=SECONDS, style="calibrated")
    sys.stdout.write(
        f"\n{SECONDS} simulated seconds of {len(MARKETS)} markets: {time.process_time() - began_s:.1f} s of CPU\n"
    )
    for tally in tallies.values():
        sys.stdout.write(tally.line() + "\n")
    return venue, tallies


@pytest.mark.parametrize("coin", [market.coin for market in MARKETS])
def test_each_coin_is_within_its_plausible_ranges(seen: tuple[Venue, dict[str, Tally]], coin: str) -> None:
    tally = seen[1][coin]
    assert SPREAD_BPS[coin][0] <= tally.spread_bps <= SPREAD_BPS[coin][1]
    assert TOUCH_USD[coin][0] <= sum(tally.touch_usd) / len(tally.touch_usd) <= TOUCH_USD[coin][1]
    assert NEAR_USD[coin][0] <= sum(tally.near_usd) / len(tally.near_usd) <= NEAR_USD[coin][1]
    assert TRADES_PER_MINUTE[coin][0] <= tally.trades_per_minute <= TRADES_PER_MINUTE[coin][1]
    assert VOLATILITY_PCT[coin][0] <= tally.volatility_pct() <= VOLATILITY_PCT[coin][1]


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL"])
def test_informed_takers_gain_and_noise_pays(seen: tuple[Venue, dict[str, Tally]], coin: str) -> None:
    tally = seen[1][coin]
    assert tally.markout_bps("informed") > 0.3
    assert tally.markout_bps("taker") < tally.markout_bps("informed") - 0.3


def test_every_regime_is_visited_and_calm_is_the_rule(seen: tuple[Venue, dict[str, Tally]]) -> None:
    visits: Counter[str] = Counter()
    for tally in seen[1].values():
        visits += tally.regimes
    assert set(visits) == {regime.name for regime in REGIMES}
    assert visits["calm"] > visits["busy"] > visits["stressed"]


def test_oracle_moves_every_three_seconds_whatever_the_book_does(seen: tuple[Venue, dict[str, Tally]]) -> None:
    times = seen[1]["BTC"].oracle_changes_ms
    assert len(times) > SECONDS / 3 * 0.9
    assert min(later - earlier for earlier, later in pairwise(times)) >= 3_000


def test_books_stay_whole_under_everything(seen: tuple[Venue, dict[str, Tally]]) -> None:
    assert violations(seen[0].state) == []


def test_a_cascade_moves_the_price_widens_the_book_and_is_partly_taken_back() -> None:
    _, quiet = observe(MARKETS[:1], seed=4, seconds=120, style="calibrated")
    _, stormy = observe(MARKETS[:1], seed=4, seconds=120, style="calibrated", episode=(40, "cascade_down"))
    before, low, after = (
        stormy["BTC"].mids[30],
        min(stormy["BTC"].mids[40:60]),
        sum(stormy["BTC"].mids[85:95]) / 10,
    )
    assert quiet["BTC"].mids[:30] == stormy["BTC"].mids[:30]
    assert low / before - 1 < -0.004
    assert low < after < before
    assert max(stormy["BTC"].spreads_bps[40:60]) > 2 * stormy["BTC"].spread_bps
    assert stormy["BTC"].episodes["cascade_down"] >= 40
    fell, calm = (len([1 for block, _ in t["BTC"].trades if 570 < block < 760]) for t in (stormy, quiet))
    assert fell > 1.5 * calm


@pytest.mark.parametrize(("name", "sign"), [("trend_up", 1), ("trend_down", -1)])
def test_a_trend_drifts_one_way(name: str, sign: int) -> None:
    _, seen = observe(MARKETS[2:3], seed=4, seconds=170, style="calibrated", episode=(30, name))
    mids = seen["SOL"].mids
    assert sign * (mids[-1] / mids[20] - 1) > 0.003


def test_an_unknown_episode_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=", ".join(EPISODES)):
        HouseParticipants(MARKETS, 1).start_episode(0, "flood")


def test_a_seed_makes_the_same_calibrated_history_and_another_a_different_one() -> None:
    first, again, other = (
        state_hash(observe(MARKETS, seed, 20, "calibrated", episode=(5, "cascade_up"))[0].state) for seed in (8, 8, 9)
    )
    assert first == again
    assert first != other
