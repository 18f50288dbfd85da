"""One run from the first process to the last: start, quote, stop in order; every way in which that can end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from perpmaker.common import logs
from perpmaker.common.clock import SystemClock
from perpmaker.local.events import Event, Note, Quoting, Severity, Stopping
from perpmaker.local.exchange import NoWalletError
from perpmaker.local.observe import AccountObserver
from perpmaker.local.options import UpOptions
from perpmaker.local.places import PlaceError, Places
from perpmaker.local.processes import ChildFailedError, Condition, rss_mb
from perpmaker.local.rehearsal import rehearse
from perpmaker.local.reporting import Reporter
from perpmaker.local.stopping import AccountResult, last_totals, memory_mb, stop_account, stop_everything, summarise
from perpmaker.local.store import StoreUnusableError
from perpmaker.local.topology import AccountPlan, AccountProcesses, System
from perpmaker.local.world import MarketFold, ServiceView, Snapshot

OK = 0
FAILED = 1
BAD_INPUT = 2

_SHOW_EVERY_S = 0.25
_HURRIED_STOP_S = 2.0

_log = logs.get(__name__)

T = TypeVar("T")


class _InterruptedError(Exception):
    """A signal asked for the end."""


class Run:
    """One run of the system."""

    def __init__(self, options: UpOptions, plans: tuple[AccountPlan, ...], places: Places, reporter: Reporter) -> None:
        self._options = options
        self._reporter = reporter
        self._system = System(plans, options, places, self._tell, self._observe)
        self._folds = {
            maker.metadata.name: MarketFold(maker.spec.market.symbol, maker.metadata.name, self._tell)
            for plan in plans
            for maker in plan.makers
        }
        self._began_s = time.monotonic()
        self._began_ms = SystemClock().now_ms()
        self._quoting_since_s: float | None = None
        self._stopped_s: float | None = None
        self._interrupts: asyncio.Queue[str] = asyncio.Queue()
        self._background: set[asyncio.Task[None]] = set()
        self._observers: list[asyncio.Task[None]] = []

    async def carry_out(self) -> int:
        """Start, quote, stop; returns the exit code. No process outlives this call."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupts.put_nowait, number.name)
        self._spawn(self._show(), "show")
        try:
            return await self._start_and_quote()
        finally:
            self._system.kill_all()
            for task in tuple(self._background):
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)

    async def _start_and_quote(self) -> int:
        try:
            await self._unless_broken(self._system.start())
        except (StoreUnusableError, NoWalletError, PlaceError) as error:
            await stop_everything(self._system)
            self._reporter.fail(str(error))
            return BAD_INPUT
        except (ChildFailedError, _InterruptedError) as error:
            return await self._give_up_start(str(error))
        now_s = time.monotonic()
        self._quoting_since_s = now_s
        for fold in self._folds.values():
            fold.two_sided.begin(now_s)
        self._tell(Quoting(now_s - self._began_s))
        try:
            await self._unless_broken(self._quote())
        except ChildFailedError as error:
            self._tell(Note(str(error), Severity.ERROR))
            return await self._stop(f"{error.service}: {error.why}", (str(error),))
        except _InterruptedError as error:
            return await self._stop(str(error))
        return await self._stop("the time asked for is over")

    async def _quote(self) -> None:
        rehearsal = self._spawn(rehearse(self._system, self._tell), "rehearsal") if self._options.rehearse else None
        try:
            if self._options.for_s is None:
                await asyncio.Event().wait()
            else:
                await asyncio.sleep(self._options.for_s)
        finally:
            if rehearsal is not None:
                rehearsal.cancel()

    async def _give_up_start(self, reason: str) -> int:
        """A start that failed half-way: quoters that came up may have placed orders already."""
        self._tell(Note(reason, Severity.ERROR))
        if any(processes.quoters for processes in self._system.accounts):
            return await self._stop(reason, (f"not every quoter became ready: {reason}",))
        await stop_everything(self._system, _HURRIED_STOP_S)
        self._reporter.fail(reason)
        return FAILED

    async def _stop(self, reason: str, problems: tuple[str, ...] = ()) -> int:
        """Stop in order, compare the books, tell the summary; returns the exit code."""
        self._stopped_s = time.monotonic()
        for fold in self._folds.values():
            fold.two_sided.end(self._stopped_s)
        self._tell(Stopping(reason))
        memory = memory_mb(self._system)
        accounts = tuple(self._system.accounts)
        results = tuple(AccountResult(None, None, None, None, ()) for _ in accounts)
        try:
            if self._venue_is_gone():
                problems += ("the books of the simulated exchange are lost, so nothing can be compared",)
                results = await self._unless_interrupted(self._last_totals(accounts))
                await self._unless_interrupted(stop_everything(self._system, _HURRIED_STOP_S))
            else:
                results = await self._unless_interrupted(self._stop_accounts(accounts))
                self._stop_observing()
                await self._unless_interrupted(stop_everything(self._system))
        except _InterruptedError:
            problems += (f"the ordered stop was cut short; {self._still_open()}",)
            self._tell(Note(problems[-1], Severity.ERROR))
            self._system.kill_all()
        duration_s = 0.0 if self._quoting_since_s is None else self._stopped_s - self._quoting_since_s
        views = {name: fold.view(time.monotonic()) for name, fold in self._folds.items()}
        summary = summarise(
            tuple(zip(accounts, results, strict=True)), views, duration_s=duration_s, memory=memory, problems=problems
        )
        self._reporter.finish(summary)
        return OK if summary.is_ok else FAILED

    async def _stop_accounts(self, accounts: tuple[AccountProcesses, ...]) -> tuple[AccountResult, ...]:
        drain_id = f"up-{self._began_ms}"
        return tuple(
            await asyncio.gather(
                *(stop_account(processes, drain_id, self._began_ms, self._tell) for processes in accounts)
            )
        )

    async def _last_totals(self, accounts: tuple[AccountProcesses, ...]) -> tuple[AccountResult, ...]:
        return tuple(await asyncio.gather(*(last_totals(processes) for processes in accounts)))

    def _venue_is_gone(self) -> bool:
        return self._system.venue is not None and self._system.venue.condition is Condition.FAILED

    def _still_open(self) -> str:
        views = [fold.view(time.monotonic()) for fold in self._folds.values()]
        counts = ", ".join(f"{view.market} {len(view.orders)}" for view in views if view.orders)
        return f"orders last seen open: {counts}" if counts else "no order was seen open"

    async def _unless_interrupted(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work; raises _InterruptedError when a signal comes first."""
        task = asyncio.create_task(work)
        signalled = asyncio.create_task(self._interrupts.get())
        try:
            await asyncio.wait((task, signalled), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _InterruptedError(f"{signalled.result()} received")
        finally:
            await _end(task, signalled)

    async def _unless_broken(self, work: Coroutine[Any, Any, T]) -> T:
        """The same, and raises ChildFailedError as soon as the runner has given up on a child."""

        async def first() -> T:
            task = asyncio.create_task(work)
            broken = asyncio.create_task(self._system.first_failure())
            try:
                await asyncio.wait((task, broken), return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                raise broken.result()
            finally:
                await _end(task, broken)

        return await self._unless_interrupted(first())

    def _tell(self, event: Event) -> None:
        self._reporter.tell(event)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task.failed", task=task.get_name(), exc_info=error)
            self._tell(Note(f"{task.get_name()} stopped working: {error!r}", Severity.ERROR))

    def _stop_observing(self) -> None:
        """Keep the last picture: from here on services go away because they are told to."""
        for task in self._observers:
            task.cancel()

    def _observe(self, processes: AccountProcesses) -> None:
        addressing = processes.addressing
        observer = AccountObserver(
            gateway=addressing.gateway.target,
            order_state=addressing.order_state.target,
            risk=addressing.risk.target,
            quoters={name: address.target for name, address in addressing.quoters.items()},
            folds=[self._folds[maker.metadata.name] for maker in processes.plan.makers],
        )
        self._observers.append(self._spawn(observer.run(), f"observer of {processes.plan.name}"))

    async def _show(self) -> None:
        while True:
            self._reporter.show(self._snapshot())
            await asyncio.sleep(_SHOW_EVERY_S)

    def _snapshot(self) -> Snapshot:
        now_s = time.monotonic()
        return Snapshot(
            elapsed_s=now_s - self._began_s,
            quoting_s=None if self._quoting_since_s is None else (self._stopped_s or now_s) - self._quoting_since_s,
            markets=tuple(fold.view(now_s) for fold in self._folds.values()),
            services=tuple(
                ServiceView(
                    name=child.spec.name,
                    condition=child.condition,
                    restarts=child.restarts,
                    pid=child.pid,
                    rss_mb=None if child.pid is None else rss_mb(child.pid),
                )
                for child in self._system.children
            ),
        )


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
