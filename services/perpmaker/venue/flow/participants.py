"""The house side of every market: one fair price, two makers and a crowd of noise takers each, from one seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.flow.fair import FairPrice
from perpmaker.venue.flow.makers import HouseMaker, MakerStyle
from perpmaker.venue.flow.takers import NoiseTaker

_STYLES = (
    MakerStyle(half_spread_bps=7.0, step_bps=3.0, levels=4, first_order_usd=4_000, refresh_ms=1_500),
    MakerStyle(half_spread_bps=10.0, step_bps=5.0, levels=4, first_order_usd=10_000, refresh_ms=2_500),
)
_VOL_BPS = {"BTC": 1.0, "ETH": 1.2}
_DEFAULT_VOL_BPS = 1.4
_TAKERS_PER_SECOND = 0.65
_TAKER_MEDIAN_USD = 70.0
_LONGEST_STEP_S = 1.0


def house_address(role: str, coin: str = "") -> str:
    """A fixed address for a house role; nobody holds a key for it."""
    return "0x" + hashlib.blake2b(f"house/{role}/{coin}".encode(), digest_size=20).hexdigest()


@dataclass(slots=True)
class _Scene:
    fair: FairPrice
    makers: tuple[HouseMaker, ...]
    taker: NoiseTaker


class HouseParticipants:
    """Implements the venue's `Participants`."""

    def __init__(self, markets: tuple[Market, ...], seed: int) -> None:
        self._last_ms: int | None = None
        self._scenes = {market.asset: _scene(market, seed) for market in markets}

    def fair_px_e8(self, asset: int) -> int:
        return self._scenes[asset].fair.px_e8

    def act(self, venue: Venue) -> None:
        now_ms = venue.state.now_ms
        elapsed_s = 0.0 if self._last_ms is None else (now_ms - self._last_ms) / 1000
        self._last_ms = now_ms
        elapsed_s = min(elapsed_s, _LONGEST_STEP_S)
        for scene in self._scenes.values():
            scene.fair.advance(elapsed_s)
            for maker in scene.makers:
                maker.act(venue, scene.fair.px_e8)
            scene.taker.act(venue, elapsed_s)


def _scene(market: Market, seed: int) -> _Scene:
    def rng(role: str) -> Random:
        return Random(f"{seed}/{market.coin}/{role}")

    fair = FairPrice(market.start_px_e8, _VOL_BPS.get(market.coin, _DEFAULT_VOL_BPS), rng("fair"))
    makers = tuple(
        HouseMaker(house_address(f"maker{index}"), market, style, rng(f"maker{index}"))
        for index, style in enumerate(_STYLES)
    )
    taker = NoiseTaker(house_address("taker"), market, _TAKERS_PER_SECOND, _TAKER_MEDIAN_USD, rng("taker"))
    return _Scene(fair, makers, taker)
