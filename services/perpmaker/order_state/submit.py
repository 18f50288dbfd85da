"""From a plan to signed orders: gate, one durable write, one message to the gateway.

An order reaches the gateway only after its intent is durable. Cancels reach it in any case: when the store is down they
are remembered in memory and written later.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.order_state import metrics
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.gate import Situation, judge
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.plan import Judged, Judgement, NewOrder, Plan, Verdict
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.dispatch import Dispatcher, Outgoing, latest_expiry_ms
from perpmaker.order_state.permissions import VALID_AFTER_RECEIPT_MS, Permissions
from perpmaker.order_state.store.redis_store import DuplicateError, FencedError, StoreDownError
from perpmaker.order_state.truth import HELD_DRIFT, Book
from perpmaker.order_state.writer import Writer
from perpmaker.proto.common.v1 import common_pb2

_log = logs.get(__name__)

_SAFETY_MS: Final = 100
"""A cancel sent less than this ago is not sent again because a plan repeats it."""


class Submitter:
    """Takes plans."""

    def __init__(self, writer: Writer, dispatcher: Dispatcher, permissions: Permissions, clock: Clock) -> None:
        self._writer = writer
        self._dispatcher = dispatcher
        self._permissions = permissions
        self._clock = clock
        self._running: set[asyncio.Task[Judgement]] = set()

    async def submit(self, plan: Plan, trace: common_pb2.Trace) -> Judgement:
        """Judge a plan and send what passes.

        Once begun it is carried through even if the caller goes away: the store must not know more than the memory.
        """
        task = asyncio.create_task(self._submit(plan, trace))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _submit(self, plan: Plan, trace: common_pb2.Trace) -> Judgement:
        started = time.perf_counter()
        book = self._writer.truth.books.get(plan.market)
        if book is None:
            return _refuse_all(plan, Verdict.INVALID, f"market {plan.market!r} is not configured")
        async with self._writer.lock:
            judgement, outgoing = await self._record(book, plan, trace)
        if not outgoing.is_empty:
            await self._dispatcher.send(outgoing)
        metrics.SUBMIT_SECONDS.observe(time.perf_counter() - started)
        for judged in (*judgement.cancels, *judgement.replaces, *judgement.places):
            metrics.verdict(plan.market, judged.verdict.name.lower()).inc()
        return judgement

    def _situation(self, book: Book, now_ms: int) -> Situation:
        truth = self._writer.truth
        permission, is_valid = self._permissions.of(book.market)
        exposure = book.exposure(now_ms)
        reasons = truth.hold_reasons(book.market)
        monotonic_ms = self._clock.monotonic_ns() // 1_000_000
        return Situation(
            epoch=book.epoch,
            tag=book.tag,
            orders=book.orders,
            position_e8=truth.position(book.market).sz_e8,
            max_possible_bid_e8=exposure.max_possible_bid_e8,
            max_possible_ask_e8=exposure.max_possible_ask_e8,
            permission=permission,
            permission_valid=is_valid,
            hold_reasons=tuple(reason for reason in reasons if reason != HELD_DRIFT),
            drift=HELD_DRIFT in reasons,
            buys_pausing=book.buys.is_pausing(monotonic_ms),
            sells_pausing=book.sells.is_pausing(monotonic_ms),
            rules=book.rules,
        )

    async def _record(self, book: Book, plan: Plan, trace: common_pb2.Trace) -> tuple[Judgement, Outgoing]:
        """Judge a plan and make what passes durable; the lock is held."""
        now_ms = self._clock.now_ms()
        situation = self._situation(book, now_ms)
        judgement = judge(plan, situation)
        permission = situation.permission
        not_after_ms = now_ms + VALID_AFTER_RECEIPT_MS
        if permission is not None and situation.permission_valid:
            not_after_ms = permission.not_after_ms
        while True:
            batch, outgoing = _intents(self._writer, plan, judgement, trace, now_ms, not_after_ms)
            is_new = bool(outgoing.replaces or outgoing.places)
            try:
                await self._writer.commit(batch, (plan.market, plan.epoch) if is_new else None)
            except DuplicateError as error:
                judgement = _demote(judgement, Verdict.DUPLICATE, "known to the store", frozenset(error.cloids))
            except FencedError as error:
                judgement = _demote(judgement, Verdict.FENCED, f"newest session is {error.newest}")
            except StoreDownError as error:
                await self._void(outgoing, now_ms)
                judgement = _demote(judgement, Verdict.STORE, str(error))
            else:
                return judgement, outgoing

    async def _void(self, outgoing: Outgoing, now_ms: int) -> None:
        """Remember that intents whose write was not answered never left: the store may hold them as pending."""
        batch = Batch(self._writer.truth, now_ms)
        for order in (*(new for _, new in outgoing.replaces), *outgoing.places):
            batch.create(order, "intent")
            batch.learn(order.cloid, ev.NotSent("store_down"))
        await self._writer.commit(batch)


def _intents(
    writer: Writer, plan: Plan, judgement: Judgement, trace: common_pb2.Trace, now_ms: int, not_after_ms: int
) -> tuple[Batch, Outgoing]:
    batch = Batch(writer.truth, now_ms)
    cancels: list[str] = []
    for judged in judgement.cancels:
        order = batch.find(judged.cloid) if judged.is_accepted else None
        if order is None:
            continue
        if order.cancel_requested and now_ms - order.cancel_sent_ms < _SAFETY_MS:
            continue
        batch.learn(judged.cloid, ev.CancelSent("plan"))
        cancels.append(judged.cloid)

    def intent(order: NewOrder, replaces: str = "") -> TrackedOrder:
        tracked = TrackedOrder(
            cloid=order.cloid,
            market=plan.market,
            is_buy=order.is_buy,
            px_e8=order.px_e8,
            sz_e8=order.sz_e8,
            level=order.level,
            epoch=plan.epoch,
            reduce_only=order.reduce_only,
            time_in_force=order.time_in_force,
            state=State.PENDING,
            placed_time_ms=now_ms,
            state_time_ms=now_ms,
            expires_after_ms=latest_expiry_ms(not_after_ms),
            replaces_cloid=replaces,
        )
        batch.create(tracked, "intent", f"cycle {plan.sequence}" + (f", replaces {replaces}" if replaces else ""))
        return tracked

    replaces: list[tuple[str, TrackedOrder]] = []
    for item, judged in zip(plan.replaces, judgement.replaces, strict=True):
        if judged.is_accepted:
            batch.learn(item.old_cloid, ev.CancelSent("replace", replaced_by=item.order.cloid))
            replaces.append((item.old_cloid, intent(item.order, item.old_cloid)))
    places = [intent(item) for item, judged in zip(plan.places, judgement.places, strict=True) if judged.is_accepted]
    outgoing = Outgoing(
        market=plan.market,
        epoch=plan.epoch,
        sequence=plan.sequence,
        exchange_time_ms=trace.exchange_time_ms,
        receive_time_ns=trace.receive_time_ns,
        cancels=tuple(cancels),
        replaces=tuple(replaces),
        places=tuple(places),
        not_after_ms=not_after_ms,
    )
    return batch, outgoing


def _demote(judgement: Judgement, verdict: Verdict, detail: str, only: frozenset[str] | None = None) -> Judgement:
    """Turn accepted new orders (all, or `only` these) into refused ones; cancels stay."""

    def demoted(judged: Judged) -> Judged:
        if not judged.is_accepted or (only is not None and judged.cloid not in only):
            return judged
        return Judged(judged.cloid, verdict, detail)

    return Judgement(judgement.cancels, tuple(map(demoted, judgement.replaces)), tuple(map(demoted, judgement.places)))


def _refuse_all(plan: Plan, verdict: Verdict, detail: str) -> Judgement:
    return Judgement(
        tuple(Judged(cloid, verdict, detail) for cloid in plan.cancels),
        tuple(Judged(item.order.cloid, verdict, detail) for item in plan.replaces),
        tuple(Judged(order.cloid, verdict, detail) for order in plan.places),
    )
