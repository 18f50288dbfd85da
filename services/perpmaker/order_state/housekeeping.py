"""Small recurring duties: exposures that change with time alone, lasting drift, orders over for long enough, and orders
whose quoter stays away: nobody would move them, so they are cancelled.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from perpmaker.common import logs
from perpmaker.common.attendance import Attendance
from perpmaker.common.clock import Clock
from perpmaker.order_state import metrics
from perpmaker.order_state.store.redis_store import DisownedError, LostError, Store, StoreDownError
from perpmaker.order_state.sync import DRIFT, Syncer
from perpmaker.order_state.truth import HELD_DRIFT, Book
from perpmaker.order_state.writer import Writer

KEEP_OVER_MS: Final = 60_000
"""How long orders that are over stay at hand for late fills."""
DRIFT_SYNC_MS: Final = 2_000
"""Age of a drift at which fills are read."""
DRIFT_HOLD_MS: Final = 6_000
"""Age of a drift, fills having been read since, at which new orders are held."""

_TICK_S: Final = 0.25
_RETIRE_EVERY_S: Final = 5.0
_RETIRE_AT_ONCE: Final = 500

_log = logs.get(__name__)


class Housekeeper:
    """Does them."""

    def __init__(
        self,
        writer: Writer,
        store: Store,
        syncer: Syncer,
        clock: Clock,
        attendance: defaultdict[str, Attendance],
        cancel: Callable[[str, list[str], str], Awaitable[None]],
    ) -> None:
        """`attendance` of quoters by market; `cancel` takes a market, its orders and the cause."""
        self._attendance = attendance
        self._cancel = cancel
        self._writer = writer
        self._store = store
        self._syncer = syncer
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        retired_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(_TICK_S)
            for book in self._writer.truth.books.values():
                self._writer.publish_standing(book)
                self.watch_drift(book)
                self._count(book)
                await self.pull_unattended(book)
            if self._clock.monotonic_s() - retired_s >= _RETIRE_EVERY_S:
                retired_s = self._clock.monotonic_s()
                await self.retire()

    def watch_drift(self, book: Book) -> None:
        """Have fills read when positions differ for a while; hold new orders when that did not help."""
        drift, now_ms = book.drift, self._clock.now_ms()
        if drift.since_ms == 0:
            self._writer.hold(HELD_DRIFT, False, book.market)
            return
        age_ms = now_ms - drift.since_ms
        if age_ms >= DRIFT_SYNC_MS:
            self._syncer.request(DRIFT)
        if age_ms >= DRIFT_HOLD_MS and self._writer.truth.fills_read_as_of_ms > drift.since_ms:
            self._writer.hold(HELD_DRIFT, True, book.market)

    async def pull_unattended(self, book: Book) -> None:
        """Cancel, once, every order of a market whose quoter stays away, unless it is to be left alone."""
        if self._attendance[book.market].is_given or book.market in self._writer.truth.left_alone:
            return
        due = [order.cloid for order in book.live() if not order.cancel_requested]
        if due:
            _log.error("quoter.away", market=book.market, orders=len(due))
            await self._cancel(book.market, due, "quoter away")

    def _count(self, book: Book) -> None:
        bids = sum(1 for order in book.live() if order.is_buy)
        metrics.ORDERS_OPEN.labels(book.market, "buy").set(bids)
        metrics.ORDERS_OPEN.labels(book.market, "sell").set(len(list(book.live())) - bids)

    async def retire(self) -> None:
        """Move orders that are over for long enough out of memory and out of the live set."""
        now_ms = self._clock.now_ms()
        over = [
            order
            for book in self._writer.truth.known.values()
            for order in book.orders.values()
            if order.is_terminal and not order.expected_fill_e8 and now_ms - order.state_time_ms > KEEP_OVER_MS
        ][:_RETIRE_AT_ONCE]
        if not over:
            return
        async with self._writer.lock:
            try:
                await self._store.retire([order.cloid for order in over])
            except (StoreDownError, LostError, DisownedError) as error:
                _log.info("orders.not_retired", count=len(over), reason=type(error).__name__)
                return
            for order in over:
                self._writer.truth.drop(order)
