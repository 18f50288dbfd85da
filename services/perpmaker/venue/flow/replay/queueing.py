"""Where in a recorded queue an order of ours stands.

A recording shows sizes of levels, not their orders, so a cancellation could have been ahead of us or behind.
Assumptions, in the manner of hftbacktest's probability queue models:

- We join at the end: everything the level shows is ahead.
- A trade at our price takes from the front.
- What a level loses beyond its trades was cancelled. The share that was behind us is `f(back) / (f(back) + f(front))`,
  where front and back are the sizes ahead and behind. `f` is a power (`x ** n`, a larger n places cancellations where
  there is more) or a logarithm (`log(1 + x)`).
- What a level gains joins behind us. So what is ahead never grows.

They break where the real queue is pro rata, where many cancel at the front at once (they saw the trade coming), and
where our own order would have made others leave: all make real fills rarer or worse than these.

Source: hftbacktest documentation, "Order Fill" (ProbQueueModel, LogProbQueueFunc, PowerProbQueueFunc).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

_USUAL_POWER = 2.0


class QueueModel(Protocol):
    """Answers one question about a cancellation."""

    def share_behind(self, front: float, back: float) -> float:
        """Which share of it, 0 to 1, was behind an order with these sizes (in units of the coin) around it."""


@dataclass(frozen=True, slots=True)
class PowerQueue:
    """`f(x) = x ** n`; n of 1 spreads cancellations evenly over the queue, larger n favours the longer part."""

    n: float = _USUAL_POWER

    def share_behind(self, front: float, back: float) -> float:
        weighed = back**self.n + front**self.n
        return back**self.n / weighed if weighed else 1.0


@dataclass(frozen=True, slots=True)
class LogQueue:
    """`f(x) = log(1 + x)`: between even and blind to the sizes."""

    def share_behind(self, front: float, back: float) -> float:
        weighed = math.log1p(back) + math.log1p(front)
        return math.log1p(back) / weighed if weighed else 1.0


def queue_model(text: str) -> QueueModel:
    """`log`, or `power` with its exponent as in `power:3`. Raises `ValueError`."""
    name, _, parameter = text.partition(":")
    if name == "log" and not parameter:
        return LogQueue()
    if name == "power":
        n = float(parameter) if parameter else _USUAL_POWER
        if not 0 < n <= 20:
            raise ValueError(f"the exponent of a power queue is above 0 and at most 20, not {parameter}")
        return PowerQueue(n)
    raise ValueError(f"unknown queue model {text!r}; there are log and power:N")


@dataclass(frozen=True, slots=True)
class Queued:
    """One order in a queue: recorded, or one that came to the venue."""

    sz_e8: int
    is_recorded: bool


def cancelled(queue: list[Queued], lost_e8: int, lot_e8: int, model: QueueModel) -> list[int]:
    """How much of a loss each place of a queue bears, front first; only recorded ones do.

    Each of our orders splits what is left of the loss between ahead and behind. Raises `ValueError` when the queue
    has not that much to lose.
    """
    first = sum(1 for _ in takewhile(lambda place: place.is_recorded, queue))
    ahead, rest = queue[:first], queue[first + 1 :]
    front, back = (sum(place.sz_e8 for place in part if place.is_recorded) for part in (ahead, rest))
    if lost_e8 > front + back:
        raise ValueError(f"{lost_e8} cannot be lost by a queue of {front + back}")
    if first == len(queue):
        return _from_the_end(ahead, lost_e8)
    share = model.share_behind(front / 1e8, back / 1e8)
    behind = round(lost_e8 * share) // lot_e8 * lot_e8
    behind = max(lost_e8 - front, min(behind, back, lost_e8))
    return [*_from_the_end(ahead, lost_e8 - behind), 0, *cancelled(rest, behind, lot_e8, model)]


def _from_the_end(places: list[Queued], lost_e8: int) -> list[int]:
    cuts = []
    for place in reversed(places):
        cut = min(place.sz_e8, lost_e8)
        lost_e8 -= cut
        cuts.append(cut)
    return cuts[::-1]
