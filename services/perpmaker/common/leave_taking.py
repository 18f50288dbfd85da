"""Ending together: a service that is told to stop stays for those who are told so at the same moment and need it.

When a node is drained or a namespace deleted, all services of an account get SIGTERM at once, and quoters empty their
books through order-state and gateway. So each tells the next one, on the stream that carries its plans, that it is
leaving, and closes the stream when its orders are gone; the next one stays until then. That makes the order quoters,
order-state and risk, gateway.

A service that stops alone must not wait for peers that stay: their word never comes. Whoever has orders in the book
therefore waits for it no longer than `TOGETHER_S`; whoever has none, not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from perpmaker.common import logs
from perpmaker.common.service import Runtime

TOGETHER_S: Final = 1.5
"""SIGTERMs this close together belong to one stop. Every restart of a single service with orders in the book lasts
longer by as much."""

_LOOK_EVERY_S: Final = 0.05

_log = logs.get(__name__)


async def stay(runtime: Runtime, is_needed: Callable[[float], bool], limit_s: float) -> None:
    """Wait until nobody needs this service; `is_needed` is asked with the seconds waited so far.

    For `limit_s` at most, and not at all when the service ends because something in it broke: its successor does
    better.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not runtime.has_failed and is_needed(loop.time() - began_s):
        if loop.time() - began_s >= limit_s:
            _log.warning("service.still_needed", after_s=limit_s)
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    waited_s = loop.time() - began_s
    if waited_s >= _LOOK_EVERY_S:
        _log.info("service.stayed", for_s=round(waited_s, 2))
