"""Processes by identity: a number alone may meanwhile belong to somebody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.05


class ClusterError(Exception):
    """The cluster did not do what it was told; the text says what, and where its log is."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, by its number and the moment it started (in clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now; None when there is none."""
        facts = _stat(pid)
        return cls(pid, int(facts[19])) if facts else None

    @property
    def is_alive(self) -> bool:
        """Runs or is stopped. One that ended and was not reaped yet does not count."""
        facts = _stat(self.pid)
        return facts is not None and int(facts[19]) == self.started and facts[0] not in "ZX"

    @property
    def resident_bytes(self) -> int:
        """Resident memory; 0 when it has ended."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended."""
        if self.is_alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None


def children(pid: int) -> list[Process]:
    """Direct children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            facts = _stat(int(entry.name))
            if facts is not None and int(facts[1]) == pid and facts[0] not in "ZX":
                found.append(Process(int(entry.name), int(facts[19])))
    return found


def wait_for(what: str, probe: Callable[[], object], within_s: float) -> None:
    """Ask until the answer is true. An OSError means "not yet"; ClusterError tells the last one."""
    deadline = time.monotonic() + within_s
    last = ""
    while True:
        try:
            if probe():
                return
        except OSError as error:
            last = f": {error}"
        if time.monotonic() > deadline:
            raise ClusterError(f"not within {within_s:.0f} s: {what}{last}")
        time.sleep(_POLL_S)
