"""A supervised child process: started, watched, started again when it dies, stopped with a deadline, by its pid only.

A child leads a process group of its own, so Ctrl-C reaches the runner alone, which then stops things in order. It dies
with the runner (`launch.py`). Its output goes to one log file. What its readiness means is the probe's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from perpmaker.local.childlog import last_words
from perpmaker.local.events import Exited, Note, Ready, Restarted, Severity, Started, Tell
from perpmaker.local.restarts import GiveUp, after_exit

_LAUNCHER = Path(__file__).with_name("launch.py")


class Condition(StrEnum):
    """What the runner knows of a child."""

    WAITING = "waiting"
    """Not started yet."""
    STARTING = "starting"
    LISTENING = "listening"
    """Answers, but must not be relied on for trading."""
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    """Given up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found out about the running process."""

    ready: bool
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One run of a child's program."""

    pid: int
    log: Path
    log_offset: int
    """Where its output begins in the log file."""
    started_s: float


Probe = Callable[[Incarnation, Callable[[Answer], None]], Coroutine[Any, Any, None]]
"""Watches one incarnation until cancelled and reports every change of its readiness."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How a child is run."""

    name: str
    argv: tuple[str, ...]
    log: Path
    probe: Probe
    stop_deadline_s: float = 25.0
    restartable: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the runner's own."""


class ChildFailedError(Exception):
    """A child did not become what was waited for."""

    def __init__(self, service: str, why: str, reason: str, log: Path) -> None:
        said = f"; it says: {reason}" if reason else ""
        super().__init__(f"{service}: {why}{said}; its log: {log}")
        self.service = service
        self.why = why
        self.reason = reason
        self.log = log


@dataclass(frozen=True, slots=True)
class _Running:
    process: asyncio.subprocess.Process
    incarnation: Incarnation


class Child:
    """One supervised process."""

    def __init__(self, spec: ChildSpec, tell: Tell) -> None:
        self.spec = spec
        self.condition = Condition.WAITING
        self.restarts = 0
        self.incarnation: Incarnation | None = None
        self.given_up: asyncio.Future[ChildFailedError] = asyncio.get_running_loop().create_future()
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._stopping = False
        self._changed = asyncio.Event()
        self._ever_ready = False
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and watch over it from now on."""
        running = await self._spawn()
        self._tell(Started(self.spec.name, running.incarnation.pid, str(self.spec.log)))
        self._supervision = asyncio.create_task(self._supervise(running), name=f"supervise-{self.spec.name}")

    async def reach(self, wanted: frozenset[Condition], deadline_s: float) -> None:
        """Wait until the child is in one of the wanted conditions. Raises ChildFailedError."""
        try:
            async with asyncio.timeout(deadline_s):
                while self.condition not in wanted:
                    if self.given_up.done():
                        raise self.given_up.result()
                    if self.condition in (Condition.STOPPING, Condition.STOPPED):
                        raise self._failure("was stopped while it was waited for")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            state = "it runs but is not ready" if self.condition is Condition.LISTENING else "it does not answer"
            raise self._failure(f"not ready within {deadline_s:.0f} s ({state})") from None

    async def stop(self, deadline_s: float | None = None) -> int | None:
        """Ask the process to end, kill it after its deadline; returns its exit code (None: never started)."""
        self._stopping = True
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
        process = self._process
        if process is None:
            return None
        self._set(Condition.STOPPING)
        was_running = process.returncode is None
        if was_running:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self.spec.stop_deadline_s if deadline_s is None else deadline_s):
                    await process.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await process.wait()
        if was_running and process.returncode:
            self._tell(Note(f"{self.spec.name} did not end cleanly: {_ended(process.returncode)}", Severity.WARNING))
        self._set(Condition.STOPPED)
        return process.returncode

    def kill(self) -> None:
        """End the process at once."""
        self._stopping = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _set(self, condition: Condition) -> None:
        self.condition = condition
        self._changed.set()

    def _failure(self, why: str) -> ChildFailedError:
        return ChildFailedError(self.spec.name, why, self._last_words(), self.spec.log)

    def _last_words(self) -> str:
        here = self.incarnation
        return last_words(here.log, here.log_offset) if here is not None else ""

    async def _spawn(self) -> _Running:
        self._was_ready = False
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            offset = log.tell()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_LAUNCHER),
                str(os.getpid()),
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.spec.environment},
            )
        self._process = process
        self.incarnation = Incarnation(process.pid, self.spec.log, offset, time.monotonic())
        self._set(Condition.STARTING)
        return _Running(process, self.incarnation)

    def _answered(self, answer: Answer) -> None:
        if self._stopping or self.incarnation is None:
            return
        if answer.ready and not self._was_ready:
            self._ever_ready = self._was_ready = True
            self._tell(Ready(self.spec.name, time.monotonic() - self.incarnation.started_s, answer.facts))
        self._set(Condition.READY if answer.ready else Condition.LISTENING)

    async def _live_once(self, running: _Running) -> int:
        """Watch the running process until it ends."""
        ending = asyncio.create_task(running.process.wait())
        probing = asyncio.create_task(self.spec.probe(running.incarnation, self._answered))
        try:
            await asyncio.wait((ending, probing), return_when=asyncio.FIRST_COMPLETED)
            if probing.done():
                probing.result()
            return await ending
        finally:
            probing.cancel()
            ending.cancel()
            await asyncio.gather(probing, ending, return_exceptions=True)

    async def _supervise(self, running: _Running) -> None:
        try:
            self.given_up.set_result(await self._keep_alive(running))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.given_up.set_exception(error)
            raise
        self._set(Condition.FAILED)

    async def _keep_alive(self, running: _Running) -> ChildFailedError:
        """Start it again whenever it dies, until that is pointless."""
        failed_starts = 0
        while True:
            code = await self._live_once(running)
            if self._stopping:
                # What ends on request is `stop`'s business, which cancels this task.
                await asyncio.Event().wait()
            self._set(Condition.RESTARTING)
            self._tell(Exited(self.spec.name, code, self._last_words()))
            failed_starts = 1 if self._was_ready else failed_starts + 1
            verdict = after_exit(
                code=code,
                restartable=self.spec.restartable,
                ever_ready=self._ever_ready,
                failed_starts=failed_starts,
            )
            if isinstance(verdict, GiveUp):
                return self._failure(verdict.why)
            await asyncio.sleep(verdict.pause_s)
            running = await self._spawn()
            self.restarts += 1
            self._tell(Restarted(self.spec.name, running.incarnation.pid, self.restarts))


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def rss_mb(pid: int) -> float | None:
    """Resident memory of a process in MB (1e6 bytes); None when it is gone or the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None
