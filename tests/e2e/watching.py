"""Looking at the exchange again and again while something happens: what held throughout, and what did not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from tests.e2e.api import Refused
from tests.e2e.house import House
from tests.e2e.pod_venue import Resting

from perpmaker.common.cloid import decode

EVERY_S: Final = 0.1
REPLACED_S: Final = 3.0
"""A quoter that is replaced leaves its book empty for longer than this: its successor has to start first."""
UNDISTURBED_S: Final = 5.0
"""Longest time in which a maker that nothing happened to may not be seen on both sides.

Replacing its orders takes one of them away for a moment; the rest is room for a machine that does much else.
"""

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Look:
    """Every order of the account at one moment."""

    at_s: float
    orders: list[dict[str, Any]]

    def resting(self, market: str) -> Resting:
        """How many orders rest on each side of a market."""
        sides = [order["side"] for order in self.orders if order["coin"] == market]
        return Resting(bids=sides.count("B"), asks=sides.count("A"))

    def epochs(self, market: str) -> set[int]:
        """Sessions whose orders rest in a market."""
        found = (decode(order.get("cloid") or "") for order in self.orders if order["coin"] == market)
        return {cloid.epoch for cloid in found if cloid is not None}


@dataclass(slots=True)
class Watched:
    """What the exchange showed since the watch began."""

    house: House
    address: str
    looks: list[Look] = field(default_factory=list)

    async def look(self) -> None:
        """Ask once. Raises OSError."""
        asked_s = time.monotonic()
        self.looks.append(Look(asked_s, await self.house.venue.open_orders(self.address)))

    def longest_gap_s(self, maker: str, since_s: float = 0.0) -> float:
        """Longest time in which no look showed orders of the maker on both sides."""
        looks = [look for look in self.looks if look.at_s >= since_s]
        longest_s, last_s = 0.0, looks[0].at_s
        for look in looks:
            if look.resting(maker.upper()).is_two_sided:
                longest_s, last_s = max(longest_s, look.at_s - last_s), look.at_s
        return max(longest_s, looks[-1].at_s - last_s)

    def longest_empty_s(self, *makers: str) -> float:
        """Longest time in which every look showed no order of any of the makers."""
        longest_s, began_s = 0.0, None
        for look in self.looks:
            if not all(look.resting(maker.upper()).is_empty for maker in makers):
                began_s = None
                continue
            began_s = look.at_s if began_s is None else began_s
            longest_s = max(longest_s, look.at_s - began_s)
        return longest_s

    def sessions(self, maker: str) -> Iterator[set[int]]:
        """Sessions that had orders in the book at each look that showed any."""
        for look in self.looks:
            if epochs := look.epochs(maker.upper()):
                yield epochs


@asynccontextmanager
async def watched(house: House, address: str | None = None) -> AsyncIterator[Watched]:
    """Look at the exchange for as long as the block lasts. A venue that does not answer is a look that is missing.

    The API server is asked for the account's address unless it is given.
    """
    seen = Watched(house, address or await house.address())
    await seen.look()

    async def go_on() -> None:
        while True:
            with contextlib.suppress(OSError):
                await seen.look()
            await passed(EVERY_S)

    task = asyncio.create_task(go_on())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])
    await seen.look()


async def holds(what: str, probe: Probe, for_s: float) -> None:
    """Ask for as long as said; every answer has to be true. Who cannot be asked does not count as an answer."""
    until_s, answers = time.monotonic() + for_s, 0
    while time.monotonic() < until_s or not answers:
        with contextlib.suppress(OSError, aiohttp.ClientError, Refused):
            assert await probe(), f"no longer, after {for_s - (until_s - time.monotonic()):.1f} s: {what}"
            answers += 1
        await passed(EVERY_S)


async def passed(for_s: float) -> None:
    """Let time go by in which nothing is waited for: something is watched, or asked again after it."""
    await asyncio.sleep(for_s)
