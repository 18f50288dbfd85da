"""Waiting for conditions that can only be polled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

_POLL_S = 0.05

HANG_S: Final = 30.0
"""Bound on what comes at once in a healthy service: it only ends a hang, and says nothing about speed."""


async def until(
    what: str,
    probe: Callable[[], Awaitable[Found | None]],
    *,
    within_s: float = HANG_S,
    ignoring: type[Exception] | None = None,
) -> Found:
    """Ask until the probe answers something true; `ignoring` is an error that means "not yet"."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        try:
            found = await probe()
        except Exception as error:
            if ignoring is None or not isinstance(error, ignoring):
                raise
            found = None
        if found:
            return found
        assert loop.time() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(_POLL_S)
