"""Timers that run on venue time, so that real and virtual time are one code path.

What is due is called in order of time, then of arrival: after the block that reaches its time and, when venue time is
the machine's, between blocks as well.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timeline:
    """Pending timers of one venue. `clock_ms` is the machine's clock, or None in virtual time."""

    clock_ms: Callable[[], int] | None = None
    _reached_ms: int = 0
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _wakes_ms: int | None = None

    @property
    def now_ms(self) -> int:
        """Venue time: in virtual time that of the last block."""
        return self._reached_ms if self.clock_ms is None else max(self._reached_ms, self.clock_ms())

    def call_at(self, due_ms: int, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (due_ms, self._count, call))
        if self.clock_ms is not None:
            self._wake_by(due_ms)

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self.call_at(self.now_ms + delay_ms, call)

    async def pause(self, delay_ms: int) -> None:
        """Wait until venue time has moved on by this much."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def resolve() -> None:
            if not reached.done():
                reached.set_result(None)

        self.call_later(delay_ms, resolve)
        await reached

    def move_to(self, now_ms: int) -> None:
        """Reach a time without calling anybody yet."""
        self._reached_ms = max(self._reached_ms, now_ms)

    def call_due(self) -> None:
        """Call everything that is due by now."""
        now_ms = self.now_ms
        while self._due and self._due[0][0] <= now_ms:
            heapq.heappop(self._due)[2]()

    def _wake_by(self, due_ms: int) -> None:
        if self._wakes_ms is not None and self._wakes_ms <= due_ms:
            return
        self._wakes_ms = due_ms
        delay_s = max(due_ms - self.now_ms, 0) / 1000
        asyncio.get_running_loop().call_later(delay_s, self._wake, due_ms)

    def _wake(self, due_ms: int) -> None:
        if self._wakes_ms == due_ms:
            self._wakes_ms = None
        self.call_due()
        if self._due and self.clock_ms is not None:
            self._wake_by(max(self._due[0][0], self.now_ms + 1))
