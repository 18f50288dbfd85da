"""Noise takers: small orders at random times that cross the touch and know nothing.

Arrivals are Poisson. Direction leans gently against what the takers already hold, so that the makers on the
other side are not pushed one way for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.units import E8

_LEAN_USD = 40_000
_MAX_USD = 4_000
_SLIPPAGE_BPS = 10


@dataclass(slots=True)
class NoiseTaker:
    """Takers of one market trading under one house address."""

    address: str
    market: Market
    per_second: float
    median_usd: float
    rng: Random

    def act(self, venue: Venue, elapsed_s: float) -> None:
        for _ in range(self._arrivals(elapsed_s)):
            order = self._order(venue)
            if order is not None:
                venue.submit_house(self.address, PlaceOrders((order,)), lambda _: None)

    def _arrivals(self, elapsed_s: float) -> int:
        """How many takers come in this time (Knuth's product method; the mean is well below ten)."""
        threshold, count, product = math.exp(-self.per_second * elapsed_s), 0, self.rng.random()
        while product > threshold:
            count += 1
            product *= self.rng.random()
        return count

    def _order(self, venue: Venue) -> NewOrder | None:
        account = venue.state.accounts.get(self.address)
        held = account.szi_e8(self.market.asset) if account else 0
        held_usd = held * venue.state.mark_px_e8(self.market.asset) / E8**2
        is_buy = self.rng.random() < 0.5 - 0.2 * math.tanh(held_usd / _LEAN_USD)
        touch = venue.state.book(self.market.asset).against(is_buy).best()
        if touch is None:
            return None
        bps = _SLIPPAGE_BPS if is_buy else -_SLIPPAGE_BPS
        px = self.market.round_px(touch.px_e8 + touch.px_e8 * bps // 10_000, up=is_buy)
        usd = min(self.median_usd * math.exp(self.rng.gauss(0.0, 0.8)), _MAX_USD)
        sz = self.market.floor_sz(round(max(usd, 15.0) * E8) * E8 // px)
        return NewOrder(self.market.asset, is_buy, px, max(sz, self.market.lot_e8), Tif.IOC)
