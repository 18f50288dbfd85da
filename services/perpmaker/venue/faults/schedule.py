"""When faults are thrown: a schedule from a YAML file, or one drawn from a seed without end.

A schedule is a list of entries. Times are venue milliseconds since the schedule began:

    seed: 7                      # of the entries' probabilities; default 0
    faults:
      - at_ms: 10_000            # first time; default 0
        every_ms: 30_000         # again and again; default once
        until_ms: 600_000        # last time; default never
        probability: 0.5         # chance of each time; default 1
        for_ms: 2_000            # how long the switch stays armed; default as the switch says
        do: {op: freeze, channel: ws_user}

`do` is any switch or any operation that needs no answer (see `perpmaker venue faults`).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated, Any, Protocol

import msgspec
import yaml
from msgspec import Meta

RANDOM_PREFIX = "random:"
_MEAN_GAP_MS = 10_000


class BadScheduleError(ValueError):
    """The schedule cannot be used; the text says where and why."""


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One fault, once or repeated. Times are venue milliseconds since the schedule began."""

    do: dict[str, Any]
    at_ms: Annotated[int, Meta(ge=0)] = 0
    every_ms: Annotated[int, Meta(ge=1)] | None = None
    until_ms: Annotated[int, Meta(ge=0)] | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    for_ms: Annotated[int, Meta(ge=1)] | None = None

    @property
    def operation(self) -> dict[str, Any]:
        """The body for the control port."""
        return self.do if self.for_ms is None else self.do | {"for_ms": self.for_ms}


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A whole schedule."""

    faults: tuple[Entry, ...]
    seed: int = 0


class Schedule(Protocol):
    """Something that says which operations are due."""

    def due(self, elapsed_ms: int) -> list[dict[str, Any]]:
        """Operations whose time has come since the last call, in order."""


def read_plan(text: str) -> Plan:
    """A plan from YAML. Raises `BadScheduleError`."""
    try:
        return plan_of(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise BadScheduleError(f"not YAML: {error}") from None


def plan_of(value: Any) -> Plan:
    """A plan from plain values. Raises `BadScheduleError`."""
    try:
        return msgspec.convert(value, Plan)
    except msgspec.ValidationError as error:
        raise BadScheduleError(str(error)) from None


@dataclass(slots=True)
class PlannedSchedule:
    """A plan being carried out."""

    plan: Plan
    _times: list[tuple[int, int]] = field(init=False)
    _rng: Random = field(init=False)

    def __post_init__(self) -> None:
        self._times = [(entry.at_ms, index) for index, entry in enumerate(self.plan.faults)]
        heapq.heapify(self._times)
        self._rng = Random(f"{self.plan.seed}/schedule")

    def due(self, elapsed_ms: int) -> list[dict[str, Any]]:
        found = []
        while self._times and self._times[0][0] <= elapsed_ms:
            at_ms, index = heapq.heappop(self._times)
            entry = self.plan.faults[index]
            if entry.until_ms is not None and at_ms > entry.until_ms:
                continue
            if entry.probability == 1 or self._rng.random() < entry.probability:
                found.append(entry.operation)
            if entry.every_ms is not None:
                heapq.heappush(self._times, (at_ms + entry.every_ms, index))
        return found


@dataclass(slots=True)
class RandomSchedule:
    """Faults without end, on average one in 10 s divided by the intensity, each for half a second to five."""

    seed: int
    intensity: float
    coins: tuple[str, ...]
    _next_ms: int = 0
    _rng: Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = Random(f"{self.seed}/random-schedule")
        self._next_ms = self._gap_ms()

    def due(self, elapsed_ms: int) -> list[dict[str, Any]]:
        found = []
        while self._next_ms <= elapsed_ms:
            found.append(self._draw())
            self._next_ms += self._gap_ms()
        return found

    def _gap_ms(self) -> int:
        return max(1, round(self._rng.expovariate(self.intensity / _MEAN_GAP_MS)))

    def _draw(self) -> dict[str, Any]:
        rng = self._rng
        for_ms = rng.randint(500, 5_000)
        few = rng.randint(1, 4)
        share = rng.choice((0.05, 0.2, 0.5))
        stream = rng.choice(("ws_user", "ws_market", "orderUpdates", "userFills", "bbo", "l2Book"))
        door = rng.choice(("ack", "rest_info", "rest_exchange", "ws_post"))
        ms = rng.randint(10, 2_000)
        coin = rng.choice(self.coins)
        used_up = rng.choice(("connections", "subscriptions", "users", "messages", "posts"))
        kinds: tuple[dict[str, Any], ...] = (
            {"op": "drop_after_commit", "n": few, "for_ms": for_ms},
            {"op": "drop_before_commit", "n": few, "for_ms": for_ms},
            {"op": "delay", "channel": rng.choice((stream, door)), "ms": ms, "shape": "uniform", "for_ms": for_ms},
            {"op": "delay_action", "kind": rng.choice(("alo", "cancel", "taking")), "ms": ms, "for_ms": for_ms},
            {"op": "refuse", "kind": rng.choice(("429", "500", "502")), "channel": door, "for_ms": for_ms},
            {"op": "reset", "probability": share, "for_ms": for_ms},
            {"op": "idle_reset", "idle_ms": ms, "for_ms": for_ms},
            {"op": "hang", "ms": for_ms, "channel": door, "n": few, "for_ms": for_ms},
            {"op": "unknown_oid", "probability": share, "for_ms": for_ms},
            {"op": "omit_orders", "probability": share, "for_ms": for_ms},
            {"op": "stale_info", "for_ms": for_ms},
            {"op": "fill_race", "probability": share, "for_ms": for_ms},
            {"op": "drop_messages", "channel": stream, "probability": share, "for_ms": for_ms},
            {"op": "duplicate", "channel": stream, "probability": share, "for_ms": for_ms},
            {"op": "shuffle", "channel": stream, "for_ms": for_ms},
            {"op": "freeze", "channel": stream, "for_ms": for_ms},
            {"op": "garble", "channel": stream, "n": few, "for_ms": for_ms},
            {"op": "half_open", "for_ms": for_ms},
            {"op": "idle_close", "after_ms": ms, "for_ms": for_ms},
            {"op": "crowd", "channel": used_up, "for_ms": for_ms},
            {"op": "mix_books", "for_ms": for_ms},
            {"op": "withhold_pong", "for_ms": for_ms},
            {"op": "slow_consumer", "for_ms": for_ms},
            {"op": "refuse_connect", "for_ms": for_ms},
            {"op": "disconnect", "all": True, "code": rng.choice((1000, 1001, 1006)), "for_ms": ms},
            {"op": "alo_storm", "coin": coin, "for_ms": for_ms},
            {"op": "stall", "for_ms": min(for_ms, 2_000)},
        )
        return rng.choice(kinds)


def parse_random(text: str, coins: tuple[str, ...]) -> RandomSchedule:
    """A schedule from `random:SEED[:INTENSITY]`. Raises `BadScheduleError`."""
    seed, _, intensity = text.removeprefix(RANDOM_PREFIX).partition(":")
    try:
        schedule = RandomSchedule(int(seed), float(intensity or 1.0), coins)
    except (ValueError, ZeroDivisionError):
        raise BadScheduleError(f"{text!r} is not random:SEED or random:SEED:INTENSITY") from None
    if not 0 < schedule.intensity <= 1_000:
        raise BadScheduleError(f"intensity must be above 0 and at most 1000, not {intensity}")
    return schedule


def load_schedule(text: str, coins: tuple[str, ...]) -> Schedule:
    """A schedule from `random:...` or the name of a YAML file. Raises `BadScheduleError`."""
    if text.startswith(RANDOM_PREFIX):
        return parse_random(text, coins)
    try:
        return PlannedSchedule(read_plan(Path(text).read_text()))
    except OSError as error:
        raise BadScheduleError(f"cannot read {text}: {error.strerror}") from None
