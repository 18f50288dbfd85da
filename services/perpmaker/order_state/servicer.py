"""The contract `OrdersService`: messages in, messages out, decisions elsewhere."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any, Final, NoReturn

import grpc
from grpc import aio

from perpmaker.api.parts import OrderStatePart
from perpmaker.common import logs
from perpmaker.common.attendance import Attendance, Caller
from perpmaker.common.clock import Clock
from perpmaker.common.reconfigure import Configuration, answer
from perpmaker.order_state import metrics, wire
from perpmaker.order_state.core.ledger import FillEntry
from perpmaker.order_state.core.plan import Judged, Judgement
from perpmaker.order_state.drain import Drains
from perpmaker.order_state.sessions import Sessions
from perpmaker.order_state.store.redis_store import LostError, Store, StoreDownError
from perpmaker.order_state.submit import Submitter
from perpmaker.order_state.sync import Syncer
from perpmaker.order_state.truth import Book, Truth
from perpmaker.order_state.writer import Writer
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

_DRAIN_DEFAULT_S: Final = 10.0
_DRAIN_MARGIN_S: Final = 0.05
"""Kept of a caller's deadline for the answer to travel."""
_JOURNAL_MARGIN_MS: Final = 5_000

_log = logs.get(__name__)

Context = aio.ServicerContext[Any, Any]


