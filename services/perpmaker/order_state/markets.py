"""Markets come and go while everything else goes on.

A market that comes is held until its trading rules are known and its ledger has begun; the gateway may learn of it
later than we do. One that goes takes no new orders from then on, and its orders are cancelled, unless the trader wants
them left alone; it is looked after until the last of them is over. So a change of markets needs no consent of the
orders, and none of them is ever let out of sight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from grpc import aio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core.ledger import opening_at_cost
from perpmaker.order_state.permissions import Permissions
from perpmaker.order_state.reads import Reads
from perpmaker.order_state.sync import Syncer
from perpmaker.order_state.truth import HELD_OPENING, HELD_REMOVED, Book, Truth
from perpmaker.order_state.writer import Writer
from perpmaker.proto.gateway.v1 import gateway_pb2

_TICK_S: Final = 0.2
_RULES_EVERY_S: Final = 5.0
"""How often the rules of open markets are read again: the exchange may change them, or end a market."""

_log = logs.get(__name__)


class Markets:
    """Brings markets in and sees them off."""

    def __init__(
        self,
        writer: Writer,
        reads: Reads,
        syncer: Syncer,
        permissions: Permissions,
        cancel: Callable[[str, list[str], str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`cancel` takes a market, its orders and the cause."""
        self._writer = writer
        self._reads = reads
        self._syncer = syncer
        self._permissions = permissions
        self._cancel = cancel
        self._clock = clock
        self._rules_due_s = clock.monotonic_s()
        self._wake = asyncio.Event()
        self._cancelled: set[str] = set()
        self.gateway_answered = asyncio.Event()
        """Set once the gateway has told its markets and the ledgers of those have begun."""

    @property
    def _truth(self) -> Truth:
        return self._writer.truth

    def serve(self, markets: Iterable[str], left_alone: Iterable[str] = ()) -> None:
        """Serve these markets from now on and no others; orders of those `left_alone` are not cancelled for it."""
        before = self._truth.books
        self._truth.left_alone = frozenset(left_alone)
        self._truth.serve(markets)
        for market in self._truth.configured:
            if market not in before:
                self._writer.hold(HELD_OPENING, True, market)
                self._writer.begin(market)
            self._writer.hold(HELD_REMOVED, False, market)
        for market in before:
            if market not in self._truth.configured:
                self._begin_to_leave(market)
        for market in before.keys() - self._truth.books.keys():
            self._let_go(market)
        self._wake.set()

    async def run(self) -> None:
        """Open markets that have come, and clear those that are to go, until cancelled."""
        while True:
            await self._open()
            await self._clear()
            self._wake.clear()
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _open(self) -> None:
        waiting = {m for m in self._truth.configured if HELD_OPENING in self._truth.known[m].holds}
        now_s = self._clock.monotonic_s()
        if not waiting and self.gateway_answered.is_set() and now_s < self._rules_due_s:
            return
        self._rules_due_s = now_s + _RULES_EVERY_S
        try:
            for rules in await self._reads.instruments():
                if rules.market in self._truth.configured:
                    self._truth.known[rules.market].rules = rules
            known = [market for market in waiting if self._truth.known[market].rules is not None]
            await self._begin_ledgers([market for market in known if not self._truth.ledger.has_begun(market)])
        except aio.AioRpcError as error:
            _log.debug("gateway.not_ready", code=error.code().name, reason=error.details())
            return
        for market in known:
            self._writer.hold(HELD_OPENING, False, market)
        if known and self.gateway_answered.is_set():
            self._syncer.request("market_opened")
        self.gateway_answered.set()

    async def _begin_ledgers(self, markets: list[str]) -> None:
        """Open the ledgers of markets that have none with the positions that the exchange shows."""
        if not markets:
            return
        state = await self._reads.account()
        held = {position.market: position for position in state.positions}

        def change(batch: Batch) -> None:
            for market in markets:
                position = held.get(market, gateway_pb2.ExchangePosition(market=market))
                batch.enter(opening_at_cost(market, position.sz_e8, position.entry_px_e8, state.exchange_time_ms))
                _log.info("ledger.opened", market=market, position_e8=position.sz_e8, at_ms=state.exchange_time_ms)

        await self._writer.apply(change)

    async def _clear(self) -> None:
        """Cancel, once, what rests in markets that are not configured; the resolver repeats it."""
        self._look_after_late_orders()
        for market, book in self._truth.books.items():
            if market in self._truth.configured:
                continue
            due = [order.cloid for order in book.live() if order.cloid not in self._cancelled]
            if due and market in self._truth.left_alone:
                continue
            if due:
                self._cancelled.update(due)
                await self._cancel(market, due, "market removed")
            elif book.is_settled:
                self._truth.serve(self._truth.configured)
                if market not in self._truth.books:
                    self._let_go(market)

    def _look_after_late_orders(self) -> None:
        """Orders of a market that went long ago may be found at the exchange."""
        late = [book for book in self._truth.known.values() if _is_forgotten(self._truth, book)]
        if late:
            self._truth.serve(self._truth.configured)
        for book in late:
            self._writer.begin(book.market)
        for market in self._truth.books:
            if market not in self._truth.configured:
                self._begin_to_leave(market)

    def _begin_to_leave(self, market: str) -> None:
        self._writer.hold(HELD_REMOVED, True, market)
        self._permissions.forget(market)

    def _let_go(self, market: str) -> None:
        self._cancelled.difference_update(self._truth.known[market].orders)
        self._writer.end(market)
        _log.info("market.let_go", market=market)


def _is_forgotten(truth: Truth, book: Book) -> bool:
    return book.market not in truth.books and not book.is_settled
