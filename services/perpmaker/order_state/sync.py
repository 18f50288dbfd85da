"""The safety sync: our books against the exchange's, every 15 s and whenever something does not fit.

Its steps are independent: one that fails is recorded and stops none of the others, and the sync is always recorded as
done. Reasons that arrive together are one sync; two syncs are at least 2 s apart, except after a gap of the account
stream, when quoting waits for it.

A fill may be missing from long before the newest one that is known, and then only the position tells. While it drifts,
every sync reads fills from twice as far back as the one before, once through; after that fills do not explain it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from grpc import aio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.order_state import ingest, metrics
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.reads import Reads
from perpmaker.order_state.writer import Writer

GAP_CLOSED: Final = "gap_closed"
MIN_GAP_S: Final = 2.0
FOREIGN_GAP_S: Final = 10.0
"""Distance of syncs whose only reason is trading of others on the same account."""
DRIFT: Final = "drift"
FILLS_OVERLAP_MS: Final = 60_000
"""How far before the newest known fill fills are read."""
LONGEST_LOOK_BACK: Final = 12
"""Doublings of that overlap for as long as a drift lasts: 68 hours."""
FILLS_LAG_MS: Final = 2_000
"""How long a fill may take to appear in the exchange's list. Measured: up to 2 s."""

_log = logs.get(__name__)


class Syncer:
    """Runs safety syncs."""

    def __init__(
        self,
        writer: Writer,
        reads: Reads,
        clock: Clock,
        *,
        every_s: float,
        grace_ms: int,
        orphan_grace_ms: int,
        on_done: Callable[[frozenset[str], bool], None],
    ) -> None:
        """`on_done` is told the reasons that a finished sync settled and whether all its steps succeeded."""
        self._writer = writer
        self._reads = reads
        self._clock = clock
        self._every_s = every_s
        self._grace_ms = grace_ms
        self._orphan_grace_ms = orphan_grace_ms
        self._on_done = on_done
        self._reasons: set[str] = set()
        self._wake = asyncio.Event()
        self._look_back = 0
        self.completed = 0

    def request(self, reason: str) -> None:
        """Ask for a sync soon."""
        self._reasons.add(reason)
        self._wake.set()

    async def run(self) -> None:
        """Sync until cancelled; the first one waits for a request."""
        await self._wake.wait()
        last_s: float | None = None
        while True:
            if last_s is not None:
                await self._wait_for_gap(last_s)
            reasons = frozenset(self._reasons) or frozenset({"interval"})
            self._reasons.clear()
            self._wake.clear()
            is_complete = await self.sync(reasons)
            last_s = self._clock.monotonic_s()
            # What was asked for again meanwhile is not settled: it is about something newer than what was read.
            self._on_done(reasons - self._reasons, is_complete)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()

    async def _wait_for_gap(self, last_s: float) -> None:
        while GAP_CLOSED not in self._reasons:
            gap_s = FOREIGN_GAP_S if self._reasons == {"foreign_fill"} else MIN_GAP_S
            left_s = last_s + min(gap_s, self._every_s) - self._clock.monotonic_s()
            if left_s <= 0:
                return
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()

    async def sync(self, reasons: frozenset[str]) -> bool:
        """Compare everything once; returns whether every step succeeded."""
        started = time.perf_counter()
        results: dict[str, str] = {}
        if DRIFT not in reasons:
            self._look_back = 0
        try:
            await asyncio.gather(
                self._step("open_orders", self.read_open_orders, results), self._step("fills", self._fills, results)
            )
            await self._step("positions", self._positions, results)
            await self._step("doubts", self._doubts, results)
        finally:
            self.completed += 1
            is_complete = len(results) == 4 and all(result == "ok" for result in results.values())
            metrics.SYNC_SECONDS.observe(time.perf_counter() - started)
            if is_complete:
                metrics.LAST_SYNC.set(self._clock.now_ms() / 1000)
            (_log.debug if is_complete else _log.warning)("sync.result", reasons=sorted(reasons), steps=results)
        return is_complete

    async def _step(self, name: str, work: Callable[[], Awaitable[None]], results: dict[str, str]) -> None:
        try:
            await work()
            results[name] = "ok"
        except aio.AioRpcError as error:
            results[name] = error.code().name.lower()
        metrics.SYNCS.labels(name, results[name]).inc()

    async def read_open_orders(self) -> None:
        """Audit our orders against a fresh list."""
        snapshot = await self._reads.open_orders()
        grace_ms, orphan_grace_ms = self._grace_ms, self._orphan_grace_ms
        await self._writer.apply(
            lambda batch: ingest.open_orders(batch, snapshot, grace_ms=grace_ms, orphan_grace_ms=orphan_grace_ms)
        )

    async def _fills(self) -> None:
        truth = self._writer.truth
        asked_ms = self._clock.now_ms()
        overlap_ms = FILLS_OVERLAP_MS << (self._look_back if self._look_back <= LONGEST_LOOK_BACK else 0)
        fills = await self._reads.fills(max(0, truth.ledger.watermark_ms - overlap_ms))
        self._look_back += 1

        def change(batch: Batch) -> None:
            for entry in fills:
                batch.enter(entry)

        await self._writer.apply(change)
        truth.fills_read_as_of_ms = max(truth.fills_read_as_of_ms, asked_ms - FILLS_LAG_MS)

    async def _positions(self) -> None:
        state = await self._reads.account()
        await self._writer.apply(lambda batch: ingest.account_state(batch, state))

    async def _doubts(self) -> None:
        """Have every order in doubt asked about."""

        def change(batch: Batch) -> None:
            for book in self._writer.truth.books.values():
                for order in book.live():
                    stuck = order.state is State.CANCEL_PENDING and batch.now_ms - order.state_time_ms > self._grace_ms
                    if order.state is State.UNKNOWN or stuck:
                        batch.doubts.add(order.cloid)

        await self._writer.apply(change)
