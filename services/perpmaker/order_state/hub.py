"""Readers of the truth: a snapshot, then every event; who falls behind gets a new snapshot.

Publishing never waits for a reader. Each market's events carry consecutive sequence numbers; a snapshot carries the
number of the last event that is part of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2

QUEUE_LENGTH: Final = 2_000


class Subscription:
    """One reader."""

    def __init__(self, markets: Iterable[str], take_snapshot: Callable[[str], orderstate_pb2.WatchResponse]) -> None:
        self._markets = frozenset(markets)
        self._take_snapshot = take_snapshot
        self._queue: deque[orderstate_pb2.WatchResponse] = deque()
        self._needs_snapshot = True
        self._wake = asyncio.Event()
        self._wake.set()

    def put(self, message: orderstate_pb2.WatchResponse) -> None:
        """Queue an event; drop everything for a new snapshot when the reader is too far behind."""
        if message.trace.market not in self._markets or self._needs_snapshot:
            return
        if len(self._queue) >= QUEUE_LENGTH:
            self._queue.clear()
            self._needs_snapshot = True
        else:
            self._queue.append(message)
        self._wake.set()

    async def take(self) -> list[orderstate_pb2.WatchResponse]:
        """Wait for something to tell and take all of it."""
        await self._wake.wait()
        self._wake.clear()
        if self._needs_snapshot:
            # Until all are taken, events are part of them and need not be queued.
            snapshots = [self._take_snapshot(market) for market in sorted(self._markets)]
            self._needs_snapshot = False
            return snapshots
        messages = list(self._queue)
        self._queue.clear()
        return messages


class Hub:
    """All readers."""

    def __init__(self, snapshot_of: Callable[[str], tuple[int, orderstate_pb2.MarketSnapshot]]) -> None:
        """`snapshot_of` tells a market's epoch and whole truth."""
        self._snapshot_of = snapshot_of
        self._subscriptions: set[Subscription] = set()
        self._sequences: dict[str, int] = {}

    def _snapshot(self, market: str) -> orderstate_pb2.WatchResponse:
        epoch, snapshot = self._snapshot_of(market)
        # Numbered after it is taken: taking it may publish what was still waiting.
        trace = common_pb2.Trace(market=market, epoch=epoch, sequence=self._sequences.get(market, 0))
        return orderstate_pb2.WatchResponse(trace=trace, snapshot=snapshot)

    def subscribe(self, markets: Iterable[str]) -> Subscription:
        """Begin to read."""
        subscription = Subscription(markets, self._snapshot)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End to read."""
        self._subscriptions.discard(subscription)

    def publish(self, market: str, epoch: int, message: orderstate_pb2.WatchResponse) -> None:
        """Number an event and hand it to every reader of its market. Its trace may carry times already."""
        sequence = self._sequences.get(market, 0) + 1
        self._sequences[market] = sequence
        message.trace.market = market
        message.trace.epoch = epoch
        message.trace.sequence = sequence
        for subscription in self._subscriptions:
            subscription.put(message)
