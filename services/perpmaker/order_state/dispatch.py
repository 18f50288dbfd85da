"""Plans on their way to the exchange: one open stream to the gateway, every placement answered or in doubt.

A placement whose answer cannot come any more (stream lost, plan ended without it) becomes UNKNOWN at once; a cancel
becomes due again.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from perpmaker.common.clock import Clock
from perpmaker.common.rpc import Duplex, DuplexCall, StreamDownError
from perpmaker.order_state import ingest, wire
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.truth import HELD_GATEWAY
from perpmaker.order_state.writer import Writer
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2

EXPIRES_IN_MS: Final = 5_000
"""`expiresAfter` of placements, counted from signing."""

CLOCK_MARGIN_MS: Final = 1_000
"""Largest offset to the exchange's clock at which orders are placed at all."""

ExecuteCall = DuplexCall[gateway_pb2.ExecuteRequest, gateway_pb2.ExecuteResponse]


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What of a plan goes to the exchange. `replaces` are pairs of old and new order."""

    market: str
    epoch: int
    sequence: int = 0
    exchange_time_ms: int = 0
    receive_time_ns: int = 0
    cancels: tuple[str, ...] = ()
    replaces: tuple[tuple[str, TrackedOrder], ...] = ()
    places: tuple[TrackedOrder, ...] = ()
    not_after_ms: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.cancels or self.replaces or self.places)


def latest_expiry_ms(not_after_ms: int) -> int:
    """Exchange time after which an order signed no later than `not_after_ms` (our clock) cannot land any more."""
    return not_after_ms + EXPIRES_IN_MS + CLOCK_MARGIN_MS


class Dispatcher:
    """The stream to the gateway and what is in flight on it."""

    def __init__(
        self,
        writer: Writer,
        clock: Clock,
        open_call: Callable[[], ExecuteCall],
        connected: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._ids = itertools.count(1)
        self._unanswered: dict[int, set[str]] = {}
        self._is_leaving = False
        self._stream: Duplex[gateway_pb2.ExecuteRequest, gateway_pb2.ExecuteResponse] = Duplex(
            "gateway.execute",
            open_call,
            self._receive,
            on_up=self._up,
            on_lost=self._lost,
            connected=connected,
            sign_of_life=self._sign_of_life,
        )

    async def run(self) -> None:
        """Keep the stream open until cancelled."""
        await self._stream.run()

    async def leave(self) -> None:
        """Tell the gateway that it is needed until the stream ends."""
        self._is_leaving = True
        await self._stream.show_life()

    def _sign_of_life(self) -> gateway_pb2.ExecuteRequest:
        return gateway_pb2.ExecuteRequest(presence=common_pb2.Presence(leaving=self._is_leaving))

    async def send(self, outgoing: Outgoing) -> None:
        """Hand a plan to the gateway. Never raises: what could not be handed over is in doubt or due again."""
        request = gateway_pb2.ExecuteRequest(
            trace=common_pb2.Trace(
                market=outgoing.market,
                epoch=outgoing.epoch,
                sequence=outgoing.sequence,
                exchange_time_ms=outgoing.exchange_time_ms,
                receive_time_ns=outgoing.receive_time_ns,
            ),
            request_id=next(self._ids),
            cancels=[gateway_pb2.CancelOrder(cloid=cloid) for cloid in outgoing.cancels],
            modifies=[
                gateway_pb2.ModifyOrder(old_cloid=old, order=wire.place_message(new)) for old, new in outgoing.replaces
            ],
            places=[wire.place_message(order) for order in outgoing.places],
            not_after_ms=outgoing.not_after_ms,
            expires_in_ms=EXPIRES_IN_MS,
        )
        new = {order.cloid for _, order in outgoing.replaces} | {order.cloid for order in outgoing.places}
        waiting = new | set(outgoing.cancels) | {old for old, _ in outgoing.replaces}
        if not self._stream.is_up:
            self._never_sent(outgoing.cancels, new, [old for old, _ in outgoing.replaces])
            return
        self._unanswered[request.request_id] = waiting
        try:
            await self._stream.write(request)
        except StreamDownError:
            self._give_up(request.request_id, "stream_lost")

    def _never_sent(self, cancels: Sequence[str], new: set[str], replaced: Sequence[str]) -> None:
        """The stream is down and nothing was written: placements provably never left, cancels are due."""

        def change(batch: Batch) -> None:
            for cloid in new:
                batch.learn(cloid, ev.NotSent("gateway_down"))
            for cloid in replaced:
                batch.learn(cloid, ev.CancelReverted("modify not sent: gateway_down"))
            for cloid in cancels:
                batch.learn(cloid, ev.CancelDue())

        self._writer.post(change)

    def _receive(self, message: gateway_pb2.ExecuteResponse) -> None:
        match message.WhichOneof("event"):
            case "sent":
                self._writer.post(lambda batch: ingest.sent(batch, message.sent))
            case "outcomes":
                waiting = self._unanswered.get(message.request_id)
                if waiting is not None:
                    waiting.difference_update(item.cloid for item in message.outcomes.items)
                now_ms = self._clock.monotonic_ns() // 1_000_000
                self._writer.post(lambda batch: ingest.outcomes(batch, message.outcomes, now_ms))
            case "done":
                self._give_up(message.request_id, "no_outcome")
            case _:
                pass

    def _give_up(self, request_id: int, reason: str) -> None:
        waiting = frozenset(self._unanswered.pop(request_id, ()))
        if waiting:
            self._writer.post(lambda batch: ingest.losses(batch, waiting, reason))

    def _up(self) -> None:
        self._writer.hold(HELD_GATEWAY, False)

    def _lost(self, reason: str) -> None:
        self._writer.hold(HELD_GATEWAY, True)
        for request_id in tuple(self._unanswered):
            self._give_up(request_id, f"stream_lost: {reason}")
