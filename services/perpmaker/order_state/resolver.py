"""Orders that need something: doubts are asked about until evidence ends them, cancels are sent until they took effect.

A doubt is asked about after 250 ms, then at doubling distances up to 2 s, for ever. From one second on, a placement in
doubt whose nonce is known has that nonce burned, which ends the doubt one way or the other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from grpc import aio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.order_state import metrics
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.resolve import BookView, Evidence, StatusAnswer, resolve
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.dispatch import Dispatcher, Outgoing
from perpmaker.order_state.reads import Reads
from perpmaker.order_state.sync import FILLS_LAG_MS, Syncer
from perpmaker.order_state.truth import HELD_GATEWAY, Truth
from perpmaker.order_state.writer import Writer
from perpmaker.proto.gateway.v1 import gateway_pb2

FIRST_ASK_S: Final = 0.25
LONGEST_ASK_S: Final = 2.0
BURN_AFTER_MS: Final = 1_000
CANCEL_AGAIN_MS: Final = 1_000
CANCEL_STUCK_MS: Final = 3_000
CANCEL_ASK_MS: Final = 2_000
"""Age of a cancel, or of a modify that worked, from which the order is asked about."""
REPLACED_CANCEL_MS: Final = 5_000
"""Age of a modify, however it ended, from which the old order is cancelled on its own."""
NO_ANSWER_MS: Final = 8_000
"""Age of a placement without any word from the gateway at which its outcome counts as lost."""
EXPECTED_FILL_MS: Final = 10_000
"""Age of an announced execution without trade ids at which fills are read again."""

_TICK_S: Final = 0.05
_PARALLEL: Final = 8

_log = logs.get(__name__)


@dataclass(slots=True)
class _Doubt:
    due_s: float
    pause_s: float
    is_asking: bool = False


def cancel_is_due(order: TrackedOrder, replacement: TrackedOrder | None, now_ms: int) -> bool:
    """Whether a cancelling order's cancel must (again) be sent on its own."""
    age_ms = now_ms - order.cancel_sent_ms
    if order.cancel_requested or replacement is None:
        return age_ms >= CANCEL_AGAIN_MS
    if replacement.is_terminal and not replacement.has_landed:
        return True
    return age_ms >= REPLACED_CANCEL_MS


def needs_asking(order: TrackedOrder, replacement: TrackedOrder | None, now_ms: int) -> bool:
    """Whether a cancelling order is to be asked about, since its own update has not come."""
    if replacement is not None and replacement.state is State.PENDING:
        return False
    return now_ms - order.state_time_ms >= CANCEL_ASK_MS


