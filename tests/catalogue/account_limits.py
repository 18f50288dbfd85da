"""What a row about a limit of one account is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.catalogue.sections import Section
from tests.support.venue_core import Bench, bench

from perpmaker.venue.engine.answers import Answer, Ok

Passes = tuple[bool, bool]


@dataclass(frozen=True)
class AccountLimit:
    """`rule` is the product's name of the limit. The script tells whether the last passes, and the first beyond."""

    section: Section
    rule: str
    number: int
    script: Callable[[Bench, int], Passes]
    case: str = ""
    rules: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Run the script on a fresh venue."""
        assert self.script(bench(**self.rules), self.number) == (True, False), self.section


def passes(answer: Answer) -> bool:
    return isinstance(answer, Ok)


def shown_limits(rows: tuple[AccountLimit, ...]) -> set[str]:
    return {row.rule for row in rows}
