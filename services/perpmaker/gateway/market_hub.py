"""Market data on its way to readers: the newest of each kind wins, old states are dropped, nothing ever queues.

Trades are the exception that proves it: they are collected until read, up to a bound, since each of them counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Literal

from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Kind = Literal["feed", "bbo", "book", "context", "tick", "instrument"]

TRADE_LIMIT = 2_000
"""Trades kept per market for a reader that does not read."""


class Mailbox:
    """One reader: at most one message per market and kind, and a bounded list of trades per market."""

    def __init__(self, markets: Iterable[str]) -> None:
        self.markets = frozenset(markets)
        self.wake = asyncio.Event()
        self._states: dict[tuple[str, Kind], pb.MarketDataServiceSubscribeResponse] = {}
        self._trades: dict[str, tuple[common.Trace, deque[pb.Trade]]] = {}

    def put(self, kind: Kind, message: pb.MarketDataServiceSubscribeResponse) -> None:
        """Replace the state of this kind."""
        key = (message.trace.market, kind)
        self._states.pop(key, None)  # so that messages leave in the order of their sequence
        self._states[key] = message
        self.wake.set()

    def add_trades(self, trace: common.Trace, trades: Iterable[pb.Trade]) -> None:
        """Append trades; the oldest go when there are too many."""
        held = self._trades.pop(trace.market, None)
        kept = deque(trades, TRADE_LIMIT) if held is None else held[1]
        if held is not None:
            kept.extend(trades)
        self._trades[trace.market] = (trace, kept)
        self.wake.set()

    def drain(self) -> list[pb.MarketDataServiceSubscribeResponse]:
        """Take everything, in sequence."""
        taken = list(self._states.values())
        taken += [
            pb.MarketDataServiceSubscribeResponse(trace=trace, trades=pb.Trades(trades=trades))
            for trace, trades in self._trades.values()
        ]
        taken.sort(key=lambda message: message.trace.sequence)
        self._states = {}
        self._trades = {}
        self.wake.clear()
        return taken


class MarketHub:
    """Newest state of every market and all its readers."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, Kind], pb.MarketDataServiceSubscribeResponse] = {}
        self._mailboxes: set[Mailbox] = set()
        self._sequence = 0

    def subscribe(self, markets: Iterable[str]) -> Mailbox:
        """Add a reader; it begins with the newest states, without a receive time: reacting to those is not late."""
        mailbox = Mailbox(markets)
        for (market, kind), message in sorted(self._newest.items(), key=lambda item: item[1].trace.sequence):
            if market in mailbox.markets:
                known = pb.MarketDataServiceSubscribeResponse()
                known.CopyFrom(message)
                known.trace.receive_time_ns = 0
                mailbox.put(kind, known)
        self._mailboxes.add(mailbox)
        return mailbox

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """Forget a reader."""
        self._mailboxes.discard(mailbox)

    def publish(self, kind: Kind, message: pb.MarketDataServiceSubscribeResponse) -> None:
        """Send a state to its readers; its sequence is set here."""
        message.trace.sequence = self._next()
        self._newest[message.trace.market, kind] = message
        for mailbox in self._mailboxes:
            if message.trace.market in mailbox.markets:
                mailbox.put(kind, message)

    def publish_trades(self, trace: common.Trace, trades: list[pb.Trade]) -> None:
        """Send trades to their readers; the sequence of the trace is set here."""
        trace.sequence = self._next()
        for mailbox in self._mailboxes:
            if trace.market in mailbox.markets:
                mailbox.add_trades(trace, trades)

    def forget(self, market: str) -> None:
        """Drop what is known of a market that is served no longer."""
        self._newest = {key: message for key, message in self._newest.items() if key[0] != market}

    def mark_px_e8(self, market: str) -> int:
        """Newest mark price of a market; 0 when none is known."""
        message = self._newest.get((market, "context"))
        return 0 if message is None else message.context.mark_px_e8

    def feeds(self) -> Mapping[str, bool]:
        """Whether each market's feed is live."""
        return {market: message.feed.live for (market, kind), message in self._newest.items() if kind == "feed"}

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence
