"""The one place where the truth changes: store first, then memory, then those who watch.

All changes pass one lock, so each is decided on the state that the one before left. Events are gathered while a write
is under way and written together. When the store is down, changes that only record what happened go to memory and to a
backlog; new intents fail. The backlog, and everything that the store may have lost, is written again before new orders
are let through.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.order_state import metrics, wire
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core.ledger import Entry, carried_over
from perpmaker.order_state.hub import Hub
from perpmaker.order_state.store.records import JournalLine, Write
from perpmaker.order_state.store.redis_store import (
    DisownedError,
    FencedError,
    LostError,
    StaleError,
    Store,
    StoreDownError,
)
from perpmaker.order_state.truth import HELD_STORE, Book, Truth
from perpmaker.proto.orderstate.v1 import orderstate_pb2

_PROBE_UP_S: Final = 0.5
_PROBE_DOWN_S: Final = 0.1
_RECENT_ENTRIES: Final = 2_000
_BACKLOG_LINES: Final = 100_000
_FLUSH_ORDERS: Final = 500

_log = logs.get(__name__)

Change = Callable[[Batch], object]
"""Builds on a batch; must not wait."""


class Writer:
    """Serialises every change of the truth."""

    def __init__(self, truth: Truth, store: Store, clock: Clock) -> None:
        self.truth = truth
        self.clock = clock
        self.lock = asyncio.Lock()
        self.hub = Hub(self._snapshot_of)
        self.changed = asyncio.Event()
        """Set after every installed batch; who waits for progress clears it first."""
        self.on_follow_up: Callable[[Batch], None] = lambda _batch: None
        self._store = store
        self._queue: deque[tuple[Change, int, asyncio.Future[None] | None]] = deque()
        self._wake = asyncio.Event()
        self._is_up = True
        self._lost = False
        self._backlog_lines: deque[JournalLine] = deque(maxlen=_BACKLOG_LINES)
        self._recent_entries: deque[Entry] = deque(maxlen=_RECENT_ENTRIES)
        self._unpublished: deque[Batch] = deque()
        self._standings: dict[str, orderstate_pb2.Standing] = {}
        self._ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        metrics.REDIS_UP.set(1)

    def _snapshot_of(self, market: str) -> tuple[int, orderstate_pb2.MarketSnapshot]:
        self._publish_pending()
        book = self.truth.known[market]
        return book.epoch, wire.snapshot_message(self.truth, book, self.clock.now_ms())

    def post(self, change: Change) -> None:
        """Queue an event; it is applied soon, in order of arrival."""
        self._queue.append((change, time.perf_counter_ns(), None))
        self._wake.set()

    async def apply(self, change: Change) -> None:
        """Queue a change and wait until it is installed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((change, 0, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Apply queued changes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            async with self.lock:
                await self._apply_queued()

    async def _apply_queued(self) -> None:
        batch = Batch(self.truth, self.clock.now_ms())
        taken = list(self._queue)
        self._queue.clear()
        for change, _, _ in taken:
            change(batch)
        await self.commit(batch)
        self._publish_pending()
        published = time.perf_counter_ns()
        for _, arrived_ns, done in taken:
            if done is None:
                metrics.EVENT_TO_SUBSCRIBERS.add((published - arrived_ns) / 1000)
            elif not done.done():
                done.set_result(None)

    async def commit(self, batch: Batch, fence: tuple[str, int] | None = None) -> None:
        """Make a batch durable, then visible, then known; the lock must be held.

        With a `fence` the batch holds new intents and is installed only when it is durable: raises StoreDownError,
        FencedError, DuplicateError. Without one it is installed in any case. Raises DisownedError.
        """
        write = batch.write(fence)
        if not write.is_empty:
            try:
                if not self._is_up:
                    raise StoreDownError("down")
                await self._store.commit(write)
            except (StoreDownError, StaleError, LostError) as error:
                self._store_lost(error)
                if fence is not None:
                    raise StoreDownError(str(error)) from error
                self._backlog_lines.extend(write.journal)
            except FencedError as error:
                if fence is not None and error.newest < fence[1]:
                    self._store_lost(error)
                    raise StoreDownError(str(error)) from error
                raise
            except DisownedError as error:
                self._end(error)
                raise
            self._recent_entries.extend(write.entries)
        batch.install()
        # Told after the caller's next step, so that a plan is on its way before those who watch hear of it.
        self._unpublished.append(batch)
        asyncio.get_running_loop().call_soon(self._publish_pending)
        self.changed.set()
        self.on_follow_up(batch)

    def _store_lost(self, error: Exception) -> None:
        self._lost = self._lost or isinstance(error, LostError)
        if self._is_up:
            self._is_up = False
            metrics.REDIS_UP.set(0)
            _log.error("store.down", reason=f"{type(error).__name__}: {error}")
            self.hold(HELD_STORE, True)

    def _end(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_result(error)

    async def watch_owner(self) -> None:
        """Wait until another process takes the orders over, then raise DisownedError."""
        raise await self._ended

    async def keep_store(self) -> None:
        """Notice outages while idle and repair after them, until cancelled."""
        while True:
            await asyncio.sleep(_PROBE_UP_S if self._is_up else _PROBE_DOWN_S)
            if self._is_up:
                try:
                    await self._store.ping()
                except StoreDownError as error:
                    self._store_lost(error)
            else:
                with suppress(StoreDownError, LostError):
                    await self._repair()

    async def _repair(self) -> None:
        epochs = {market: book.epoch for market, book in self.truth.known.items() if book.epoch}
        try:
            self._lost = await self._store.reopen(epochs) or self._lost
            async with self.lock:
                await self._flush()
        except DisownedError as error:
            self._end(error)
            return
        self._lost = False
        self._is_up = True
        metrics.REDIS_UP.set(1)
        _log.info("store.up")
        self.hold(HELD_STORE, False)

    async def _flush(self) -> None:
        """Write again whatever the store may not have; everything in it is idempotent."""
        truth = self.truth
        orders = [(order, 0) for book in truth.known.values() for order in book.orders.values()]
        entries = tuple(self._recent_entries)
        if self._lost:
            entries = tuple(carried_over(truth.position(m)) for m in truth.known if truth.ledger.has_begun(m))
        for start in range(0, len(orders), _FLUSH_ORDERS):
            await self._store.commit(Write(orders=tuple(orders[start : start + _FLUSH_ORDERS]), force=True))
        lines = tuple(self._backlog_lines)
        totals = tuple(truth.totals.items())
        write = Write(journal=lines, entries=entries, totals=totals, nonce=truth.highest_nonce, force=True)
        if not write.is_empty:
            await self._store.commit(write)
        self._backlog_lines.clear()

    def hold(self, reason: str, held: bool, market: str = "") -> None:
        """Hold new orders of a market (or of all) for a reason, or release them."""
        holds = self.truth.known[market].holds if market else self.truth.holds
        if (reason in holds) is held:
            return
        self._publish_pending()
        (holds.add if held else holds.discard)(reason)
        _log.info("quoting.held" if held else "quoting.released", reason=reason, scope=market or "account")
        for name in [market] if market else self.truth.books:
            book = self.truth.known[name]
            message = wire.hold_message(self.truth, name)
            metrics.HELD.labels(name).set(message.held)
            self.hub.publish(name, book.epoch, orderstate_pb2.WatchResponse(hold=message))
        self.changed.set()

    def _publish_pending(self) -> None:
        while self._unpublished:
            self._publish(self._unpublished.popleft())

    def _publish(self, batch: Batch) -> None:
        books = self.truth.known
        for entry in batch.fills:
            side, liquidity = ("buy" if entry.is_buy else "sell"), ("taker" if entry.taker else "maker")
            metrics.ORDERS_FILLED.labels(entry.market).inc()
            metrics.FILL_VOLUME.labels(entry.market).inc(metrics.base_units(entry.sz_e8))
            metrics.FILLS.labels(entry.market, side, liquidity).inc()
            notional = metrics.base_units(entry.sz_e8) * metrics.base_units(entry.px_e8)
            metrics.FILL_NOTIONAL.labels(entry.market, side, liquidity).inc(notional)
            recorded = orderstate_pb2.FillRecorded(fill=wire.fill_message(entry), matched=entry.matched)
            message = orderstate_pb2.WatchResponse(fill=recorded)
            message.trace.exchange_time_ms = entry.exchange_time_ms
            self.hub.publish(entry.market, books[entry.market].epoch, message)
        for order in batch.orders:
            message = orderstate_pb2.WatchResponse(order=wire.order_message(order))
            self.hub.publish(order.market, books[order.market].epoch, message)
        for refusal in batch.refusals:
            told = orderstate_pb2.Refusal(
                cloid=refusal.order.cloid,
                side=wire.BUY if refusal.order.is_buy else wire.SELL,
                text=refusal.text,
            )
            # The field is called `class`, which Python keeps for itself.
            setattr(told, "class", refusal.rejection)
            market = refusal.order.market
            self.hub.publish(market, books[market].epoch, orderstate_pb2.WatchResponse(refusal=told))
        for market in batch.touched & self.truth.books.keys():
            self.publish_standing(books[market])

    def begin(self, market: str) -> None:
        """Tell those who watch all markets of one that is looked after from now on."""
        self.hub.begin(market)

    def end(self, market: str) -> None:
        """Tell those who watch a market that it is looked after no longer."""
        self._publish_pending()
        self._standings.pop(market, None)
        self.hub.end(market)
        metrics.forget(market)

    def publish_standing(self, book: Book) -> None:
        """Tell position and exposure of a market when they changed."""
        standing = wire.standing_message(self.truth, book, self.clock.now_ms())
        if standing == self._standings.get(book.market):
            return
        self._standings[book.market] = standing
        self.hub.publish(book.market, book.epoch, orderstate_pb2.WatchResponse(standing=standing))
        _export(book.market, standing)


def _export(market: str, standing: orderstate_pb2.Standing) -> None:
    units = metrics.base_units
    position, exposure = standing.position.sz_e8, standing.exposure
    metrics.POSITION.labels(market).set(units(position))
    metrics.PENDING_BID.labels(market).set(units(exposure.active_bid_e8))
    metrics.PENDING_ASK.labels(market).set(units(exposure.active_ask_e8))
    metrics.NET_PENDING.labels(market).set(units(exposure.active_bid_e8 - exposure.active_ask_e8))
    metrics.WORST_MAX.labels(market).set(units(position + exposure.max_possible_bid_e8))
    metrics.WORST_MIN.labels(market).set(units(position - exposure.max_possible_ask_e8))
    metrics.ORDERS_UNKNOWN.labels(market).set(exposure.unknown_orders)
    metrics.OLDEST_UNKNOWN.labels(market).set(exposure.oldest_unknown_since_ms / 1000)
    metrics.DRIFT.labels(market).set(units(standing.drift_e8))
