"""Every number of the simulated market, in one place: what it is, its unit, what it is plausible against.

Two markets are described with the same types:

- `GENTLE`, the default: wide spreads, small takers who know nothing, one regime. A maker with room inside the spread
  earns here, so it suits demonstrations and tests of everything but the market.
- `CALIBRATED`: orders of magnitude of the real books of BTC, ETH, SOL and one thin builder-listed market. The figures
  are round on purpose: they are meant to be plausible, not fitted to one day.

Targets of `CALIBRATED`, for one ordinary hour (the test of the market's statistics prints what a seed gives):

| | BTC | ETH | SOL | thin | plausible against |
|---|---|---|---|---|---|
| spread, bps | 0.15-1 | 0.4-1.5 | 0.5-2 | 8-40 | one or two ticks where the tick is the limit |
| depth at touch, USD a side | 50k-500k | 20k-250k | 8k-100k | 0.3k-5k | top of book of the exchange's own pages |
| depth within 10 bps, USD a side | 5M-15M | 2M-7M | 0.5M-3M | under 10k | the same, summed |
| trades a minute | 150-900 | 80-500 | 40-300 | 1-20 | public trades of an ordinary hour |
| volatility a day, % | 2-4 | 3-5 | 4-7 | 6-12 | realised volatility of one-minute closes |

Seeds and time do the rest: nothing here is read from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MarketStyle = Literal["gentle", "calibrated"]


@dataclass(frozen=True, slots=True)
class Regime:
    """A weather of the market. The factors multiply what the coin's own table says."""

    name: str
    mean_stay_s: float
    """Mean of the exponential time spent here before switching."""
    vol_factor: float
    taker_factor: float
    """Noise and informed arrivals."""
    spread_factor: float
    """Makers' distance from the price, and between their levels."""
    depth_factor: float
    """Makers' order sizes."""
    next_weights: tuple[tuple[str, float], ...]
    """Where it goes from here, with relative weights."""


@dataclass(frozen=True, slots=True)
class Price:
    """The efficient price: jump-diffusion in the logarithm, with a pull towards where it began."""

    daily_vol_pct: float
    """Standard deviation of a day's diffusion, averaged over regimes, without jumps and episodes."""
    jumps_per_hour: float = 0.0
    jump_bps: float = 0.0
    """Standard deviation of one jump."""
    pull_half_life_s: float = 14_400.0
    """A deviation from the start halves in this time; keeps long runs near the listed price."""
    oracle_lag_ms: int = 0
    """Age of the price that oracle publications show: validators' sources are averages, not the touch."""


@dataclass(frozen=True, slots=True)
class MakerStyle:
    """A background maker: a ladder of post-only orders around the price it sees."""

    half_spread_bps: float
    """Distance of the first level from the price."""
    step_bps: float
    """Distance between two levels."""
    levels: int
    first_order_usd: int
    """Value of the first level; level n (from 0) is n + 1 times as large."""
    refresh_ms: int
    """Mean time after which it repairs its ladder although the price has not moved."""
    move_bps: float = 1.5
    """It re-quotes when the price has left its anchor by this much."""
    latency_ms: int = 0
    """Age of the price it quotes from. What informed takers live on."""
    jitter_bps: float = 0.5
    """Each order's distance is off by up to this much, so that makers do not stand in one line."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Takers who know nothing. Arrivals are Erlang, or self-exciting (Hawkes) when `branching` is above 0."""

    per_second: float
    """Mean arrivals in a regime of factor 1."""
    median_usd: float
    size_spread: float
    """Standard deviation of the logarithm of an order's value."""
    max_usd: float
    lean_usd: float
    """Net holding at which direction leans visibly to the other side."""
    erlang_shape: int = 3
    branching: float = 0.0
    """Mean number of further arrivals that one arrival sets off, below 1. Measured values are 0.5 to 0.8."""
    decay_s: float = 1.0
    """Time constant with which an arrival's excitement fades."""
    slippage_bps: float = 10.0
    """How far beyond the touch a noise order may trade."""


@dataclass(frozen=True, slots=True)
class Informed:
    """Takers who see the efficient price a little ahead and take what is stale."""

    looks_per_second: float
    lead_ms: int
    """How far ahead they see."""
    edge_bps: float
    """Least distance between the price ahead and the touch they take: their fee and their pains."""
    median_usd: float
    size_spread: float = 0.8
    max_usd: float = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an episode."""

    seconds: float
    move_minutes: float
    """Drift over the whole phase, in standard deviations of one minute of the coin; the sign is the direction."""
    push_per_second: float = 0.0
    """Arrivals of takers who must trade in the direction of the move, whatever the price."""
    push_share: float = 0.0
    """Mean value of such an order as a share of the coin's `episode_usd`."""
    spread_factor: float = 1.0
    depth_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything about one coin."""

    price: Price
    makers: tuple[MakerStyle, ...]
    noise: Noise
    informed: Informed | None = None
    regimes: tuple[Regime, ...] = field(default=())
    episodes_per_hour: tuple[tuple[str, float], ...] = ()
    """Names of `EPISODES` that start by themselves, with mean starts an hour."""
    episode_usd: float = 2_000.0
    """Scale of forced orders in an episode."""


CONSTANT = Regime("calm", float("inf"), 1.0, 1.0, 1.0, 1.0, (("calm", 1.0),))
"""The only regime where a world names none."""

REGIMES = (
    Regime("calm", 240.0, 0.7, 0.8, 1.0, 1.0, (("busy", 0.9), ("stressed", 0.1))),
    Regime("busy", 90.0, 1.3, 1.6, 1.2, 0.9, (("calm", 0.8), ("stressed", 0.2))),
    Regime("stressed", 20.0, 3.0, 3.0, 2.5, 0.5, (("busy", 0.7), ("calm", 0.3))),
)
"""Time shares come to 0.69, 0.29 and 0.02, so that the mean of the squared volatility factors is 1."""

EPISODES: dict[str, tuple[Phase, ...]] = {
    "trend_up": (Phase(120.0, 6.0, push_per_second=0.5, push_share=0.1, spread_factor=1.1),),
    "trend_down": (Phase(120.0, -6.0, push_per_second=0.5, push_share=0.1, spread_factor=1.1),),
    "cascade_down": (
        Phase(3.0, -3.0, push_per_second=3.0, push_share=0.3, spread_factor=1.5, depth_factor=0.7),
        Phase(9.0, -10.0, push_per_second=8.0, push_share=1.0, spread_factor=3.0, depth_factor=0.25),
        Phase(30.0, 7.0, spread_factor=2.0, depth_factor=0.5),
    ),
    "cascade_up": (
        Phase(3.0, 3.0, push_per_second=3.0, push_share=0.3, spread_factor=1.5, depth_factor=0.7),
        Phase(9.0, 10.0, push_per_second=8.0, push_share=1.0, spread_factor=3.0, depth_factor=0.25),
        Phase(30.0, -7.0, spread_factor=2.0, depth_factor=0.5),
    ),
}
"""A trend is a minute-by-minute drift with a crowd behind it. A cascade is what forced liquidations do: the move feeds
the orders, makers step back, then half of it is taken back. Compare 10 October 2025: tens of percent in minutes for
small coins, several percent for BTC; at strength 1 these are ordinary bad minutes, use a larger one for that day."""


def _gentle(daily_vol_pct: float) -> World:
    return World(
        price=Price(daily_vol_pct, pull_half_life_s=600.0),
        makers=(
            MakerStyle(half_spread_bps=7.0, step_bps=3.0, levels=4, first_order_usd=4_000, refresh_ms=1_500),
            MakerStyle(half_spread_bps=10.0, step_bps=5.0, levels=4, first_order_usd=10_000, refresh_ms=2_500),
        ),
        noise=Noise(per_second=0.65, median_usd=70.0, size_spread=0.7, max_usd=4_000.0, lean_usd=300.0),
    )


GENTLE = {"BTC": _gentle(2.94), "ETH": _gentle(3.53)}
GENTLE_OTHER = _gentle(4.11)

_EPISODES_PER_HOUR = (("trend_up", 1.0), ("trend_down", 1.0), ("cascade_down", 0.4), ("cascade_up", 0.2))

CALIBRATED = {
    "BTC": World(
        price=Price(2.5, jumps_per_hour=6.0, jump_bps=6.0, oracle_lag_ms=1_000),
        makers=(
            MakerStyle(0.10, 0.16, 5, 60_000, 900, move_bps=0.4, latency_ms=140, jitter_bps=0.05),
            MakerStyle(0.25, 0.25, 5, 50_000, 1_300, move_bps=0.6, latency_ms=210, jitter_bps=0.10),
            MakerStyle(1.0, 0.8, 6, 120_000, 3_000, move_bps=1.5, latency_ms=350, jitter_bps=0.2),
            MakerStyle(4.0, 3.0, 8, 600_000, 8_000, move_bps=4.0, latency_ms=700),
        ),
        noise=Noise(3.0, 900.0, 1.5, 400_000.0, 400_000.0, branching=0.6, decay_s=2.0, slippage_bps=5.0),
        informed=Informed(1.0, lead_ms=1_000, edge_bps=0.8, median_usd=25_000.0),
        regimes=REGIMES,
        episodes_per_hour=_EPISODES_PER_HOUR,
        episode_usd=400_000.0,
    ),
    "ETH": World(
        price=Price(3.6, jumps_per_hour=6.0, jump_bps=8.0, oracle_lag_ms=1_000),
        makers=(
            MakerStyle(0.25, 0.41, 5, 30_000, 1_000, move_bps=0.6, latency_ms=140, jitter_bps=0.1),
            MakerStyle(0.5, 0.5, 5, 25_000, 1_500, move_bps=0.9, latency_ms=210, jitter_bps=0.2),
            MakerStyle(1.6, 1.0, 6, 60_000, 3_000, move_bps=2.0, latency_ms=350, jitter_bps=0.3),
            MakerStyle(4.0, 3.0, 8, 250_000, 8_000, move_bps=5.0, latency_ms=700),
        ),
        noise=Noise(1.8, 600.0, 1.4, 200_000.0, 150_000.0, branching=0.6, decay_s=2.0, slippage_bps=6.0),
        informed=Informed(0.7, lead_ms=1_000, edge_bps=1.0, median_usd=12_000.0),
        regimes=REGIMES,
        episodes_per_hour=_EPISODES_PER_HOUR,
        episode_usd=150_000.0,
    ),
    "SOL": World(
        price=Price(4.8, jumps_per_hour=8.0, jump_bps=10.0, oracle_lag_ms=1_000),
        makers=(
            MakerStyle(0.35, 0.56, 5, 12_000, 1_200, move_bps=0.8, latency_ms=140, jitter_bps=0.15),
            MakerStyle(0.8, 0.7, 5, 10_000, 1_800, move_bps=1.2, latency_ms=210, jitter_bps=0.3),
            MakerStyle(2.0, 1.3, 6, 22_000, 3_500, move_bps=2.5, latency_ms=420, jitter_bps=0.4),
            MakerStyle(5.0, 4.0, 8, 80_000, 9_000, move_bps=6.0, latency_ms=700),
        ),
        noise=Noise(1.0, 350.0, 1.3, 80_000.0, 40_000.0, branching=0.55, decay_s=2.5, slippage_bps=8.0),
        informed=Informed(0.5, lead_ms=1_200, edge_bps=1.3, median_usd=5_000.0),
        regimes=REGIMES,
        episodes_per_hour=_EPISODES_PER_HOUR,
        episode_usd=40_000.0,
    ),
}

CALIBRATED_OTHER = World(
    price=Price(6.0, jumps_per_hour=8.0, jump_bps=15.0, oracle_lag_ms=1_500),
    makers=(
        MakerStyle(0.8, 1.0, 5, 4_000, 1_500, move_bps=1.5, latency_ms=210, jitter_bps=0.3),
        MakerStyle(2.0, 2.0, 6, 8_000, 3_000, move_bps=3.0, latency_ms=420),
        MakerStyle(8.0, 6.0, 6, 30_000, 9_000, move_bps=8.0, latency_ms=700),
    ),
    noise=Noise(0.5, 200.0, 1.2, 30_000.0, 10_000.0, branching=0.5, decay_s=3.0, slippage_bps=10.0),
    informed=Informed(0.3, lead_ms=1_500, edge_bps=2.0, median_usd=1_500.0),
    regimes=REGIMES,
    episodes_per_hour=_EPISODES_PER_HOUR,
    episode_usd=12_000.0,
)
"""Coins without a table of their own on the first dex: a mid-size altcoin."""

CALIBRATED_THIN = World(
    price=Price(8.0, jumps_per_hour=10.0, jump_bps=25.0, oracle_lag_ms=3_000),
    makers=(
        MakerStyle(6.0, 5.0, 3, 700, 4_000, move_bps=4.0, latency_ms=700, jitter_bps=1.5),
        MakerStyle(14.0, 10.0, 4, 2_500, 9_000, move_bps=9.0, latency_ms=1_400, jitter_bps=3.0),
    ),
    noise=Noise(0.05, 120.0, 1.0, 3_000.0, 1_500.0, branching=0.4, decay_s=6.0, slippage_bps=40.0),
    informed=Informed(0.1, lead_ms=2_000, edge_bps=4.0, median_usd=400.0),
    regimes=REGIMES,
    episodes_per_hour=_EPISODES_PER_HOUR,
    episode_usd=800.0,
)
"""Markets of builder-deployed dexes (`dex:COIN`): two part-time makers, a trade every quarter of a minute."""


def world_of(coin: str, style: MarketStyle) -> World:
    """The table of a coin; every coin has one."""
    if style == "gentle":
        return GENTLE.get(coin, GENTLE_OTHER)
    if ":" in coin:
        return CALIBRATED_THIN
    return CALIBRATED.get(coin, CALIBRATED_OTHER)