class Resolver:
    """Asks, burns and cancels until every order's fate is known."""

    def __init__(self, writer: Writer, dispatcher: Dispatcher, reads: Reads, syncer: Syncer, clock: Clock) -> None:
        self._writer = writer
        self._dispatcher = dispatcher
        self._reads = reads
        self._syncer = syncer
        self._clock = clock
        self._doubts: dict[str, _Doubt] = {}
        self._nonces: dict[int, gateway_pb2.BurnResult.ValueType] = {}
        self._burning: set[int] = set()
        self._told_stuck: set[str] = set()
        self._parallel = asyncio.Semaphore(_PARALLEL)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _truth(self) -> Truth:
        return self._writer.truth

    def doubt(self, cloid: str) -> None:
        """Have an order asked about at once."""
        doubt = self._doubts.get(cloid)
        if doubt is None:
            self._doubts[cloid] = _Doubt(self._clock.monotonic_s(), FIRST_ASK_S)
        elif not doubt.is_asking:
            doubt.due_s = min(doubt.due_s, self._clock.monotonic_s())

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self.sweep()
                await asyncio.sleep(_TICK_S)
        finally:
            for task in self._tasks:
                task.cancel()

    async def sweep(self) -> None:
        """Look at every order once and start what is due."""
        now_ms = self._clock.now_ms()
        for book in self._truth.books.values():
            cancels: list[str] = []
            lapsed: list[str] = []
            stuck = 0
            for order in list(book.orders.values()):
                if order.is_terminal:
                    if order.expected_fill_e8 and now_ms - order.state_time_ms >= EXPECTED_FILL_MS:
                        lapsed.append(order.cloid)
                    continue
                match order.state:
                    case State.UNKNOWN:
                        if order.cloid not in self._doubts:
                            self._doubts[order.cloid] = _Doubt(self._clock.monotonic_s() + FIRST_ASK_S, FIRST_ASK_S)
                    case State.PENDING:
                        if now_ms - order.state_time_ms >= NO_ANSWER_MS:
                            await self._learn(order.cloid, ev.OutcomeLost("no_answer"))
                    case State.CANCEL_PENDING:
                        replacement = self._truth.find(order.replaced_by) if order.replaced_by else None
                        if cancel_is_due(order, replacement, now_ms):
                            cancels.append(order.cloid)
                        if needs_asking(order, replacement, now_ms) and order.cloid not in self._doubts:
                            self.doubt(order.cloid)
                        if now_ms - order.state_time_ms >= CANCEL_STUCK_MS:
                            stuck += 1
                            self._tell_stuck(order, now_ms)
                    case _:
                        pass
            metrics.STUCK_CANCELS.labels(book.market).set(stuck)
            await self._lapse(lapsed)
            if cancels and HELD_GATEWAY not in self._truth.holds:
                await self.cancel(book.market, cancels, "again")
        self._start_asking()

    def _tell_stuck(self, order: TrackedOrder, now_ms: int) -> None:
        if order.cloid not in self._told_stuck:
            self._told_stuck.add(order.cloid)
            _log.error("order.cancel_stuck", cloid=order.cloid, age_ms=now_ms - order.state_time_ms)

    async def cancel(self, market: str, cloids: list[str], cause: str) -> None:
        """Cancel orders now, whatever their state, if they are not over."""
        going: list[str] = []

        def change(batch: Batch) -> None:
            for cloid in cloids:
                order = batch.find(cloid)
                if order is not None and not order.is_terminal:
                    batch.learn(cloid, ev.CancelSent(cause))
                    going.append(cloid)

        await self._writer.apply(change)
        if going:
            epoch = self._truth.known[market].epoch
            await self._dispatcher.send(Outgoing(market=market, epoch=epoch, cancels=tuple(going)))

    async def cancel_strays(self, strays: list[tuple[str, str]]) -> None:
        """Cancel orders at the exchange that are over by our record."""
        for market in {market for market, _ in strays}:
            cloids = tuple(cloid for at, cloid in strays if at == market)
            epoch = self._truth.known[market].epoch
            await self._dispatcher.send(Outgoing(market=market, epoch=epoch, cancels=cloids))

    async def _lapse(self, cloids: list[str]) -> None:
        """Drop expectations that a complete read of fills did not confirm; have fills read before that."""
        read_ms = self._truth.fills_read_as_of_ms
        for cloid in cloids:
            order = self._truth.find(cloid)
            if order is None:
                continue
            if read_ms > order.state_time_ms + EXPECTED_FILL_MS - FILLS_LAG_MS:
                _log.error("order.expected_fill_missing", cloid=cloid, expected_e8=order.expected_fill_e8)
                await self._learn(cloid, ev.ExpectationLapsed(f"fills read up to {read_ms}"))
            else:
                self._syncer.request("expected_fill")

    def _start_asking(self) -> None:
        now_s = self._clock.monotonic_s()
        for cloid, doubt in tuple(self._doubts.items()):
            order = self._truth.find(cloid)
            if order is None or order.is_terminal:
                del self._doubts[cloid]
                self._told_stuck.discard(cloid)
            elif doubt.due_s <= now_s and not doubt.is_asking:
                doubt.is_asking = True
                task = asyncio.create_task(self._ask(cloid, doubt))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _ask(self, cloid: str, doubt: _Doubt) -> None:
        is_resolved = False
        try:
            async with self._parallel:
                is_resolved = await self.ask_once(cloid)
        except aio.AioRpcError as error:
            _log.debug("order.not_answered", cloid=cloid, code=error.code().name)
        finally:
            doubt.is_asking = False
            doubt.due_s = self._clock.monotonic_s() + doubt.pause_s
            doubt.pause_s = min(doubt.pause_s * 2, LONGEST_ASK_S)
            if is_resolved:
                self._doubts.pop(cloid, None)

    async def ask_once(self, cloid: str) -> bool:
        """Gather evidence about an order and act on it; returns whether the doubt is over.

        Raises grpc.aio.AioRpcError.
        """
        answer = await self._reads.status(cloid)
        order = self._truth.find(cloid)
        if order is None or order.is_terminal:
            return True
        event = resolve(order, self._evidence(order, answer))
        if event is not None:
            await self._learn(cloid, event)
            after = self._truth.find(cloid)
            return after is None or after.state is not State.UNKNOWN
        if order.has_landed:
            if order.state is not State.UNKNOWN and answer.update is None:
                self._syncer.request("gone")
            return False
        if order.state is State.UNKNOWN and self._clock.now_ms() - order.state_time_ms >= BURN_AFTER_MS:
            await self._burn(order.nonce)
        newest = self._truth.newest_book
        settled_ms = order.expires_after_ms + INDEX_LAG_MS
        lapsed = order.expires_after_ms and answer.as_of_ms > settled_ms
        if lapsed and (newest is None or newest.as_of_ms <= settled_ms):
            await self._syncer.read_open_orders()
        return False

    def _evidence(self, order: TrackedOrder, answer: StatusAnswer) -> Evidence:
        newest = self._truth.newest_book
        return Evidence(
            status=answer,
            book=None
            if newest is None
            else BookView(as_of_ms=newest.as_of_ms, cloids=frozenset(seen.cloid for seen in newest.orders)),
            nonce_burned=self._nonces.get(order.nonce) == gateway_pb2.BURN_RESULT_BURNED,
            fills_read_as_of_ms=self._truth.fills_read_as_of_ms,
        )

    async def _burn(self, nonce: int) -> None:
        if nonce == 0 or nonce in self._nonces or nonce in self._burning:
            return
        # Orders of one action share its nonce, and a second noop under it would be told that it was used.
        self._burning.add(nonce)
        try:
            result = await self._reads.burn(nonce)
        finally:
            self._burning.discard(nonce)
        _log.info("nonce.burn", nonce=nonce, result=gateway_pb2.BurnResult.Name(result))
        if result == gateway_pb2.BURN_RESULT_UNKNOWN:
            return
        self._nonces[nonce] = result
        if result != gateway_pb2.BURN_RESULT_BURNED:
            return

        def change(batch: Batch) -> None:
            for book in self._truth.books.values():
                for order in book.live():
                    if order.nonce == nonce and order.state is State.UNKNOWN and not order.has_landed:
                        batch.learn(order.cloid, ev.ProvenAbsent(f"nonce {nonce} burned"))

        await self._writer.apply(change)

    async def _learn(self, cloid: str, event: ev.OrderEvent) -> None:
        def change(batch: Batch) -> None:
            order = batch.find(cloid)
            if (order is not None and not order.is_terminal) or isinstance(event, ev.ExpectationLapsed):
                batch.learn(cloid, event)

        await self._writer.apply(change)
