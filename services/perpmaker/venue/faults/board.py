"""What is armed now, and whether it strikes.

Every armed switch draws from its own generator, seeded by the venue's seed, its name and its number: what one
switch decides does not depend on the others. Times are venue time.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import msgspec

from perpmaker.venue.faults.switches import AnySwitch, Delay, DelayAction, Switch, covers, name_of

S = TypeVar("S", bound=Switch)
_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True)
class Armed:
    """One switch that was thrown. `left` is None where there is no limit."""

    number: int
    switch: AnySwitch
    until_ms: int | None
    left: int | None
    rng: Random
    strikes: int = 0

    def is_over(self, now_ms: int) -> bool:
        return self.left == 0 or (self.until_ms is not None and now_ms >= self.until_ms)

    def shown(self) -> dict[str, Any]:
        """As JSON: the switch, when it ends and how often it struck."""
        counts = {"number": self.number, "untilMs": self.until_ms, "left": self.left, "strikes": self.strikes}
        return counts | {"switch": msgspec.to_builtins(self.switch)}


@dataclass(slots=True)
class Board:
    """All armed switches, oldest first."""

    seed: int
    now_ms: int = 0
    armed: list[Armed] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    """How often each kind of switch has struck since the start."""
    _count: int = 0

    def arm(self, switch: AnySwitch) -> Armed:
        """Throw a switch. A delay replaces the one of the same channel and account."""
        if isinstance(switch, Delay):
            self.armed = [a for a in self.armed if not _is_same_delay(a.switch, switch)]
        self._count += 1
        until_ms = None if switch.for_ms is None else self.now_ms + switch.for_ms
        rng = Random(f"{self.seed}/{name_of(type(switch))}/{self._count}")
        armed = Armed(self._count, switch, until_ms, switch.n, rng)
        if not (isinstance(switch, Delay) and switch.ms == 0):
            self.armed.append(armed)
        return armed

    def clear(self, name: str | None = None, number: int | None = None) -> int:
        """Disarm by name, by number, or all. Returns how many."""
        kept = [
            a
            for a in self.armed
            if (name is not None and name_of(type(a.switch)) != name) or (number is not None and a.number != number)
        ]
        cleared = len(self.armed) - len(kept)
        self.armed = kept
        return cleared

    def move_to(self, now_ms: int) -> None:
        """Let venue time pass; switches whose time is over are gone."""
        self.now_ms = max(self.now_ms, now_ms)
        if self.armed:
            self.armed = [a for a in self.armed if not a.is_over(self.now_ms)]

    def strike(self, kind: type[S], channel: str = "", addresses: Set[str] = _NOBODY) -> S | None:
        """The oldest switch of this kind that acts on this opportunity, if any. Counts."""
        for armed, switch in self._that_fit(kind, channel, addresses):
            if switch.probability < 1 and armed.rng.random() >= switch.probability:
                continue
            self._count_strike(armed)
            if armed.left is not None:
                armed.left -= 1
                if not armed.left:
                    self.armed.remove(armed)
            return switch
        return None

    def holding(self, kind: type[S], channel: str = "", addresses: Set[str] = _NOBODY) -> S | None:
        """The oldest switch of this kind that is armed for this, without counting or drawing."""
        return next((switch for _, switch in self._that_fit(kind, channel, addresses)), None)

    def draw(self, switch: Switch) -> Random:
        """The generator of an armed switch. Raises `KeyError` when it is not armed."""
        for armed in self.armed:
            if armed.switch is switch:
                return armed.rng
        raise KeyError(name_of(type(switch)))

    def delay_ms(self, channel: str, addresses: Set[str] = _NOBODY) -> int:
        """How long this message or answer is to be held back: the longest of what applies."""
        longest = 0
        for armed, switch in self._that_fit(Delay, channel, addresses):
            if switch.probability == 1 or armed.rng.random() < switch.probability:
                self._count_strike(armed)
                longest = max(longest, drawn_ms(switch, armed.rng))
        return longest

    def action_delay_ms(self, kind: str, addresses: Set[str]) -> int:
        """How much later an action of this kind is to reach its block."""
        longest = 0
        for armed, switch in self._that_fit(DelayAction, "", addresses):
            if switch.kind == kind and (switch.probability == 1 or armed.rng.random() < switch.probability):
                self._count_strike(armed)
                longest = max(longest, drawn_ms(switch, armed.rng))
        return longest

    def _count_strike(self, armed: Armed) -> None:
        armed.strikes += 1
        name = name_of(type(armed.switch))
        self.struck[name] = self.struck.get(name, 0) + 1

    def _that_fit(self, kind: type[S], channel: str, addresses: Set[str]) -> list[tuple[Armed, S]]:
        return [
            (a, a.switch)
            for a in self.armed
            if isinstance(a.switch, kind)
            and (a.switch.address is None or a.switch.address in addresses)
            and covers(getattr(a.switch, "channel", None), channel)
        ]


def drawn_ms(switch: Delay | DelayAction, rng: Random) -> int:
    """One sample of a delay, in ms."""
    if switch.shape == "fixed":
        return switch.ms
    if switch.shape == "uniform":
        return rng.randint(0, switch.ms)
    return min(round(rng.expovariate(1 / switch.ms)), 10 * switch.ms)


def _is_same_delay(old: AnySwitch, new: Delay) -> bool:
    return isinstance(old, Delay) and (old.channel, old.address) == (new.channel, new.address)
