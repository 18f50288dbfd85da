"""Plans of several markets that come at nearly the same time leave together, in one action per class.

The first plan after a pause leaves at once; those that come within the next two milliseconds wait for the end of that
time and share actions. Plans of one market leave in the order in which they came and never share one, since a cancel
would overtake the placement it is for. A market whose orders took others down with them leaves alone for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from perpmaker.common import logs
from perpmaker.common.clock import Clock

WINDOW_S = 0.002
APART_S = 60.0
"""How long a market leaves alone after an action that it shared was refused as a whole."""

Plan = TypeVar("Plan")

_log = logs.get(__name__)


class Broker(Generic[Plan]):
    """Collects plans and lets them depart, one batch at a time."""

    def __init__(
        self, depart: Callable[[Sequence[Plan]], Awaitable[None]], clock: Clock, window_s: float = WINDOW_S
    ) -> None:
        """`depart` sends plans of different markets."""
        self._depart = depart
        self._clock = clock
        self._window_s = window_s
        self._waiting: dict[str, Plan] = {}
        self._apart_until_s: dict[str, float] = {}
        self._gathering_until_s = clock.monotonic_s()
        self._turn = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no plan waits."""
        return not self._waiting

    def keep_apart(self, markets: Iterable[str]) -> None:
        """Have these markets leave alone for a while."""
        until_s = self._clock.monotonic_s() + APART_S
        self._apart_until_s |= dict.fromkeys(markets, until_s)

    async def submit(self, market: str, plan: Plan) -> None:
        """Take a plan; returns once it has left, or waits to leave with others."""
        if market in self._waiting or self._is_apart(market):
            await self._flush()
        self._waiting[market] = plan
        wait_s = self._gathering_until_s - self._clock.monotonic_s()
        if wait_s <= 0 or self._is_apart(market):
            await self._flush()
        elif self._timer is None:
            self._timer = asyncio.create_task(self._flush_after(wait_s), name="broker")
            self._timer.add_done_callback(_tell_failure)

    def take(self) -> list[Plan]:
        """What still waits; it will not leave any more."""
        plans = list(self._waiting.values())
        self._waiting = {}
        return plans

    def _is_apart(self, market: str) -> bool:
        return self._clock.monotonic_s() < self._apart_until_s.get(market, 0.0)

    async def _flush_after(self, wait_s: float) -> None:
        try:
            await asyncio.sleep(wait_s)
        finally:
            self._timer = None
        await self._flush()

    async def _flush(self) -> None:
        async with self._turn:
            plans = self.take()
            if plans:
                self._gathering_until_s = self._clock.monotonic_s() + self._window_s
                await self._depart(plans)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("broker.departure_failed", exc_info=task.exception())
