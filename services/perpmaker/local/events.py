"""What happens during a run, as values: every reporter (view, plain lines, JSON lines) is told the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from perpmaker.common.decimals import format_e8


class Severity(StrEnum):
    """How much attention an event deserves."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Started:
    """A process was started for the first time."""

    service: str
    pid: int
    log: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A service may take part in trading (store and exchange: answers)."""

    service: str
    after_s: float
    """Since its process was started."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Where it is reached, when that is of use to somebody."""


@dataclass(frozen=True, slots=True)
class Exited:
    """A process ended that should not have."""

    service: str
    code: int
    """Exit code; negative for a signal."""
    reason: str
    """Last error in its log."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """A dead process was started again."""

    service: str
    pid: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Quoting:
    """Every quoter is ready; the time asked for counts from here."""

    after_s: float
    """Since the run began."""


@dataclass(frozen=True, slots=True)
class Filled:
    """An execution entered the ledger."""

    market: str
    is_buy: bool
    px_e8: int
    sz_e8: int
    fee_quote_e8: int
    tid: int


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else worth a line."""

    text: str
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class Stopping:
    """The ordered stop began."""

    reason: str


Event = Started | Ready | Exited | Restarted | Quoting | Filled | Note | Stopping

Tell = Callable[[Event], None]


def sentence(event: Event) -> str:
    """An event for people, one line."""
    match event:
        case Started(service=service, pid=pid):
            return f"{service} started (pid {pid})"
        case Ready(service=service, after_s=after_s, facts=facts):
            return ", ".join((f"{service} ready after {after_s:.1f} s", *(f"{k} {v}" for k, v in facts.items())))
        case Exited(service=service, code=code, reason=reason):
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            return f"{service} died ({how})" + (f": {reason}" if reason else "")
        case Restarted(service=service, pid=pid, restarts=restarts):
            return f"{service} restarted (pid {pid}, restart {restarts})"
        case Quoting(after_s=after_s):
            return f"all quoters ready after {after_s:.1f} s"
        case Filled(market=market, is_buy=is_buy, px_e8=px_e8, sz_e8=sz_e8):
            return f"{market} {'bought' if is_buy else 'sold'} {format_e8(sz_e8)} at {format_e8(px_e8)}"
        case Note(text=text):
            return text
        case Stopping(reason=reason):
            return f"stopping: {reason}"


def severity(event: Event) -> Severity:
    """How much attention an event deserves."""
    match event:
        case Note(severity=level):
            return level
        case Exited():
            return Severity.ERROR
        case Restarted():
            return Severity.WARNING
        case Started() | Ready() | Quoting() | Filled() | Stopping():
            return Severity.INFO
