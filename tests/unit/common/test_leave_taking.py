"""Staying for those who need a service that was told to stop."""

from __future__ import annotations

import asyncio

from perpmaker.common.leave_taking import stay
from perpmaker.common.service import Runtime


async def test_nobody_is_waited_for_who_needs_nothing() -> None:
    asked: list[float] = []

    def is_needed(waited_s: float) -> bool:
        asked.append(waited_s)
        return False

    await stay(Runtime("test"), is_needed, limit_s=60)
    assert len(asked) == 1


async def test_who_is_needed_stays_until_it_is_not() -> None:
    answers = iter((True, True, False))
    await stay(Runtime("test"), lambda _waited_s: next(answers), limit_s=60)
    assert next(answers, None) is None


async def test_nobody_is_waited_for_beyond_the_limit() -> None:
    waits: list[float] = []

    def is_needed(waited_s: float) -> bool:
        waits.append(waited_s)
        return True

    await stay(Runtime("test"), is_needed, limit_s=0.1)
    assert len(waits) >= 2
    assert waits == sorted(waits)


async def test_a_service_in_which_something_broke_does_not_stay() -> None:
    runtime = Runtime("test")

    async def fail() -> None:
        raise RuntimeError("broken")

    broken = asyncio.Event()

    def is_needed(_waited_s: float) -> bool:
        if not broken.is_set():
            broken.set()
            runtime.spawn(fail(), name="failing")
        return True

    async with asyncio.timeout(30):
        await stay(runtime, is_needed, limit_s=600)
    assert runtime.has_failed


async def test_a_service_that_was_told_to_stop_is_not_ready_again() -> None:
    runtime = Runtime("test")
    await runtime.set_ready(True)
    assert runtime.is_ready
    runtime.stopping.set()
    await runtime.set_ready(False, "stopping")
    await runtime.set_ready(True)
    assert not runtime.is_ready
