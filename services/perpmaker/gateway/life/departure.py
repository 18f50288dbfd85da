"""How a gateway leaves: placements are refused, the others are served to their end, then the book decides.

Cancels and streams are served until an order-state that ends, too, has left (`leave_taking`), the dead man's switch
being kept up meanwhile. With an empty book the switch is cleared, otherwise it stays armed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from perpmaker.common import leave_taking, logs
from perpmaker.common.service import Runtime
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.life.composition import Composition

_EMPTY_BOOK_DEADLINE_S: Final = 5.0
_STAY_S: Final = 45.0
"""Longer than any order-state takes to end."""

_log = logs.get(__name__)


async def depart(parts: Composition, runtime: Runtime, switch_task: asyncio.Task[None] | None) -> None:
    """Leave in order. `switch_task` keeps the dead man's switch up; None when it was never begun."""
    parts.fence.close()
    if runtime.stopping.is_set():
        await _stay(parts, runtime)
    parts.execution.shut_down()
    if switch_task is not None:
        switch_task.cancel()
    try:
        async with asyncio.timeout(_EMPTY_BOOK_DEADLINE_S):
            await _settle_switch(parts)
    except TimeoutError:
        deadline_ms = parts.switch.last_deadline_ms
        _log.warning("dead_mans_switch.left_armed", deadline_ms=deadline_ms, reason="exchange did not answer")
    await parts.rest.close()


async def _stay(parts: Composition, runtime: Runtime) -> None:
    """Serve whoever takes the orders away. A book without orders, and nothing under way, needs nobody."""
    looks: list[asyncio.Task[bool]] = []

    def is_needed(waited_s: float) -> bool:
        # What was sent before the fence was closed may be in the book a moment from now.
        if not looks and parts.execution.is_idle:
            looks.append(asyncio.create_task(_is_book_empty(parts)))
        is_empty = any(look.done() and look.result() for look in looks)
        return parts.attendance.is_leaving or (waited_s < leave_taking.TOGETHER_S and not is_empty)

    try:
        await leave_taking.stay(runtime, is_needed, _STAY_S)
    finally:
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


async def _is_book_empty(parts: Composition) -> bool:
    try:
        return not (await parts.reads.open_orders()).orders
    except ReadError:
        return False


async def _settle_switch(parts: Composition) -> None:
    """Clear the switch only for a book that is known to be empty. A deadline that has passed leaves a trace, too."""
    deadline_ms = parts.switch.last_deadline_ms
    if not deadline_ms:
        return
    try:
        resting = (await parts.reads.open_orders()).orders
    except ReadError as error:
        _log.warning("dead_mans_switch.left_armed", deadline_ms=deadline_ms, reason=error.reason)
        return
    if resting:
        _log.warning("dead_mans_switch.left_armed", deadline_ms=deadline_ms, open_orders=len(resting))
    else:
        await parts.switch.clear()
