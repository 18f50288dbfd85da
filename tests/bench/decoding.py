"""Frames of each stream from bytes to a message in the hands of a reader of the hub.

The floor is the same bytes read into typed structs, with decimals still text. The gateway asks for the fast
`l2Book`; the default one, twenty levels a side, is here for comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tests.bench import recorded
from tests.bench.report import Budget, Figure, Rounds, duration

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.account_hub import AccountHub, Snapshot
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.decode import account_wire, envelope_wire, market_wire
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_LEAST_SAMPLES: Final = 2_000
_FEED_TIMEOUT_S: Final = 5.0

_BUDGETS: Final = {
    "bbo": Budget(50, 150),
    "l2Book fast": Budget(100, 300),
    "l2Book default": Budget(250, 750),
    "trades": Budget(100, 300),
    "activeAssetCtx": Budget(50, 150),
    "orderUpdates": Budget(250, 750),
    "userFills": Budget(100, 300),
    "openOrders": Budget(250, 750),
    "clearinghouseState": Budget(100, 300),
}
"""The first two are their part of the millisecond from book frame to signed orders; the others keep off its way."""

_STRUCTS: Final[dict[str, Any]] = {
    "bbo": market_wire.BBO,
    "l2Book": market_wire.BOOK,
    "trades": market_wire.TRADES,
    "activeAssetCtx": market_wire.ASSET_CONTEXT,
    "orderUpdates": account_wire.ORDER_UPDATES,
    "userFills": account_wire.USER_FILLS,
    "openOrders": account_wire.OPEN_ORDERS,
    "clearinghouseState": account_wire.CLEARINGHOUSE_FRAME,
}

Take = Callable[[bytes], Sequence[object]]


def figures() -> list[Figure]:
    """Every stream of the gateway that carries a market or an account."""
    found: list[Figure] = []
    for name, frames in recorded.record().items():
        readers = _market_readers() if name in recorded.MARKET_STREAMS else _account_readers()
        read, whole = _measured(name, frames, readers)
        size = sum(map(len, frames)) / len(frames)
        found.append(
            duration(name, whole, size_bytes=size, budget=_BUDGETS[name], floor=read),
        )
    return found


def _measured(name: str, frames: Sequence[bytes], readers: Iterator[Take]) -> tuple[Rounds, Rounds]:
    """Floor and whole way, over the recording as often as it takes: each time with a gateway that knows none of it."""
    decoder = _STRUCTS[name.split(maxsplit=1)[0]]
    read, whole = Rounds(), Rounds()
    while whole.count < _LEAST_SAMPLES:
        take = next(readers)
        for frame in frames:
            begun = time.perf_counter_ns()
            decoder.decode(envelope_wire.FRAME.decode(frame).data)
            between = time.perf_counter_ns()
            told = take(frame)
            ended = time.perf_counter_ns()
            if not told:
                raise RuntimeError(f"nothing was told of {frame[:200]!r}")
            read.add((between - begun) / 1_000)
            whole.add((ended - between) / 1_000)
    return read, whole


def _market_readers() -> Iterator[Take]:
    while True:
        hub, clock = MarketHub(), ManualClock(recorded.END_MS)
        exchange_now_ms = ExchangeClock(clock).now_ms
        stream = MarketDataStream(
            (recorded.COIN,), recorded.TRADER, hub, clock, _FEED_TIMEOUT_S, lambda: None, exchange_now_ms
        )
        yield _handed_over(stream.received, hub.subscribe((recorded.COIN,)).drain)


def _account_readers() -> Iterator[Take]:
    while True:
        hub, clock = AccountHub(), ManualClock(recorded.END_MS)
        stream = AccountStream(
            recorded.TRADER, Markets((recorded.COIN,)), hub, clock, ExchangeClock(clock), lambda: None, lambda _: None
        )
        subscriber = hub.subscribe(recorded.START_MS)
        hub.close_gap(hub.generation, Snapshot(pb.OpenOrders(), (), pb.AccountState()), 0)
        yield _handed_over(stream.received, subscriber.drain)


def _handed_over(receive: Callable[[bytes, int], None], drain: Callable[[], Sequence[object]]) -> Take:
    drain()

    def take(frame: bytes) -> Sequence[object]:
        receive(frame, 1)
        return drain()

    return take
