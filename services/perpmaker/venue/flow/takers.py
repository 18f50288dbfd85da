"""Those who cross the touch: noise who know nothing, informed who see ahead, and crowds who must.

Noise leans against what it already holds: such traders come and go, and do not push the makers on the other side one
way. Informed take what the price ahead says is stale. A crowd belongs to an episode and trades in its direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.flow.arrivals import Erlang, Hawkes, arrivals, poisson
from perpmaker.venue.flow.parameters import Informed, Noise
from perpmaker.venue.flow.price import EfficientPrice
from perpmaker.venue.units import E8

_SMALLEST_USD = 15.0
_CROWD_SLIPPAGE_BPS = 200.0


def take(venue: Venue, address: str, market: Market, *, is_buy: bool, limit_px_e8: int, usd: float) -> None:
    """Send an IOC order of about this value to the block being built."""
    px = market.round_px(limit_px_e8, up=is_buy)
    sz = market.floor_sz(round(max(usd, _SMALLEST_USD) * E8) * E8 // px)
    order = NewOrder(market.asset, is_buy, px, max(sz, market.lot_e8), Tif.IOC)
    venue.submit_house(address, PlaceOrders((order,)), _ignore)


def _ignore(_: object) -> None:
    pass


def _beyond(px_e8: int, bps: float, *, is_buy: bool) -> int:
    return round(px_e8 * (1 + (bps if is_buy else -bps) / 10_000))


@dataclass(slots=True)
class NoiseTaker:
    """Takers of one market trading under one house address."""

    address: str
    market: Market
    noise: Noise
    rng: Random
    _arrivals: Erlang | Hawkes = field(init=False)

    def __post_init__(self) -> None:
        self._arrivals = arrivals(self.noise, self.rng)

    def act(self, venue: Venue, factor: float, elapsed_s: float) -> None:
        for _ in range(self._arrivals.count(elapsed_s, factor)):
            self._take(venue)

    def _take(self, venue: Venue) -> None:
        asset = self.market.asset
        account = venue.state.accounts.get(self.address)
        held = account.szi_e8(asset) if account else 0
        held_usd = held * venue.state.mark_px_e8(asset) / E8**2
        is_buy = self.rng.random() < 0.5 - 0.4 * math.tanh(held_usd / self.noise.lean_usd)
        touch = venue.state.book(asset).against(is_buy).best()
        if touch is None:
            return
        usd = min(self.noise.median_usd * math.exp(self.rng.gauss(0.0, self.noise.size_spread)), self.noise.max_usd)
        limit = _beyond(touch.px_e8, self.noise.slippage_bps, is_buy=is_buy)
        take(venue, self.address, self.market, is_buy=is_buy, limit_px_e8=limit, usd=usd)


@dataclass(slots=True)
class InformedTaker:
    """Takes everything up to its limit that will be worth more, or less, by its edge a moment ahead."""

    address: str
    market: Market
    informed: Informed
    rng: Random

    def act(self, venue: Venue, price: EfficientPrice, at_ms: int, factor: float, elapsed_s: float) -> None:
        if self.rng.random() >= self.informed.looks_per_second * factor * elapsed_s:
            return
        ahead = price.px_e8(at_ms + self.informed.lead_ms)
        book = venue.state.book(self.market.asset)
        usd = min(
            self.informed.median_usd * math.exp(self.rng.gauss(0.0, self.informed.size_spread)), self.informed.max_usd
        )
        for is_buy in (True, False):
            worst = _beyond(ahead, -self.informed.edge_bps, is_buy=is_buy)
            if book.against(is_buy).reaches(worst):
                # Rounding towards the book could give the edge away by a tick, never ask for more.
                limit = self.market.round_px(worst, up=not is_buy)
                if book.against(is_buy).reaches(limit):
                    take(venue, self.address, self.market, is_buy=is_buy, limit_px_e8=limit, usd=usd)
                return


@dataclass(slots=True)
class Crowd:
    """Forced traders of an episode: liquidations in a cascade, followers in a trend."""

    address: str
    market: Market
    episode_usd: float
    rng: Random

    def act(self, venue: Venue, price: EfficientPrice, at_ms: int, elapsed_s: float) -> None:
        weather = price.moment(at_ms)
        phase = weather.phase
        if phase is None or not phase.push_per_second:
            return
        is_buy = phase.move_minutes > 0
        for _ in range(poisson(self.rng, phase.push_per_second * elapsed_s)):
            touch = venue.state.book(self.market.asset).against(is_buy).best()
            if touch is None:
                return
            usd = self.episode_usd * phase.push_share * weather.strength * self.rng.expovariate(1.0)
            limit = _beyond(touch.px_e8, _CROWD_SLIPPAGE_BPS, is_buy=is_buy)
            take(venue, self.address, self.market, is_buy=is_buy, limit_px_e8=limit, usd=usd)
