"""Closes the gaps of the account stream: reads again what may have been missed, until it fits the stream."""

from __future__ import annotations

import asyncio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway.account_hub import AccountHub, Snapshot
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.reads import AccountReads

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 3.0

_log = logs.get(__name__)


async def keep_closed(
    hub: AccountHub, stream: AccountStream, stream_changed: asyncio.Event, reads: AccountReads, clock: Clock
) -> None:
    """Close gaps until cancelled. `stream_changed` is set whenever the stream becomes complete or is lost."""
    pause_s = _FIRST_PAUSE_S
    while True:
        await hub.wanted.wait()
        while not stream.is_complete:
            stream_changed.clear()
            await stream_changed.wait()
        try:
            if await _close(hub, reads, clock):
                pause_s = _FIRST_PAUSE_S
                continue
        except ReadError as error:
            _log.warning("gap.read_failed", read=error.kind, reason=error.reason)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def _close(hub: AccountHub, reads: AccountReads, clock: Clock) -> bool:
    generation = hub.generation
    open_orders = await reads.open_orders()
    since_ms = hub.fills_needed_since_ms()
    fills = await reads.fills(since_ms)
    account = await reads.account()
    closed = hub.close_gap(generation, Snapshot(open_orders, fills, account, since_ms), clock.monotonic_ns())
    if closed:
        _log.info("gap.closed", fills=len(fills), open_orders=len(open_orders.orders))
    return closed