class OrdersServicer(orderstate_pb2_grpc.OrdersServiceServicer):
    """Serves as soon as the journal is replayed; before that every call is refused as unavailable."""

    def __init__(
        self,
        writer: Writer,
        store: Store,
        submitter: Submitter,
        drains: Drains,
        syncer: Syncer,
        clock: Clock,
        attendance: defaultdict[str, Attendance],
        configuration: Configuration[OrderStatePart],
    ) -> None:
        """`attendance` of quoters by market."""
        self._writer = writer
        self._store = store
        self._submitter = submitter
        self._drains = drains
        self._syncer = syncer
        self._clock = clock
        self._attendance = attendance
        self._configuration = configuration
        self._acquiring = asyncio.Lock()
        self._sessions = Sessions(clock)
        self.is_replayed = False

    @property
    def _truth(self) -> Truth:
        return self._writer.truth

    async def _check_replayed(self, context: Context) -> None:
        if not self.is_replayed:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the journal is being replayed")

    async def _book(self, market: str, context: Context) -> Book:
        await self._check_replayed(context)
        book = self._truth.books.get(market)
        if book is None:
            await _no_market(market, context)
        return book

    async def Submit(
        self, request_iterator: AsyncIterator[orderstate_pb2.SubmitRequest], context: Context
    ) -> AsyncIterator[orderstate_pb2.SubmitResponse]:
        """See the contract."""
        await self._check_replayed(context)
        present: dict[str, Caller] = {}
        with ExitStack() as callers:
            async for request in request_iterator:
                market = request.trace.market
                book = self._truth.books.get(market)
                if book is not None:
                    if market not in present:
                        present[market] = callers.enter_context(self._attendance[market].caller())
                    if request.trace.epoch == book.epoch:
                        self._sessions.heard(market)
                if request.HasField("presence"):
                    if market in present:
                        present[market].seen(leaving=request.presence.leaving)
                    continue
                judgement = await self._submitter.submit(wire.plan(request), request.trace)
                yield _response(request.trace.sequence, judgement)

    async def Watch(
        self, request: orderstate_pb2.WatchRequest, context: Context
    ) -> AsyncIterator[orderstate_pb2.WatchResponse]:
        """See the contract."""
        await self._check_replayed(context)
        markets = tuple(request.markets) or tuple(self._truth.books)
        for market in markets:
            await self._book(market, context)
        subscription = self._writer.hub.subscribe(markets, follows_all=not request.markets)
        try:
            while not subscription.is_over:
                for message in await subscription.take():
                    yield message
        finally:
            self._writer.hub.unsubscribe(subscription)

    async def AcquireSession(
        self, request: orderstate_pb2.AcquireSessionRequest, context: Context
    ) -> orderstate_pb2.AcquireSessionResponse:
        """See the contract."""
        book = await self._book(request.market, context)
        if book.market not in self._truth.configured:
            await _no_market(book.market, context)
        async with self._acquiring:
            if request.stand_by and not self._sessions.is_silent(book.market):
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"session {book.epoch} is at work")
            try:
                book.epoch = await self._store.acquire(request.market, book.epoch)
            except (StoreDownError, LostError) as error:
                await context.abort(grpc.StatusCode.UNAVAILABLE, f"the session cannot be made durable: {error}")
            self._sessions.heard(book.market)
        _log.info("session.granted", market=book.market, epoch=book.epoch, holder=request.holder)
        return orderstate_pb2.AcquireSessionResponse(epoch=book.epoch, tag=book.tag)

    async def CancelAll(
        self, request: orderstate_pb2.CancelAllRequest, context: Context
    ) -> orderstate_pb2.CancelAllResponse:
        """See the contract."""
        book = await self._book(request.market, context)
        left_s = context.time_remaining()
        within_s = _DRAIN_DEFAULT_S if left_s is None else left_s - _DRAIN_MARGIN_S
        verified, remaining = await self._drains.empty(book.market, request.drain_id, within_s)
        return orderstate_pb2.CancelAllResponse(
            verified_empty=verified, remaining=[wire.order_message(order) for order in remaining]
        )

    async def Explain(self, request: orderstate_pb2.ExplainRequest, context: Context) -> orderstate_pb2.ExplainResponse:
        """See the contract."""
        await self._check_replayed(context)
        cloid = request.cloid.lower()
        try:
            order = self._truth.find(cloid) or await self._store.find(cloid)
            since_ms = order.placed_time_ms - _JOURNAL_MARGIN_MS if order is not None else 0
            lines = await self._store.history(cloid, max(0, since_ms))
            fills = [e async for e in self._store.entries() if isinstance(e, FillEntry) and e.cloid == cloid]
        except StoreDownError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"the journal cannot be read: {error}")
        if order is None and not lines and not fills:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no order {cloid}")
        return orderstate_pb2.ExplainResponse(
            order=wire.order_message(order) if order is not None else None,
            entries=[wire.journal_message(line) for line in lines],
            fills=[wire.fill_message(entry) for entry in fills],
        )

    async def ListOrders(
        self, request: orderstate_pb2.ListOrdersRequest, context: Context
    ) -> orderstate_pb2.ListOrdersResponse:
        """See the contract."""
        await self._check_replayed(context)
        books = [await self._book(request.market, context)] if request.market else list(self._truth.books.values())
        return orderstate_pb2.ListOrdersResponse(
            orders=[
                wire.order_message(order)
                for book in books
                for order in book.orders.values()
                if request.include_terminal or not order.is_terminal
            ]
        )

    async def ListFills(
        self, request: orderstate_pb2.ListFillsRequest, context: Context
    ) -> orderstate_pb2.ListFillsResponse:
        """See the contract."""
        await self._check_replayed(context)
        if request.market:
            await self._book(request.market, context)
        try:
            entries = [entry async for entry in self._store.entries()]
        except StoreDownError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"the ledger cannot be read: {error}")
        return orderstate_pb2.ListFillsResponse(
            fills=[
                wire.fill_message(entry)
                for entry in entries
                if isinstance(entry, FillEntry)
                and entry.market == (request.market or entry.market)
                and entry.exchange_time_ms >= request.since_ms
            ]
        )

    async def GetSummary(
        self, request: orderstate_pb2.GetSummaryRequest, context: Context
    ) -> orderstate_pb2.GetSummaryResponse:
        """See the contract."""
        await self._check_replayed(context)
        truth, now_ms = self._truth, self._clock.now_ms()
        return orderstate_pb2.GetSummaryResponse(
            markets=[
                orderstate_pb2.MarketSummary(
                    market=market,
                    placed=truth.total(market, "placed"),
                    cancelled=truth.total(market, "cancelled"),
                    rejected=truth.total(market, "rejected"),
                    replaced=truth.total(market, "replaced"),
                    unmatched_fills=truth.total(market, "unmatched_fills"),
                    standing=wire.standing_message(truth, book, now_ms),
                )
                for market, book in truth.known.items()
                if market in truth.books or truth.total(market, "placed")
            ],
            unresolved_orders=sum(book.exposure(now_ms).unknown_orders for book in truth.books.values()),
            event_to_subscribers_us=metrics.EVENT_TO_SUBSCRIBERS.quantiles((0.5, 0.9, 0.99)),
            reconciliations=self._syncer.completed,
            applied_revision=self._configuration.revision,
            ready=not truth.holds,
        )

    async def ApplyConfig(
        self, request: orderstate_pb2.ApplyConfigRequest, context: Context
    ) -> orderstate_pb2.ApplyConfigResponse:
        """See the contract."""
        return orderstate_pb2.ApplyConfigResponse(applied_revision=await answer(self._configuration, request, context))

    async def GetHighestNonce(
        self, request: orderstate_pb2.GetHighestNonceRequest, context: Context
    ) -> orderstate_pb2.GetHighestNonceResponse:
        """See the contract."""
        await self._check_replayed(context)
        return orderstate_pb2.GetHighestNonceResponse(nonce=self._truth.highest_nonce)


async def _no_market(market: str, context: Context) -> NoReturn:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"market {market!r} is not configured")


def _response(sequence: int, judgement: Judgement) -> orderstate_pb2.SubmitResponse:
    def told(judged: Judged) -> orderstate_pb2.ItemVerdict:
        return orderstate_pb2.ItemVerdict(
            cloid=judged.cloid, verdict=orderstate_pb2.Verdict.ValueType(judged.verdict), detail=judged.detail
        )

    items = (*judgement.cancels, *judgement.replaces, *judgement.places)
    return orderstate_pb2.SubmitResponse(sequence=sequence, items=map(told, items))
