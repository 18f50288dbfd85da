"""The account's event stream: ordered, bounded, and honest about its holes.

Every subscriber begins inside a gap. A gap ends only when open orders, fills since the subscriber's watermark and the
account state have been read again and put into its queue; live events keep flowing meanwhile. A subscriber that is too
slow loses its queue and gets a gap instead of old news.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perpmaker.gateway import metrics
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

QUEUE_LIMIT = 20_000
FILL_OVERLAP_MS = 30_000
"""Fills older than the watermark by up to this are sent again: the exchange publishes them late."""


@dataclass(slots=True, eq=False)
class Subscriber:
    """One reader of the stream."""

    watermark_ms: int
    """Exchange time up to which its fills are known to be complete; 0 for none."""
    in_gap: bool = False
    queue: deque[pb.AccountServiceSubscribeResponse] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def drain(self) -> list[pb.AccountServiceSubscribeResponse]:
        """Take everything queued.

        Fills taken inside a gap say nothing about older ones, so only outside of it they move the watermark.
        """
        taken = list(self.queue)
        self.queue.clear()
        self.wake.clear()
        if not self.in_gap:
            times = (item.fill.exchange_time_ms for item in taken if item.HasField("fill"))
            self.watermark_ms = max(self.watermark_ms, max(times, default=0))
        return taken


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read to close a gap: orders first, so that the fills of one that is missing are among the fills."""

    open_orders: pb.OpenOrders
    fills: Sequence[common.Fill]
    account: pb.AccountState
    fills_since_ms: int = 0
    """Exchange time from which fills were read."""


class AccountHub:
    """All subscribers of the account stream."""

    def __init__(self, queue_limit: int = QUEUE_LIMIT) -> None:
        self._limit = queue_limit
        self._subscribers: set[Subscriber] = set()
        self._sequence = 0
        self.generation = 0
        """Grows with every gap that opens; a snapshot read under an older one closes nothing."""
        self.wanted = asyncio.Event()
        """Set while some subscriber waits for a snapshot."""
        self.account_since_ms = 0
        """Exchange time before which the exchange knows nothing of the account; 0 when that is not known."""

    def subscribe(self, fills_since_ms: int) -> Subscriber:
        """Add a reader, in a gap."""
        subscriber = Subscriber(watermark_ms=fills_since_ms)
        self._subscribers.add(subscriber)
        self._open(subscriber, "start")
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a reader."""
        self._subscribers.discard(subscriber)
        self._refresh()

    def open_gap(self, reason: str) -> None:
        """Tell everybody that the stream has a hole from here."""
        for subscriber in self._subscribers:
            self._open(subscriber, reason)

    def fills_needed_since_ms(self) -> int:
        """Oldest exchange time from which some waiting reader needs fills, the overlap included."""
        waiting = [subscriber.watermark_ms for subscriber in self._subscribers if subscriber.in_gap]
        return max(0, min(waiting, default=0) - FILL_OVERLAP_MS)

    def publish(self, response: pb.AccountServiceSubscribeResponse) -> None:
        """Send one event to everybody; its sequence is set here."""
        self._send(response, self._subscribers)

    def close_gap(self, generation: int, snapshot: Snapshot, receive_ns: int) -> bool:
        """End the gap of every waiting reader, unless another gap opened while the snapshot was read."""
        if generation != self.generation:
            return False
        waiting = [subscriber for subscriber in self._subscribers if subscriber.in_gap]
        for fill in snapshot.fills:
            self._send(event(fill.market, fill.exchange_time_ms, receive_ns, fill=fill), waiting)
        orders, account = snapshot.open_orders, snapshot.account
        self._send(event("", orders.as_of_ms, receive_ns, open_orders=orders), waiting)
        self._send(event("", account.exchange_time_ms, receive_ns, account=account), waiting)
        if generation != self.generation:  # a queue overflowed under the snapshot itself
            return False
        for subscriber in waiting:
            subscriber.in_gap = False
        closed = pb.GapClosed(
            snapshot_time_ms=orders.as_of_ms,
            account_since_ms=self.account_since_ms,
            fills_since_ms=snapshot.fills_since_ms,
            fills=len(snapshot.fills),
            open_orders=len(orders.orders),
            account_time_ms=account.exchange_time_ms,
        )
        self._send(event("", orders.as_of_ms, receive_ns, gap_closed=closed), waiting)
        self._refresh()
        return True

    def _open(self, subscriber: Subscriber, reason: str) -> None:
        self.generation += 1
        subscriber.in_gap = True
        metrics.GAPS.labels(reason).inc()
        self._send(event("", 0, 0, gap_opened=pb.GapOpened(reason=reason)), (subscriber,))
        self._refresh()

    def _send(self, response: pb.AccountServiceSubscribeResponse, to: Iterable[Subscriber]) -> None:
        self._sequence += 1
        response.trace.sequence = self._sequence
        overflowed = []
        for subscriber in to:
            subscriber.queue.append(response)
            subscriber.wake.set()
            if len(subscriber.queue) > self._limit:
                overflowed.append(subscriber)
        for subscriber in overflowed:
            subscriber.queue.clear()
            self._open(subscriber, "overflow")

    def _refresh(self) -> None:
        waiting = any(subscriber.in_gap for subscriber in self._subscribers)
        metrics.GAP_OPEN.set(1 if waiting else 0)
        if waiting:
            self.wanted.set()
        else:
            self.wanted.clear()


def event(
    market: str,
    exchange_time_ms: int,
    receive_ns: int,
    *,
    gap_opened: pb.GapOpened | None = None,
    gap_closed: pb.GapClosed | None = None,
    order_update: pb.OrderUpdate | None = None,
    fill: common.Fill | None = None,
    open_orders: pb.OpenOrders | None = None,
    account: pb.AccountState | None = None,
    funding: pb.Funding | None = None,
    trade_limits: pb.TradeLimits | None = None,
    non_user_cancel: pb.NonUserCancel | None = None,
    liquidation: pb.Liquidation | None = None,
    ledger_delta: pb.LedgerDelta | None = None,
) -> pb.AccountServiceSubscribeResponse:
    """One account event with its trace; exactly one of the keywords is given."""
    return pb.AccountServiceSubscribeResponse(
        trace=common.Trace(market=market, exchange_time_ms=exchange_time_ms, receive_time_ns=receive_ns),
        gap_opened=gap_opened,
        gap_closed=gap_closed,
        order_update=order_update,
        fill=fill,
        open_orders=open_orders,
        account=account,
        funding=funding,
        trade_limits=trade_limits,
        non_user_cancel=non_user_cancel,
        liquidation=liquidation,
        ledger_delta=ledger_delta,
    )
