"""A house maker: a ladder of post-only orders around the price it sees, moved when that price has moved.

It sees the efficient price late by its latency, steps back in bad weather, and never quotes through the book.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import Modification, ModifyOrders, PlaceOrders
from perpmaker.venue.engine.execute import Answer, Ok
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.flow.parameters import MakerStyle
from perpmaker.venue.flow.price import EfficientPrice, Moment
from perpmaker.venue.units import E8


@dataclass(slots=True)
class HouseMaker:
    """One maker in one market. Slots are `(is_buy, level)`; each holds at most one order."""

    address: str
    market: Market
    style: MakerStyle
    rng: Random
    _slots: dict[tuple[bool, int], int] = field(default_factory=dict)
    _anchor_e8: int = 0
    _refresh_at_ms: int = 0

    def act(self, venue: Venue, price: EfficientPrice, at_ms: int) -> None:
        """Re-quote when the price has left the anchor or the ladder is due for repair. `at_ms` is the world's time."""
        seen_ms = at_ms - self.style.latency_ms
        fair_e8, weather = price.px_e8(seen_ms), price.moment(seen_ms)
        moved_bps = abs(fair_e8 - self._anchor_e8) / fair_e8 * 10_000
        now_ms = venue.state.now_ms
        if moved_bps < self.style.move_bps * weather.spread_factor and now_ms < self._refresh_at_ms:
            return
        self._anchor_e8 = fair_e8
        self._refresh_at_ms = now_ms + round(self.style.refresh_ms * self.rng.uniform(0.5, 1.5))
        opened = venue.state.accounts[self.address].open_orders if self._slots else {}
        kept: list[tuple[tuple[bool, int], Modification]] = []
        fresh: list[tuple[tuple[bool, int], NewOrder]] = []
        for slot in [(is_buy, level) for level in range(self.style.levels) for is_buy in (True, False)]:
            order = self._order(venue, fair_e8, weather, *slot)
            current = opened.get(self._slots.get(slot, 0))
            if current is None:
                fresh.append((slot, order))
            elif current.px_e8 != order.px_e8:
                kept.append((slot, Modification(current.oid, order)))
        if kept:
            action = ModifyOrders(tuple(item for _, item in kept), always_place=True)
            venue.submit_house(self.address, action, partial(self._learn, [slot for slot, _ in kept]))
        if fresh:
            placed = PlaceOrders(tuple(order for _, order in fresh))
            venue.submit_house(self.address, placed, partial(self._learn, [slot for slot, _ in fresh]))

    def _order(self, venue: Venue, fair_e8: int, weather: Moment, is_buy: bool, level: int) -> NewOrder:
        style, market = self.style, self.market
        offset_bps = (style.half_spread_bps + style.step_bps * level) * weather.spread_factor
        offset_bps += self.rng.uniform(-style.jitter_bps, style.jitter_bps)
        raw = round(fair_e8 * (1 + (-offset_bps if is_buy else offset_bps) / 10_000))
        px = market.round_px(raw, up=not is_buy)
        book = venue.state.book(market.asset)
        if is_buy and (ask := book.best_ask()) is not None and px >= ask:
            px = market.round_px(ask - 1, up=False)
        elif not is_buy and (bid := book.best_bid()) is not None and px <= bid:
            px = market.round_px(bid + 1, up=True)
        usd = style.first_order_usd * (1 + level) * weather.depth_factor * self.rng.uniform(0.7, 1.3)
        sz = max(market.floor_sz(round(usd * E8) * E8 // px), market.lot_e8)
        return NewOrder(market.asset, is_buy, px, sz, Tif.ALO)

    def _learn(self, slots: list[tuple[bool, int]], answer: Answer) -> None:
        """Note which order now fills each slot; a refused one leaves its slot empty until the next look."""
        statuses = answer.response["data"]["statuses"] if isinstance(answer, Ok) else []
        for slot, status in zip(slots, statuses, strict=False):
            placed = status.get("resting") or status.get("filled")
            if placed is not None:
                self._slots[slot] = placed["oid"]
            else:
                self._slots.pop(slot, None)
