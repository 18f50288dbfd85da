"""A block to a hundred listeners: what they receive, and how long after the block was committed.

Listeners share process and core with the exchange, so their reading counts against it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from tests.bench.recorded import BLOCK_MS
from tests.bench.report import Figure, duration

from perpmaker.common.metrics import Reservoir
from perpmaker.venue.core import Block
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.server import running_venue

_SUBSCRIBERS: Final = 100
_COINS: Final = ("BTC", "ETH", "SOL", "HYPE")
_KINDS: Final = ("bbo", "trades", "l2Book")
_BLOCKS: Final = 150
_HANG_S: Final = 120.0
_TIME: Final = re.compile(rb'"time":(\d+)')
_CONFIRMATION: Final = b'{"channel":"subscriptionResponse"'
_BBO: Final = b'{"channel":"bbo"'


@dataclass(slots=True)
class _Heard:
    """What all listeners have received, and when which block was committed."""

    confirmed: int = 0
    everybody_listens: asyncio.Event = field(default_factory=asyncio.Event)
    committed_ns: dict[int, int] = field(default_factory=dict)
    blocks_left: int = _BLOCKS
    all_blocks: asyncio.Event = field(default_factory=asyncio.Event)
    delay_us: Reservoir = field(default_factory=Reservoir)
    messages: int = 0
    size_bytes: int = 0

    def commit(self, block: Block) -> None:
        """A block is there, and its listeners are told after this."""
        if not self.everybody_listens.is_set():
            return
        self.committed_ns[block.time_ms] = time.perf_counter_ns()
        self.blocks_left -= 1
        if self.blocks_left <= 0:
            self.all_blocks.set()

    def read(self, frame: bytes) -> None:
        """One listener has read a frame."""
        if frame.startswith(_CONFIRMATION):
            self.confirmed += 1
            if self.confirmed == _SUBSCRIBERS * len(_COINS) * len(_KINDS):
                self.everybody_listens.set()
        if not self.committed_ns:
            return
        self.messages += 1
        self.size_bytes += len(frame)
        # The time of a best price is that of its block.
        if frame.startswith(_BBO) and (match := _TIME.search(frame)):
            at_ns = self.committed_ns.get(int(match.group(1)))
            if at_ns is not None:
                self.delay_us.add((time.perf_counter_ns() - at_ns) / 1_000)


async def figures() -> Sequence[Figure]:
    """Real time, until so many blocks have been told to everybody."""
    heard = _Heard()
    options = VenueOptions(markets=_COINS, market="calibrated", limits="off", latencies="", block_ms=BLOCK_MS)
    async with running_venue(options) as running, aiohttp.ClientSession() as session, asyncio.timeout(_HANG_S):
        running.venue.on_block = heard.commit
        readers = [asyncio.create_task(_listen(session, running.ws_url, heard)) for _ in range(_SUBSCRIBERS)]
        await heard.everybody_listens.wait()
        began_s, cpu_s = time.perf_counter(), time.process_time()
        await heard.all_blocks.wait()
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    size_bytes = heard.size_bytes / heard.messages
    listeners = f"{_SUBSCRIBERS} listeners"
    return [
        Figure(f"{listeners}, as the market brings them", "messages/s", heard.messages / took_s, size_bytes=size_bytes),
        Figure("  the same in bytes", "bytes/s", heard.size_bytes / took_s),
        Figure("  with this core busy, both ends on it", "messages/CPU s", heard.messages / cpu_s),
        duration("  block committed to message read", heard.delay_us),
    ]


async def _listen(session: aiohttp.ClientSession, url: str, heard: _Heard) -> None:
    async with session.ws_connect(url) as socket:
        for kind in _KINDS:
            for coin in _COINS:
                await socket.send_json({"method": "subscribe", "subscription": {"type": kind, "coin": coin}})
        async for message in socket:
            heard.read(message.data.encode())
