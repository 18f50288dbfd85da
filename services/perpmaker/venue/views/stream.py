"""When each stream has something to say: paced by time, on change, or as events of the block.

Only streams somebody listens to are rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from perpmaker.venue.core import Block, Venue
from perpmaker.venue.engine.state import Events
from perpmaker.venue.views import markets
from perpmaker.venue.views.frames import Frame
from perpmaker.venue.views.happened import happened, snapshot
from perpmaker.venue.views.present import fast_ctxs, fast_ctxs_frame, is_offered, present
from perpmaker.venue.wire import subscriptions as subs
from perpmaker.venue.wire.subscriptions import Subscription

__all__ = ["Frame", "Streams", "is_offered", "snapshot"]


@dataclass(frozen=True, slots=True)
class _Changed:
    """What this block touched: best prices and trades by coin, money and open orders by account."""

    bbo: set[str]
    traded: set[str]
    money: set[str]
    orders: set[str]
    twaps: set[str]


@dataclass(slots=True)
class Streams:
    """Turns committed blocks into messages, remembering only what pacing needs."""

    venue: Venue
    book_ms: int = 5_000
    _pushed_ms: dict[Subscription, int] = field(default_factory=dict)
    _pushed: dict[Subscription, Any] = field(default_factory=dict)
    _bbo: dict[int, list[dict[str, Any] | None]] = field(default_factory=dict)
    _fast_ctxs: dict[str, dict[str, str]] = field(default_factory=dict)

    def messages(self, block: Block, listened: Iterable[Subscription]) -> Iterator[tuple[Subscription, Frame]]:
        """Every message this block causes, in the order of the streams given."""
        changed = self._changed(block.events)
        for stream in listened:
            for frame in self._of(stream, block.events, changed):
                yield stream, frame

    def forget(self, stream: Subscription) -> None:
        """Drop the pacing of a stream nobody listens to any more."""
        self._pushed_ms.pop(stream, None)
        self._pushed.pop(stream, None)

    def _changed(self, events: Events) -> _Changed:
        traded = {made.address for made in events.fills}
        deposited = {entry.address for entry in events.deposits}
        funded = {payment.address for payment in events.funding}
        return _Changed(
            bbo=self._moved_bbo(events),
            traded={self.venue.state.market(made.asset).coin for made in events.trades},
            money=traded | deposited | funded,
            orders=events.touched_orders | traded,
            twaps={twap.address for twap in events.twaps}
            | {made.address for made in events.fills if made.twap_id is not None},
        )

    def _moved_bbo(self, events: Events) -> set[str]:
        moved: set[str] = set()
        for asset in events.touched_books:
            levels = markets.bbo_levels(self.venue.state, asset)
            if self._bbo.get(asset) != levels:
                self._bbo[asset] = levels
                moved.add(self.venue.state.market(asset).coin)
        return moved

    def _is_due(self, stream: Subscription, every_ms: int) -> bool:
        now_ms = self.venue.state.now_ms
        if now_ms - self._pushed_ms.get(stream, -every_ms) < every_ms:
            return False
        self._pushed_ms[stream] = now_ms
        return True

    def _of(self, stream: Subscription, events: Events, changed: _Changed) -> Iterator[Frame]:
        rules = self.venue.answers
        match stream:
            case subs.AllMids():
                is_due = self._is_due(stream, rules.mids_ms)
            case subs.L2Book():
                is_due = self._is_due(stream, rules.fast_book_ms if stream.fast else self.book_ms)
            case subs.Bbo(coin):
                is_due = coin in changed.bbo
            case subs.Candle(coin):
                is_due = coin in changed.traded
            case subs.ActiveAssetCtx() | subs.AssetCtxs() | subs.AllDexsAssetCtxs():
                yield from self._if_different(stream)
                return
            case subs.FastAssetCtxs():
                yield from self._changed_fast_ctxs(stream)
                return
            case subs.OpenOrders(user):
                is_due = user in changed.orders
            case subs.ClearinghouseState(user) | subs.ActiveAssetData(user) | subs.AllDexsClearinghouseState(user):
                is_due = user in changed.money or (events.marks_moved and self._is_due(stream, rules.account_ms))
            case subs.TwapStates(user):
                is_due = user in changed.twaps
            case subs.SpotState(user):
                is_due = user in changed.money
            case subs.WebData2() | subs.WebData3():
                is_due = self._is_due(stream, rules.web_data_ms)
            case _:
                yield from happened(self.venue, stream, events)
                return
        if is_due and (frame := present(self.venue, stream)) is not None:
            yield frame

    def _if_different(self, stream: Subscription) -> Iterator[Frame]:
        """At the pace of contexts, and only when something in them moved."""
        if not self._is_due(stream, self.venue.answers.ctx_ms):
            return
        frame = present(self.venue, stream)
        if frame is not None and self._pushed.get(stream) != frame.data:
            self._pushed[stream] = frame.data
            yield frame

    def _changed_fast_ctxs(self, stream: Subscription) -> Iterator[Frame]:
        if not self._is_due(stream, self.venue.answers.fast_book_ms):
            return
        now, before = fast_ctxs(self.venue), self._fast_ctxs
        moved = {coin: prices for coin, prices in now.items() if prices != before.get(coin)}
        self._fast_ctxs = now
        if moved:
            yield fast_ctxs_frame(moved)
