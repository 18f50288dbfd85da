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

    def __init__(
        self,
        markets: Iterable[str],
        take_snapshot: Callable[[str], orderstate_pb2.WatchResponse],
        *,
        follows_all: bool = False,
    ) -> None:
        """With `follows_all` markets that come later are read, too."""
        self._markets = set(markets)
        self._take_snapshot = take_snapshot
        self._follows_all = follows_all
        self._queue: deque[orderstate_pb2.WatchResponse] = deque()
        self._due = set(self._markets)
        self._wake = asyncio.Event()
        self._wake.set()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to read."""
        return not self._markets and not self._follows_all

    def put(self, message: orderstate_pb2.WatchResponse) -> None:
        """Queue an event; drop everything for new snapshots when the reader is too far behind."""
        market = message.trace.market
        if market not in self._markets or market in self._due:
            return
        if len(self._queue) >= QUEUE_LENGTH:
            self._queue.clear()
            self._due = set(self._markets)
        else:
            self._queue.append(message)
        self._wake.set()

    def begin(self, market: str) -> None:
        """Read a market that has come, if all are read."""
        if self._follows_all and market not in self._markets:
            self._markets.add(market)
            self._due.add(market)
            self._wake.set()

    def end(self, market: str) -> None:
        """Read a market no longer that has gone."""
        self._markets.discard(market)
        self._due.discard(market)
        self._queue = deque(message for message in self._queue if message.trace.market != market)
        self._wake.set()

    async def take(self) -> list[orderstate_pb2.WatchResponse]:
        """Wait for something to tell and take all of it; empty when a market has gone."""
        await self._wake.wait()
        self._wake.clear()
        # Until all snapshots are taken, events of these markets are part of them and need not be queued.
        snapshots = [self._take_snapshot(market) for market in sorted(self._due)]
        self._due.clear()
        messages = [*snapshots, *self._queue]
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

    def subscribe(self, markets: Iterable[str], *, follows_all: bool = False) -> Subscription:
        """Begin to read these markets, with `follows_all` those that come later, too."""
        subscription = Subscription(markets, self._snapshot, follows_all=follows_all)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End to read."""
        self._subscriptions.discard(subscription)

    def begin(self, market: str) -> None:
        """A market has come."""
        for subscription in self._subscriptions:
            subscription.begin(market)

    def end(self, market: str) -> None:
        """A market has gone."""
        for subscription in self._subscriptions:
            subscription.end(market)

    def publish(self, market: str, epoch: int, message: orderstate_pb2.WatchResponse) -> None:
        """Number an event and hand it to every reader of its market. Its trace may carry times already."""
        sequence = self._sequences.get(market, 0) + 1
        self._sequences[market] = sequence
        message.trace.market = market
        message.trace.epoch = epoch
        message.trace.sequence = sequence
        for subscription in self._subscriptions:
            subscription.put(message)
