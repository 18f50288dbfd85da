"""Noise takers: small orders at random times that cross the touch and know nothing.

Times between arrivals are Erlang: as irregular as people, without the runs of a Poisson stream, which would look like
somebody who knows. Direction leans against what the takers already hold: they come and go, and do not push the makers
on the other side one way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.units import E8

_LEAN_USD = 300
_MAX_USD = 4_000
_SLIPPAGE_BPS = 10
_ARRIVAL_SHAPE = 3
_SIZE_SPREAD = 0.7
"""Standard deviation of the logarithm of an order's value."""


@dataclass(slots=True)
class NoiseTaker:
    """Takers of one market trading under one house address."""

    address: str
    market: Market
    per_second: float
    median_usd: float
    rng: Random
    _next_in_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_in_s = self._pause_s()

    def act(self, venue: Venue, elapsed_s: float) -> None:
        self._next_in_s -= elapsed_s
        while self._next_in_s <= 0:
            self._next_in_s += self._pause_s()
            order = self._order(venue)
            if order is not None:
                venue.submit_house(self.address, PlaceOrders((order,)), lambda _: None)

    def _pause_s(self) -> float:
        return self.rng.gammavariate(_ARRIVAL_SHAPE, 1 / (_ARRIVAL_SHAPE * self.per_second))

    def _order(self, venue: Venue) -> NewOrder | None:
        account = venue.state.accounts.get(self.address)
        held = account.szi_e8(self.market.asset) if account else 0
        held_usd = held * venue.state.mark_px_e8(self.market.asset) / E8**2
        is_buy = self.rng.random() < 0.5 - 0.4 * math.tanh(held_usd / _LEAN_USD)
        touch = venue.state.book(self.market.asset).against(is_buy).best()
        if touch is None:
            return None
        bps = _SLIPPAGE_BPS if is_buy else -_SLIPPAGE_BPS
        px = self.market.round_px(touch.px_e8 + touch.px_e8 * bps // 10_000, up=is_buy)
        usd = min(self.median_usd * math.exp(self.rng.gauss(0.0, _SIZE_SPREAD)), _MAX_USD)
        sz = self.market.floor_sz(round(max(usd, 15.0) * E8) * E8 // px)
        return NewOrder(self.market.asset, is_buy, px, max(sz, self.market.lot_e8), Tif.IOC)
