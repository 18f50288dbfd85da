"""How long each kind of message takes from a block to whoever waits for it.

The answer to an action, its order updates and its fills leave the exchange by different processes, so any order of
them may be seen. Messages of one channel keep their order. Draws come from the seed, one sequence per channel.
Source: Hyperliquid documentation, "WebSocket", and what clients have measured.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

DEFAULT_LATENCIES = "ack=0-10,orderUpdates=0-30,userFills=0-60,user=0-60,openOrders=0-60,clearinghouseState=0-60"
_PART = re.compile(r"\A(\w+)=([0-9]{1,6})(?:-([0-9]{1,6}))?\Z")


@dataclass(frozen=True, slots=True)
class Range:
    """Least and most, both possible, in milliseconds."""

    least_ms: int
    most_ms: int


def parse_latencies(text: str) -> dict[str, Range]:
    """Read `CHANNEL=LEAST-MOST,...` or `CHANNEL=MS,...`. Raises `ValueError`."""
    found: dict[str, Range] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _PART.match(part)
        if match is None:
            raise ValueError(f"not CHANNEL=LEAST-MOST: {part!r}")
        least = int(match.group(2))
        most = int(match.group(3) or least)
        if most < least:
            raise ValueError(f"the least is more than the most: {part!r}")
        found[match.group(1)] = Range(least, most)
    return found


@dataclass(slots=True)
class Latencies:
    """Draws a delay for each message. Channels without a range are told at once."""

    seed: int = 0
    ranges: dict[str, Range] = field(default_factory=dict)
    _sources: dict[str, random.Random] = field(default_factory=dict)

    def draw_ms(self, channel: str) -> int:
        chosen = self.ranges.get(channel)
        if chosen is None:
            return 0
        source = self._sources.get(channel)
        if source is None:
            source = self._sources[channel] = random.Random(f"{self.seed}/{channel}")
        return source.randint(chosen.least_ms, chosen.most_ms)
