"""Whether everything that the exchange committed was told: nothing is missing without a word.

A message is due once it was committed. When it is old enough for every delay to be over it must have been heard, or the
gateway must have told of a hole it may have fallen into, or a fault took it off the wire where no client could know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.soak.findings import Findings
from tests.soak.witness import ON_ITS_WAY_MS

GRACE_MS: Final = 60_000
"""A message is judged when it is as old as this."""

Key = tuple[object, ...]


@dataclass
class Hole:
    """A time in which messages may be missing, as the gateway told."""

    opened_ms: int
    closed_ms: int | None = None
    """None while it is open."""

    def may_hold(self, committed_ms: int) -> bool:
        if self.opened_ms > committed_ms + ON_ITS_WAY_MS:
            return False
        return self.closed_ms is None or committed_ms <= self.closed_ms


@dataclass
class Ledger:
    """Messages that are due, by channel, and the holes they may have fallen into."""

    findings: Findings
    now_ms: Callable[[], int]
    excused: Callable[[str, int], bool]
    """Whether a fault may have taken a message of a channel, committed at a time, off the wire."""
    holes: list[Hole] = field(default_factory=list)
    _due: dict[tuple[str, Key], int] = field(default_factory=dict)
    _heard: dict[tuple[str, Key], int] = field(default_factory=dict)

    def committed(self, channel: str, key: Key, time_ms: int) -> None:
        self._due[channel, key] = time_ms

    def heard(self, channel: str, key: Key, exchange_ms: int) -> None:
        now_ms = self.now_ms()
        self.findings.count(f"heard {channel}")
        if self._due.pop((channel, key), None) is not None:
            self._heard[channel, key] = now_ms
            self.findings.count(f"once {channel}")
        elif exchange_ms > now_ms - GRACE_MS and (channel, key) not in self._heard:
            self.findings.violate("nothing is invented", f"{channel} {key} of {exchange_ms}")
        else:
            self.findings.count(f"again {channel}")

    def open_hole(self) -> None:
        self.holes.append(Hole(self.now_ms()))

    def close_holes(self, time_ms: int) -> None:
        """What was committed up to a time has been read again."""
        for hole in self.holes:
            if hole.closed_ms is None:
                hole.closed_ms = time_ms

    def settle(self, *, to_the_end: bool = False) -> None:
        """Judge what has become old."""
        old_ms = self.now_ms() - (0 if to_the_end else GRACE_MS)
        while self._due:
            (channel, key), committed_ms = next(iter(self._due.items()))
            if committed_ms > old_ms:
                break
            del self._due[channel, key]
            self._judge(channel, key, committed_ms)
        while self._heard and next(iter(self._heard.values())) <= old_ms - GRACE_MS:
            del self._heard[next(iter(self._heard))]
        self.holes = [
            hole for hole in self.holes if hole.closed_ms is None or hole.closed_ms > old_ms - 2 * ON_ITS_WAY_MS
        ]

    def _judge(self, channel: str, key: Key, committed_ms: int) -> None:
        holes = [hole for hole in self.holes if hole.may_hold(committed_ms)]
        # The end of a hole brings the fills since its beginning, so that none is missing after it.
        if holes and (channel != "userFills" or any(hole.closed_ms is None for hole in holes)):
            self.findings.count(f"in a hole {channel}")
        elif self.excused(channel, committed_ms):
            self.findings.count(f"taken {channel}")
        else:
            self.findings.violate("nothing is lost without a gap", f"{channel} {key} committed at {committed_ms}")
