"""Time that passes only while nothing can happen, on real sockets.

Under `run_virtually` the event loop's clock stands still while anything is ready, a socket or a callback, and jumps to
the next timer as soon as nothing is; while a thread is at work it passes as it does outside. A client and a server
in one such loop talk over the loopback device in no time, and wait for each other for hours in a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from looptime import LoopTimeEventLoop

Result = TypeVar("Result")

_IDLE_LOOKS: Final = 2
"""How often nothing must be ready before time jumps: what was sent over loopback can be read at once, save on a machine
so busy that the kernel puts it off."""


class VirtualLoop(LoopTimeEventLoop, asyncio.SelectorEventLoop):
    """An event loop whose time jumps."""

    def __init__(self) -> None:
        super().__init__(start=0.0, noop_cycles=_IDLE_LOOKS)


class VirtualClock:
    """The running loop's time for whoever takes a `Clock`."""

    def __init__(self, start_ms: int) -> None:
        """`start_ms` is what the wall clock shows at the loop's time 0, milliseconds since the Unix epoch."""
        self._start_ms = start_ms
        self._loop = asyncio.get_running_loop()

    def now_ms(self) -> int:
        """See Clock."""
        return self._start_ms + self.monotonic_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """See Clock."""
        return self._loop.time()

    def monotonic_ns(self) -> int:
        """See Clock."""
        return round(self._loop.time() * 1_000_000) * 1_000


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
