"""Findings into one verdict: the worst of each kind, so that adding a finding never makes it milder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perpmaker.risk.finding import Action, Finding, Severity
from perpmaker.risk.shares import ONE_PPM


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings together demand. `reasons` names each restriction once, in the order found."""

    severity: Severity = Severity.NONE
    action: Action = Action.NONE
    size_factor_ppm: int = ONE_PPM
    spread_factor_ppm: int = ONE_PPM
    reasons: tuple[str, ...] = ()
    kill_reasons: tuple[str, ...] = ()

    @property
    def reduce_only(self) -> bool:
        """Nothing may add to the position."""
        return self.action >= Action.REDUCE_ONLY

    @property
    def hold(self) -> bool:
        """Nothing may be quoted."""
        return self.action >= Action.HOLD

    @property
    def pull(self) -> bool:
        """The book is to be emptied."""
        return self.action >= Action.PULL

    @property
    def kill(self) -> bool:
        """The latch is to be set."""
        return self.action >= Action.KILL


def aggregate(findings: Iterable[Finding]) -> Verdict:
    """Highest severity and action, largest spread factor, smallest size factor, all reasons."""
    found = tuple(findings)
    return Verdict(
        severity=max((f.severity for f in found), default=Severity.NONE),
        action=max((f.action for f in found), default=Action.NONE),
        size_factor_ppm=min((f.size_factor_ppm for f in found), default=ONE_PPM),
        spread_factor_ppm=max((f.spread_factor_ppm for f in found), default=ONE_PPM),
        reasons=tuple(dict.fromkeys(f.reason for f in found if f.restricts)),
        kill_reasons=tuple(dict.fromkeys(f.reason for f in found if f.action is Action.KILL)),
    )
