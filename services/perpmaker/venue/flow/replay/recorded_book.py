"""A recorded book inside the venue's own: the recorded size of each level rests as orders of one house account.

So everything else of the venue (matching, streams, margin) meets recorded liquidity as it meets any other. Levels are
kept at what the recording says with `set_level`; recorded executions are played with `trade`. What clients do never
changes the recorded book for longer than a block: what they take is put back behind whoever waits there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.engine.book import Level
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.matching import match
from perpmaker.venue.engine.orders import Order, Status, Tif
from perpmaker.venue.engine.resting import drop, rest, shrink
from perpmaker.venue.engine.state import State
from perpmaker.venue.flow.replay.queueing import Queued, QueueModel, cancelled

_LevelKey = tuple[bool, int]


@dataclass(slots=True)
class RecordedBook:
    """One market's recorded book. `maker` and `taker` are house addresses that already have accounts."""

    state: State
    market: Market
    model: QueueModel
    maker: str
    taker: str
    _shown_e8: dict[_LevelKey, int] = field(default_factory=dict)
    """What the recording wants to rest at each level now: bid or ask, and price."""

    def set_book(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Take over a whole book, sizes by price; levels not named are gone."""
        gone = [key for key in self._shown_e8 if key[1] not in (bids if key[0] else asks)]
        levels = {(True, px): sz for px, sz in bids.items()} | {(False, px): sz for px, sz in asks.items()}
        self.set_levels(dict.fromkeys(gone, 0) | levels)

    def set_levels(self, sizes_e8: dict[_LevelKey, int]) -> None:
        """Bring levels to their recorded sizes: first what shrinks, so that what grows finds its way free."""
        growing = []
        for (is_buy, px_e8), sz_e8 in sizes_e8.items():
            if sz_e8 > self._rests_e8(is_buy, px_e8):
                growing.append((is_buy, px_e8, sz_e8))
            else:
                self._shrink_to(is_buy, px_e8, sz_e8)
        for is_buy, px_e8, sz_e8 in growing:
            self._grow_to(is_buy, px_e8, sz_e8)

    def trade(self, px_e8: int, sz_e8: int, *, taker_is_buy: bool) -> None:
        """Play a recorded execution: orders at better prices are traded through, at its price the queue is served."""
        maker_is_buy = not taker_is_buy
        ours_e8 = 0
        for level in self._better(maker_is_buy, px_e8):
            self._shrink_to(maker_is_buy, level.px_e8, 0)
            ours_e8 += sum(order.sz_e8 for order in level.queue.values())
        here_e8 = self._sz_e8(maker_is_buy, px_e8)
        opposite = self.state.book(self.market.asset).side(taker_is_buy)
        if here_e8 < sz_e8 and not opposite.reaches(px_e8):
            # The recording traded more than it showed: hidden by the time between two of its books.
            self._grow_to(maker_is_buy, px_e8, self._rests_e8(maker_is_buy, px_e8) + sz_e8 - here_e8)
        self._take(px_e8, sz_e8 + ours_e8, is_buy=taker_is_buy)
        self._note(maker_is_buy, px_e8)

    def restore(self) -> None:
        """Put back what clients took."""
        self.set_levels({key: sz for key, sz in self._shown_e8.items() if self._rests_e8(*key) < sz})

    def _level(self, is_buy: bool, px_e8: int) -> Level | None:
        return self.state.book(self.market.asset).side(is_buy).level(px_e8)

    def _sz_e8(self, is_buy: bool, px_e8: int) -> int:
        return level.sz_e8 if (level := self._level(is_buy, px_e8)) else 0

    def _recorded(self, is_buy: bool, px_e8: int) -> list[Order]:
        level = self._level(is_buy, px_e8)
        return [order for order in level.queue.values() if order.address == self.maker] if level else []

    def _rests_e8(self, is_buy: bool, px_e8: int) -> int:
        return sum(order.sz_e8 for order in self._recorded(is_buy, px_e8))

    def _note(self, is_buy: bool, px_e8: int) -> None:
        if sz_e8 := self._rests_e8(is_buy, px_e8):
            self._shown_e8[is_buy, px_e8] = sz_e8
        else:
            self._shown_e8.pop((is_buy, px_e8), None)

    def _better(self, is_buy: bool, px_e8: int) -> list[Level]:
        """Levels that a taker meets before this price."""
        better = []
        for level in self.state.book(self.market.asset).side(is_buy):
            if (level.px_e8 <= px_e8) if is_buy else (level.px_e8 >= px_e8):
                break
            better.append(level)
        return better

    def _shrink_to(self, is_buy: bool, px_e8: int, sz_e8: int) -> None:
        level = self._level(is_buy, px_e8)
        if level is not None:
            places = list(level.queue.values())
            queue = [Queued(order.sz_e8, order.address == self.maker) for order in places]
            lost_e8 = max(self._rests_e8(is_buy, px_e8) - sz_e8, 0)
            cuts = cancelled(queue, lost_e8, self.market.lot_e8, self.model)
            for order, cut in zip(places, cuts, strict=True):
                if cut == order.sz_e8:
                    drop(self.state, order, Status.CANCELED)
                elif cut:
                    shrink(self.state, order, cut)
        self._note(is_buy, px_e8)

    def _grow_to(self, is_buy: bool, px_e8: int, sz_e8: int) -> None:
        """Add to the end of a level. Whoever of the other side stands in the way is executed, or was not there."""
        self._clear_the_way(is_buy, px_e8)
        more_e8 = sz_e8 - self._rests_e8(is_buy, px_e8)
        level = self._level(is_buy, px_e8)
        last = next(reversed(level.queue.values())) if level else None
        if last is not None and last.address == self.maker:
            shrink(self.state, last, -more_e8)
        else:
            rest(self.state, self._order(self.maker, px_e8, more_e8, Tif.GTC, is_buy=is_buy))
        self._note(is_buy, px_e8)

    def _clear_the_way(self, is_buy: bool, px_e8: int) -> None:
        """A recorded price at or through clients' orders means that the market traded there: they are filled."""
        side = self.state.book(self.market.asset).side(not is_buy)
        if not side.reaches(px_e8):
            return
        ours_e8 = 0
        for level in list(side):
            if (level.px_e8 > px_e8) if is_buy else (level.px_e8 < px_e8):
                break
            self._shrink_to(not is_buy, level.px_e8, 0)
            ours_e8 += sum(order.sz_e8 for order in level.queue.values())
        if ours_e8:
            self._take(px_e8, ours_e8, is_buy=is_buy)

    def _take(self, px_e8: int, sz_e8: int, *, is_buy: bool) -> None:
        """Execute against what rests up to a price. What finds nobody is forgotten."""
        self.state.begin_transaction()
        account = self.state.accounts[self.taker]
        order = self._order(self.taker, px_e8, sz_e8, Tif.IOC, is_buy=is_buy)
        match(self.state, account, self.market, order)
        self.state.set_status(order, Status.IOC_REJECTED if order.sz_e8 == sz_e8 else Status.FILLED)
        account.remember(order)

    def _order(self, address: str, px_e8: int, sz_e8: int, tif: Tif, *, is_buy: bool) -> Order:
        now_ms = self.state.now_ms
        return Order(
            oid=self.state.take_oid(),
            address=address,
            asset=self.market.asset,
            is_buy=is_buy,
            px_e8=px_e8,
            sz_e8=sz_e8,
            orig_sz_e8=sz_e8,
            tif=tif,
            reduce_only=False,
            cloid=None,
            placed_ms=now_ms,
            status=Status.OPEN,
            status_ms=now_ms,
            recorded_sz_e8=sz_e8,
        )
