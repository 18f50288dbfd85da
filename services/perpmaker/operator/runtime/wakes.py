"""Wake-ups: a flag per object, so that any number of requests before the next look is one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from perpmaker.operator.interfaces import Ref
from perpmaker.operator.metrics import WAKEUPS


class Wakes:
    """Implements `Waker` for the objects that have a worker; a request for another is counted and forgotten."""

    def __init__(self) -> None:
        self._flags: dict[Ref, list[asyncio.Event]] = {}

    def wake(self, ref: Ref, source: str) -> None:
        """Reconcile the object soon."""
        WAKEUPS.labels(source).inc()
        for flag in self._flags.get(ref, ()):
            flag.set()

    def wake_all(self, source: str) -> None:
        """Reconcile every object soon."""
        for ref in tuple(self._flags):
            self.wake(ref, source)

    @contextlib.contextmanager
    def listening(self, ref: Ref) -> Iterator[asyncio.Event]:
        """The flag of a worker for as long as it works.

        A list, because the worker of a deleted object may still be leaving when its namesake's arrives.
        """
        flag = asyncio.Event()
        self._flags.setdefault(ref, []).append(flag)
        try:
            yield flag
        finally:
            flags = self._flags[ref]
            flags.remove(flag)
            if not flags:
                del self._flags[ref]
