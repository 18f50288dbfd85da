"""The beat of a running venue: time passes, faults begin and end, a block is built, everybody is told.

Real and virtual time are the same beat; only who calls it differs: the machine's clock, or the control port.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.schedule import Schedule
from perpmaker.venue.faults.switches import Stall
from perpmaker.venue.faults.timeline import Timeline
from perpmaker.venue.shell.conductor import Conductor
from perpmaker.venue.shell.pressure import Pressure
from perpmaker.venue.shell.sockets import Sockets

_IDLE_CHECK_MS = 1_000
_LET_CLIENTS_READ = 3
Throw = Callable[[dict[str, Any]], None]


def machine_ms() -> int:
    """The machine's clock, in ms."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Running:
    schedule: Schedule
    since_ms: int


@dataclass(slots=True)
class Clockwork:
    """Moves one venue through time. `throw` runs an operation of a schedule."""

    conductor: Conductor
    board: Board
    timeline: Timeline
    sockets: Sockets
    block_ms: int
    is_virtual: bool
    throw: Throw | None = None
    has_broken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the books no longer add up, or a block cannot be built: no more follow, and `broken` says why."""
    broken: Exception | None = None
    pressure: Pressure = field(init=False)
    _schedules: list[_Running] = field(default_factory=list)
    _idle_checked_ms: int = 0

    def __post_init__(self) -> None:
        self.pressure = Pressure(self.conductor, self.board)

    @property
    def now_ms(self) -> int:
        return self.timeline.now_ms

    def begin(self, now_ms: int) -> None:
        """Build the first block, before anybody is connected."""
        self._move_to(now_ms)
        self.conductor.step(now_ms)

    def add_schedule(self, schedule: Schedule) -> None:
        """Carry out a schedule from now on."""
        self._schedules.append(_Running(schedule, self.now_ms))

    def drop_schedules(self) -> int:
        """Forget all schedules. Returns how many there were."""
        count = len(self._schedules)
        self._schedules.clear()
        return count

    def beat(self, now_ms: int) -> None:
        """One block at this time, and everything around it. What it raises ends the venue."""
        try:
            self._beat(now_ms)
        except Exception as error:
            self.broken = error
            self.has_broken.set()
            raise

    def _beat(self, now_ms: int) -> None:
        self._move_to(now_ms)
        for running in self._schedules:
            for operation in running.schedule.due(now_ms - running.since_ms):
                if self.throw is not None:
                    self.throw(operation)
        if self.board.strike(Stall) is None:
            self.pressure.act()
            self.sockets.publish(self.conductor.step(now_ms))
        self.timeline.call_due()
        if now_ms - self._idle_checked_ms >= _IDLE_CHECK_MS:
            self._idle_checked_ms = now_ms
            self.sockets.drop_idle()

    async def run(self) -> None:
        """Beat with the timeline's clock until cancelled. A late clock skips blocks."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + self.block_ms / 1000, loop.time())
            await asyncio.sleep(due_s - loop.time())
            self.beat(self.now_ms)

    async def advance(self, ms: int) -> int:
        """Let this much virtual time pass in blocks. Returns how many. Clients are served between blocks."""
        end_ms = self.now_ms + ms
        blocks = 0
        while self.now_ms < end_ms:
            self.beat(min(self.now_ms + self.block_ms, end_ms))
            blocks += 1
            for _ in range(_LET_CLIENTS_READ):
                await asyncio.sleep(0)
        return blocks

    def _move_to(self, now_ms: int) -> None:
        self.timeline.move_to(now_ms)
        self.board.move_to(now_ms)
