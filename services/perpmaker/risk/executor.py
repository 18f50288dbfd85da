"""Carries out what was decided: books are emptied and placements disarmed, again and again until it is proven done.

Every market that must be empty has one drain, whatever asked for it (a trip, a close, a pull); it ends when order-state
has verified the emptiness at the exchange and begins anew when orders are seen live afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import grpc
from grpc import aio

from perpmaker.common import logs, rpc
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate

if TYPE_CHECKING:
    # Generated for type checkers only.
    from perpmaker.proto.gateway.v1.gateway_pb2_grpc import ExecutionServiceAsyncStub
    from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceAsyncStub

_FIRST_PAUSE_S: Final = 0.02
_MAX_PAUSE_S: Final = 0.5
_SETTLE_S: Final = 0.5
"""Orders seen live this soon after the proof are older news on a slower stream."""

_log = logs.get(__name__)


@dataclass(slots=True)
class Drain:
    """Emptying of one market."""

    market: str
    drain_id: str
    run: int
    is_served: bool = True
    """False when order-state may have let the market go, which it does only when no order of it is alive."""
    remaining: int = 0
    """Orders in doubt at the last answer."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    done_at_s: float = 0.0

    @property
    def wire_id(self) -> str:
        """Id told to order-state: the drain's own, and one of its own for every run after a proof."""
        return self.drain_id if self.run == 1 else f"{self.drain_id}~{self.run}"


class Executor:
    """Runs drains and keeps the gateway disarmed where a latch is set."""

    def __init__(
        self,
        orders: OrdersServiceAsyncStub,
        execution: ExecutionServiceAsyncStub,
        on_empty: Callable[[str], None],
    ) -> None:
        """`on_empty` is told each market at the moment its emptiness is proven."""
        self._orders = orders
        self._execution = execution
        self._on_empty = on_empty
        self._drains: dict[str, Drain] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def require(self, market: str, drain_id: str | None, open_orders: int, *, is_served: bool = True) -> bool:
        """Bring a market's drain to what is wanted (None: no drain); True when a proof of emptiness was withdrawn.

        Level-triggered: to be called with every evaluation.
        """
        drain = self._drains.get(market)
        if drain_id is None:
            if drain is not None:
                self._cancel("drain", market)
                del self._drains[market]
            return False
        if drain is None or drain.drain_id != drain_id:
            self._start(Drain(market, drain_id, run=1, is_served=is_served))
            return False
        drain.is_served = is_served
        settled = drain.done.is_set() and asyncio.get_running_loop().time() - drain.done_at_s >= _SETTLE_S
        if settled and open_orders:
            self._start(Drain(market, drain_id, run=drain.run + 1))
            return True
        return False

    def prove_again(self, market: str) -> None:
        """Begin a finished drain anew, so that its proof is younger than this call; a running one is joined."""
        drain = self._drains.get(market)
        if drain is not None and drain.done.is_set():
            self._start(Drain(market, drain.drain_id, run=drain.run + 1))

    def is_empty(self, market: str) -> bool:
        """Whether the market is required to be empty and was proven so."""
        drain = self._drains.get(market)
        return drain is not None and drain.done.is_set()

    async def wait_empty(self, markets: Iterable[str], timeout_s: float) -> bool:
        """Wait for the drains of these markets; False when time ran out first or one of them is not required."""
        drains = [self._drains.get(market) for market in markets]
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                for drain in drains:
                    if drain is None:
                        return False
                    await drain.done.wait()
        except TimeoutError:
            return False
        return True

    def remaining(self, market: str) -> int:
        """Orders in doubt when order-state answered last."""
        drain = self._drains.get(market)
        return drain.remaining if drain is not None else 0

    def disarm(self, scope: str, reason: str) -> None:
        """Have the gateway refuse placements of a market, or of all for the empty text."""
        request = gateway.DisarmRequest(market=scope, reason=reason)
        self._insist("arming", scope, lambda: self._execution.Disarm(request, timeout=rpc.CANCEL_DEADLINE_S))

    def arm(self, scope: str) -> None:
        """Have the gateway take placements again."""
        request = gateway.ArmRequest(market=scope)
        self._insist("arming", scope, lambda: self._execution.Arm(request, timeout=rpc.CANCEL_DEADLINE_S))

    async def stop(self) -> None:
        """End all work; what is latched is taken up again after the next start."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, drain: Drain) -> None:
        replaced = self._drains.get(drain.market)
        if replaced is not None and not replaced.done.is_set():
            drain.done = replaced.done  # whoever waits for the one waits for the other
        self._drains[drain.market] = drain
        self._replace("drain", drain.market, asyncio.create_task(self._empty(drain)))

    async def _empty(self, drain: Drain) -> None:
        request = orderstate.CancelAllRequest(market=drain.market, drain_id=drain.wire_id)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = await self._orders.CancelAll(request, timeout=rpc.CANCEL_DEADLINE_S)
            except aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT and not drain.is_served:
                    break
                _log.warning("drain.failed", market=drain.market, drain_id=drain.wire_id, code=error.code().name)
            else:
                drain.remaining = len(answer.remaining)
                if answer.verified_empty:
                    break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)
        drain.remaining = 0
        drain.done_at_s = asyncio.get_running_loop().time()
        drain.done.set()
        _log.info("drain.verified_empty", market=drain.market, drain_id=drain.wire_id)
        self._on_empty(drain.market)

    def _insist(self, kind: str, scope: str, call: Callable[[], Awaitable[object]]) -> None:
        async def until_answered() -> None:
            pause_s = _FIRST_PAUSE_S
            while True:
                try:
                    await call()
                except aio.AioRpcError as error:
                    _log.warning("gateway.arming_failed", market=scope, code=error.code().name)
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _MAX_PAUSE_S)
                else:
                    return

        self._replace(kind, scope, asyncio.create_task(until_answered()))

    def _cancel(self, kind: str, scope: str) -> None:
        task = self._tasks.pop((kind, scope), None)
        if task is not None:
            task.cancel()

    def _replace(self, kind: str, scope: str, task: asyncio.Task[None]) -> None:
        self._cancel(kind, scope)
        self._tasks[kind, scope] = task
