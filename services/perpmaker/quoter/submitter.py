"""Plans to order-state and its verdicts back, over one long-lived stream.

Guarantees: one plan under way at a time, for at most a second without an answer; every new order counts as
pending from the moment it is sent until order-state names it or refuses it; a verdict that a newer session
exists ends the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from grpc import aio

from perpmaker.common import logs, rpc
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.quoter.metrics import QuoterMetrics
from perpmaker.quoter.plan import Plan
from perpmaker.quoter.sight import Cause, Sight
from perpmaker.quoter.values import LiveOrder, LiveState, TargetLevel
from perpmaker.quoter.wire import submit_request

ANSWER_PATIENCE_NS: Final = 1_000_000_000
_NOT_REPLACEABLE: Final = frozenset((orders.VERDICT_EXPOSURE, orders.VERDICT_FORBIDDEN))

_log = logs.get(__name__)


class Submitter:
    """The session's voice: numbers plans, sends them, follows their verdicts."""

    def __init__(
        self,
        market: str,
        channel: aio.Channel,
        sight: Sight,
        metrics: QuoterMetrics,
        wake: Callable[[], None],
    ) -> None:
        self._market = market
        self._sight = sight
        self._metrics = metrics
        self._wake = wake
        self._epoch = 0
        self._tag = 0
        self._sequence = 0
        self._before_session = 0
        self._waiting_for = 0
        self._sent_ns = 0
        self._replaced: dict[str, str] = {}
        self._refused: set[str] = set()
        self._is_leaving = False
        self.fenced = False
        stub = OrdersServiceStub(channel)
        self._stream: rpc.Duplex[orders.SubmitRequest, orders.SubmitResponse] = rpc.Duplex(
            "orders.submit",
            stub.Submit,
            self._on_verdicts,
            on_up=self._on_up,
            on_lost=self._on_lost,
            connected=lambda: rpc.ready(channel),
            # Order-state cancels what no quoter answers for.
            sign_of_life=self._sign_of_life,
        )

    @property
    def epoch(self) -> int:
        """The session's epoch; 0 before it was acquired."""
        return self._epoch

    @property
    def is_connected(self) -> bool:
        """Whether a plan can be sent: session acquired, stream open."""
        return self._epoch > 0 and self._stream.is_up

    def begin(self, epoch: int, tag: int) -> None:
        """Use a freshly acquired session."""
        self._epoch, self._tag = epoch, tag
        self._before_session = self._sequence
        self.fenced = False
        self._metrics.on_session(epoch)
        self._wake()

    async def run(self) -> None:
        """Keep the stream open until cancelled."""
        await self._stream.run()

    async def leave(self) -> None:
        """Tell order-state that it is needed until the stream ends."""
        self._is_leaving = True
        await self._stream.show_life()

    def is_waiting(self, now_ns: int) -> bool:
        """Whether the last plan's verdicts are outstanding and not overdue."""
        return self._waiting_for > 0 and now_ns - self._sent_ns < ANSWER_PATIENCE_NS

    def refused_replaces(self, live: tuple[LiveOrder, ...]) -> frozenset[str]:
        """Live orders whose replacement was refused because both legs together are too much."""
        if not self._refused:
            return frozenset()
        self._refused &= {order.cloid for order in live}
        return frozenset(self._refused)

    async def send(self, plan: Plan, cause: Cause, now_ns: int) -> bool:
        """Send a plan. Returns False when the stream broke; its orders then stay pending until they are seen or
        too old."""
        self._sequence += 1
        trace = common.Trace(
            market=self._market,
            epoch=self._epoch,
            sequence=self._sequence,
            exchange_time_ms=cause.exchange_time_ms,
            receive_time_ns=cause.receive_time_ns,
        )
        request = submit_request(plan, self._tag, trace)
        self._waiting_for, self._sent_ns = self._sequence, now_ns
        self._replaced = {item.order.cloid: item.old_cloid for item in request.replaces}
        for replacement, wire in zip(plan.replaces, request.replaces, strict=True):
            self._sight.expect(_pending(wire.order.cloid, replacement.target), now_ns)
        for placement, order in zip(plan.places, request.places, strict=True):
            self._sight.expect(_pending(order.cloid, placement.target), now_ns)
        try:
            await self._stream.write(request)
        except rpc.StreamDownError:
            self._waiting_for = 0
            return False
        return True

    def _on_verdicts(self, answer: orders.SubmitResponse) -> None:
        for item in answer.items:
            if item.verdict == orders.VERDICT_ACCEPTED:
                continue
            self._sight.withdraw(item.cloid, is_backoff=item.verdict == orders.VERDICT_BACKOFF)
            self._metrics.on_verdict(orders.Verdict.Name(item.verdict).removeprefix("VERDICT_").lower())
            if item.verdict == orders.VERDICT_FENCED:
                # One that comes late is on a plan of the session before: taken for this one it would end it for good,
                # as its signs of life keep everybody from another one.
                if answer.sequence > self._before_session and not self.fenced:
                    self.fenced = True
                    _log.error("session.fenced", epoch=self._epoch, detail=item.detail)
            elif item.verdict == orders.VERDICT_INVALID:
                _log.error("plan.invalid_item", cloid=item.cloid, detail=item.detail)
            if item.verdict in _NOT_REPLACEABLE and item.cloid in self._replaced:
                self._refused.add(self._replaced[item.cloid])
        if answer.sequence >= self._waiting_for:
            self._waiting_for = 0
        self._wake()

    def _on_up(self) -> None:
        self._wake()

    def _sign_of_life(self) -> orders.SubmitRequest:
        return orders.SubmitRequest(
            trace=common.Trace(market=self._market, epoch=self._epoch),
            presence=common.Presence(leaving=self._is_leaving),
        )

    def _on_lost(self, _reason: str) -> None:
        self._waiting_for = 0
        self._wake()


def _pending(cloid: str, target: TargetLevel) -> LiveOrder:
    return LiveOrder(
        cloid, target.side, target.level, target.px_e8, target.sz_e8, LiveState.PENDING, immediate=target.immediate
    )
