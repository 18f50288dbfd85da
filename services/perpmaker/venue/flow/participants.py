"""The house side of every market: one efficient price, its makers and its takers each, from one seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.flow.makers import HouseMaker
from perpmaker.venue.flow.parameters import EPISODES, MarketStyle, World, world_of
from perpmaker.venue.flow.price import EfficientPrice, Moment
from perpmaker.venue.flow.takers import Crowd, InformedTaker, NoiseTaker

_LONGEST_STEP_MS = 1_000


def house_address(role: str, coin: str = "") -> str:
    """A fixed address for a house role; nobody holds a key for it."""
    return "0x" + hashlib.blake2b(f"house/{role}/{coin}".encode(), digest_size=20).hexdigest()


@dataclass(slots=True)
class _Scene:
    world: World
    price: EfficientPrice
    makers: tuple[HouseMaker, ...]
    noise: NoiseTaker
    informed: InformedTaker | None
    crowd: Crowd

    def act(self, venue: Venue, at_ms: int, elapsed_s: float) -> None:
        self.price.reach(at_ms)
        factor = self.price.moment(at_ms).regime.taker_factor
        for maker in self.makers:
            maker.act(venue, self.price, at_ms)
        self.noise.act(venue, factor, elapsed_s)
        if self.informed is not None:
            self.informed.act(venue, self.price, at_ms, factor, elapsed_s)
        self.crowd.act(venue, self.price, at_ms, elapsed_s)


class HouseParticipants:
    """Implements the venue's `Participants`. The world's time stands still where the venue's leaps."""

    def __init__(self, markets: tuple[Market, ...], seed: int, style: MarketStyle = "gentle") -> None:
        self._last_ms: int | None = None
        self._world_ms = 0
        self._scenes = {market.asset: _scene(market, seed, style) for market in markets}

    def fair_px_e8(self, asset: int) -> int:
        """What the oracle shows: the efficient price as old as its sources."""
        scene = self._scenes[asset]
        return scene.price.px_e8(self._world_ms - scene.world.price.oracle_lag_ms)

    def efficient_px_e8(self, asset: int) -> int:
        """What the asset is worth now, for those who measure."""
        return self._scenes[asset].price.px_e8(self._world_ms)

    def weather(self, asset: int) -> Moment:
        """Regime and episode of now, for those who measure."""
        return self._scenes[asset].price.moment(self._world_ms)

    def start_episode(self, asset: int, name: str, strength: float = 1.0) -> None:
        """Begin an episode of `EPISODES` as far ahead as informed takers see. Raises `ValueError`."""
        if name not in EPISODES:
            raise ValueError(f"unknown episode {name!r}; there are {', '.join(EPISODES)}")
        self._scenes[asset].price.start_episode(name, strength)

    def act(self, venue: Venue) -> None:
        now_ms = venue.state.now_ms
        elapsed_ms = 0 if self._last_ms is None else min(now_ms - self._last_ms, _LONGEST_STEP_MS)
        self._last_ms = now_ms
        self._world_ms += elapsed_ms
        for scene in self._scenes.values():
            scene.act(venue, self._world_ms, elapsed_ms / 1000)


def _scene(market: Market, seed: int, style: MarketStyle) -> _Scene:
    def rng(role: str) -> Random:
        return Random(f"{seed}/{market.coin}/{role}")

    world = world_of(market.coin, style)
    behind_ms = max(world.price.oracle_lag_ms, *(maker.latency_ms for maker in world.makers))
    price = EfficientPrice(
        market.start_px_e8,
        world,
        rng("price"),
        behind_ms=behind_ms,
        ahead_ms=world.informed.lead_ms if world.informed else 0,
    )
    makers = tuple(
        HouseMaker(house_address(f"maker{index}"), market, maker, rng(f"maker{index}"))
        for index, maker in enumerate(world.makers)
    )
    informed = world.informed
    return _Scene(
        world,
        price,
        makers,
        NoiseTaker(house_address("taker"), market, world.noise, rng("taker")),
        InformedTaker(house_address("informed"), market, informed, rng("informed")) if informed else None,
        Crowd(house_address("crowd"), market, world.episode_usd, rng("crowd")),
    )
