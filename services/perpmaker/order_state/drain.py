"""Emptying a market: cancel everything, and believe it only when the exchange's own list shows nothing.

A drain needs no session: it works when the quoter is gone. It goes on until the market is empty, also when its caller
has given up waiting; meanwhile no new order of the market passes, and after it none passes before risk has spoken
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from grpc import aio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.order_state import ingest
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core.audit import Snapshot, is_ours
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.permissions import Permissions
from perpmaker.order_state.reads import Reads
from perpmaker.order_state.resolver import Resolver
from perpmaker.order_state.truth import HELD_DRAIN, Book
from perpmaker.order_state.writer import Writer

_LIST_WHILE_LIVE_S: Final = 1.0
_LONGEST_LIST_S: Final = 8.0
"""Distance of lists in a drain that lasts: at one a second they alone use up what an IP address may ask."""
_LIST_WHEN_EMPTY_S: Final = 0.25
_TICK_S: Final = 0.05

_log = logs.get(__name__)


def pause_before_list_s(lists: int, *, is_live: bool) -> float:
    """How long after the last list of open orders the next one is due.

    While orders live it doubles with each of the `lists` read since the first; once none does, the proof comes at once.
    """
    return min(_LIST_WHILE_LIVE_S * 2.0 ** min(lists, 10), _LONGEST_LIST_S) if is_live else _LIST_WHEN_EMPTY_S


class Drains:
    """Drains under way, at most one for each market."""

    def __init__(
        self,
        writer: Writer,
        resolver: Resolver,
        reads: Reads,
        permissions: Permissions,
        clock: Clock,
        *,
        grace_ms: int,
    ) -> None:
        self._writer = writer
        self._resolver = resolver
        self._reads = reads
        self._permissions = permissions
        self._clock = clock
        self._grace_ms = grace_ms
        self._running: dict[str, asyncio.Task[None]] = {}

    async def empty(self, market: str, drain_id: str, within_s: float) -> tuple[bool, Sequence[TrackedOrder]]:
        """Empty a market or join the drain that does; (verified, orders left) after at most `within_s`."""
        book = self._writer.truth.known[market]
        task = self._running.get(market)
        if task is None:
            _log.info("drain.started", market=market, drain_id=drain_id)
            self._writer.hold(HELD_DRAIN, True, market)
            self._permissions.forget(market)
            task = self._running[market] = asyncio.create_task(self._drain(book), name=f"drain-{market}")
            task.add_done_callback(lambda _task: self._running.pop(market, None))
        await asyncio.wait({task}, timeout=max(0.0, within_s))
        if task.done():
            task.result()
            return True, ()
        return False, list(book.live())

    async def stop(self) -> None:
        """Give up all drains."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, book: Book) -> None:
        asked: set[str] = set()
        listed_s: float | None = None
        lists = 0
        try:
            while True:
                self._writer.changed.clear()
                await self._cancel(book, asked)
                pause_s = pause_before_list_s(max(lists - 1, 0), is_live=bool(book.live()))
                if listed_s is None or self._clock.monotonic_s() - listed_s >= pause_s:
                    listed_s = self._clock.monotonic_s()
                    lists += 1
                    if await self._is_empty(book):
                        _log.info("drain.verified", market=book.market)
                        return
                with suppress(TimeoutError):
                    # Not wait_for: it can swallow a cancellation that comes together with the event.
                    async with asyncio.timeout(_TICK_S):
                        await self._writer.changed.wait()
        finally:
            self._permissions.forget(book.market)
            self._writer.hold(HELD_DRAIN, False, book.market)

    async def _cancel(self, book: Book, asked: set[str]) -> None:
        """Cancel what was not cancelled on its own yet; repetition is the resolver's work."""
        due = [order.cloid for order in book.live() if order.cloid not in asked]
        asked.update(due)
        if due:
            await self._resolver.cancel(book.market, due, "drain")
        for order in book.live():
            if order.state is State.UNKNOWN and order.cloid in due:
                self._resolver.doubt(order.cloid)

    async def _is_empty(self, book: Book) -> bool:
        was_empty = not book.live()
        try:
            snapshot = await self._reads.open_orders()
        except aio.AioRpcError as error:
            _log.warning("drain.not_answered", market=book.market, code=error.code().name)
            return False
        await self._writer.apply(lambda batch: self._audit(batch, snapshot))
        theirs = [seen for seen in snapshot.orders if seen.market == book.market]
        tags = self._writer.truth.tags
        return was_empty and not book.live() and not any(is_ours(seen.cloid, tags) for seen in theirs)

    def _audit(self, batch: Batch, snapshot: Snapshot) -> None:
        ingest.open_orders(batch, snapshot, grace_ms=self._grace_ms, orphan_grace_ms=0)
