"""The ordinary book of each coin, as last pushed: as old as its pace allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.views.markets import l2_book


@dataclass(slots=True)
class OrdinaryBooks:
    """Keeps one book of each coin until it is `every_ms` old."""

    venue: Venue
    every_ms: int
    _shown: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def of(self, coin: str) -> Any:
        """The book as it was when it was last due."""
        state, market = self.venue.state, self.venue.state.market_of(coin)
        since_ms, shown = self._shown.get(coin, (0, None))
        if market is not None and (shown is None or state.now_ms - since_ms >= self.every_ms):
            shown = l2_book(state, market, figures=None, mantissa=None, fast=False)
            self._shown[coin] = state.now_ms, shown
        return shown
