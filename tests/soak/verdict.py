"""What a soak has shown, promise by promise. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.soak.owner import AGENTS
from tests.soak.soak import Minute, Soak
from tests.support.venue import key_of

WARM_UP_MINUTES: Final = 5
_MOST_GROWTH: Final = 0.05
_MORE_TASKS: Final = 40
_MORE_DESCRIPTORS: Final = 20
_MORE_OBJECTS: Final = 200

PROMISES: Final = (
    "nothing is lost without a gap",
    "nothing is invented",
    "books are those of the exchange",
    "outcomes are true",
    "no live order is forgotten",
    "cancels are never refused here",
    "the dead man's switch is set as told",
    "both sides agree at the end",
    "no error is logged",
    "no exception is unhandled",
)

_BUSY: Final = (
    "once orderUpdates",
    "once userFills",
    "once trades",
    "compared bbo",
    "compared l2Book",
    "switch armed",
    *(f"signer {key_of(number).address.lower()}" for number in AGENTS),
    "outcome place resting",
    "outcome modify resting",
    "outcome cancel cancelled",
)
"""What must have happened for anything to have been shown."""


@dataclass(frozen=True)
class Row:
    """One promise."""

    promise: str
    is_kept: bool
    figure: str


def verdict(done: Soak) -> list[Row]:
    """Every promise that a soak of its length can show."""
    rows = [Row(p, not done.findings.violated[p], _times(done.findings.violated[p])) for p in PROMISES]
    missing = [name for name in _BUSY if not done.findings.counts[name]]
    rows.append(Row("the market is busy", not missing, f"without: {', '.join(missing)}" if missing else "all seen"))
    rows.extend(_resources(done.minutes))
    return rows


def _times(violations: int) -> str:
    return f"{violations} violations" if violations else "kept"


def _resources(minutes: Sequence[Minute]) -> Iterator[Row]:
    if len(minutes) < 2 * WARM_UP_MINUTES:
        return
    warm, later = minutes[:WARM_UP_MINUTES], minutes[WARM_UP_MINUTES:]
    begin, end = warm[-1].vitals, minutes[-1].vitals
    grown_by = end.rss_bytes / begin.rss_bytes - 1
    yield Row(
        f"memory grows by at most {_MOST_GROWTH:.0%}",
        end.rss_bytes <= begin.rss_bytes * (1 + _MOST_GROWTH),
        f"{grown_by:+.1%}, from {begin.rss_bytes / 2**20:.1f} to {end.rss_bytes / 2**20:.1f} MiB",
    )
    yield _bounded("tasks are bounded", warm, later, lambda minute: minute.vitals.tasks, _MORE_TASKS)
    yield _bounded("descriptors are bounded", warm, later, lambda minute: minute.vitals.descriptors, _MORE_DESCRIPTORS)
    grown = {
        name: number - before
        for name, number in end.gateway_objects.items()
        if number - (before := max(minute.vitals.gateway_objects[name] for minute in warm)) > _MORE_OBJECTS
    }
    figure = str(grown) if grown else f"{end.gateway_objects.total()} at the end"
    yield Row("objects of the gateway are bounded", not grown, figure)


def _bounded(
    promise: str, warm: Sequence[Minute], later: Sequence[Minute], of: Callable[[Minute], int], more: int
) -> Row:
    before, after = max(map(of, warm)), max(map(of, later))
    return Row(promise, after <= before + more, f"at most {before} at first, {after} later")
