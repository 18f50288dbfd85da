"""Figures, their budgets and how they are shown: one table for people, one document for programs."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from perpmaker.common.metrics import Reservoir

WIDTH: Final = 170
_ROUND: Final = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure must keep to: at most, or at least for a rate. `p99` is None where only the median is bounded."""

    p50: float
    p99: float | None = None
    is_least: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    `p50` is the median of a duration, or the only value there is. Of a rate, `p50` is the rate of the whole run and
    `p99` the one that 99 % of its pieces reach. `floor_p50` is the least this machine could do, measured in the same
    run and unit: on a busy machine the ratio to it says more than the figure.
    """

    name: str
    unit: str
    p50: float
    p99: float | None = None
    size_bytes: float | None = None
    samples: int = 0
    budget: Budget | None = None
    floor_p50: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times its floor."""
        return self.p50 / self.floor_p50 if self.floor_p50 else None

    @property
    def verdict(self) -> str:
        """Whether each bound of the budget is kept, or by what factor it is missed; empty without a budget."""
        budget = self.budget
        if budget is None:
            return ""
        pairs = ((self.p50, budget.p50), (self.p99, budget.p99))
        return " / ".join(
            _verdict(value, bound, is_least=budget.is_least)
            for value, bound in pairs
            if value is not None and bound is not None
        )


def _verdict(value: float, bound: float, *, is_least: bool) -> str:
    beyond = (bound / value if value else float("inf")) if is_least else value / bound
    return "met" if beyond <= 1 else f"MISSED x{beyond:.1f}"


class Rounds:
    """Samples of work that only computes. Others on the machine spoil whole rounds and leave the rest alone, so the
    p99 is that of the middle round; on a quiet machine it is the p99 of all.
    """

    def __init__(self) -> None:
        self._all = Reservoir()
        self._rounds: list[Reservoir] = []

    @property
    def count(self) -> int:
        """Number of samples."""
        return self._all.count

    def add(self, value: float) -> None:
        """Record one sample."""
        if self.count % _ROUND == 0:
            self._rounds.append(Reservoir(_ROUND))
        self._rounds[-1].add(value)
        self._all.add(value)

    def quantiles(self, wanted: Iterable[float]) -> tuple[float, ...]:
        """See Reservoir; above the median those of the middle round."""
        return tuple(
            self._all.quantiles((q,))[0]
            if q <= 0.5
            else statistics.median(samples.quantiles((q,))[0] for samples in self._rounds)
            for q in wanted
        )


def duration(
    name: str,
    samples: Reservoir | Rounds,
    *,
    size_bytes: float | None = None,
    budget: Budget | None = None,
    floor: Reservoir | Rounds | None = None,
) -> Figure:
    """The line of a duration in microseconds."""
    p50, p99 = samples.quantiles((0.5, 0.99))
    floor_p50 = None if floor is None else floor.quantiles((0.5,))[0]
    return Figure(name, "us", p50, p99, size_bytes, samples.count, budget, floor_p50)


def machine() -> dict[str, str | int]:
    """What measured, and when."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "date": today.isoformat(),
    }


def table(parts: Mapping[str, Sequence[Figure]]) -> Table:
    """All parts in one table."""
    headings = ("p50, or value", "p99", "bytes", "x floor", "samples")
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    drawn.add_column("figure", no_wrap=True)
    drawn.add_column("unit")
    for heading in headings:
        drawn.add_column(heading, justify="right")
    drawn.add_column("budget")
    drawn.add_column("verdict")
    for part, figures in parts.items():
        drawn.add_row(f"[bold]{part}[/]")
        for figure in figures:
            drawn.add_row(*_cells(figure))
    return drawn


def _cells(figure: Figure) -> Iterable[str]:
    yield f"  {figure.name}"
    yield figure.unit
    yield _number(figure.p50)
    yield _number(figure.p99)
    yield _number(figure.size_bytes)
    yield "" if figure.ratio is None else f"{figure.ratio:.1f}"
    yield f"{figure.samples:,}" if figure.samples else ""
    yield _bounds(figure.budget)
    yield figure.verdict


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _bounds(budget: Budget | None) -> str:
    if budget is None:
        return ""
    bounds = [_number(bound).removesuffix(".00") for bound in (budget.p50, budget.p99) if bound is not None]
    return ("at least " if budget.is_least else "at most ") + " / ".join(bounds)


def document(parts: Mapping[str, Sequence[Figure]]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "machine": machine(),
        "figures": [
            {"part": part, **asdict(figure), "ratio": figure.ratio, "verdict": figure.verdict}
            for part, figures in parts.items()
            for figure in figures
        ],
    }
