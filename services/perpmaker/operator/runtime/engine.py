"""The operator put together: watches, world, wake-ups, Events, kopf and the reconcilers, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias, cast, runtime_checkable

import kopf

from perpmaker.common import logs, metrics
from perpmaker.operator import preflight, rbac
from perpmaker.operator.interfaces import Kube, KubeError, Manifest, Reconciler, Ref, Teller, Waker, World
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.kube.resources import CLUSTER_KOPF_PEERING, KOPF_PEERING, PEERINGS, resource_named
from perpmaker.operator.metrics import LEADER
from perpmaker.operator.runtime.events import EventTeller
from perpmaker.operator.runtime.handlers import Deps, register
from perpmaker.operator.runtime.kopf_settings import PEERING, kopf_settings
from perpmaker.operator.runtime.peers import Standing, has_joined, standing
from perpmaker.operator.runtime.pulse import Pulse
from perpmaker.operator.runtime.routes import woken_by
from perpmaker.operator.runtime.wakes import Wakes
from perpmaker.operator.runtime.watches import KindGoneError, Watch
from perpmaker.operator.runtime.worker import Shop, Turns
from perpmaker.operator.runtime.world import Change, Scope, Store
from perpmaker.operator.settings import OperatorSettings

LEADER_EVERY_S: Final = 2.0
"""How often the metric is set without news: a copy that was killed counts until its entry is too old."""
STOP_S: Final = 12.0
"""Time kopf has to leave when told to stop; it waits for its own requests, which an absent API server holds up."""
FLUSH_S: Final = 2.0
GONE_FIRST_PAUSE_S: Final = 1.0
GONE_MAX_PAUSE_S: Final = 15.0

_log = logs.get(__name__)

Build: TypeAlias = Callable[[OperatorSettings, Kube, World, Teller, Waker], Mapping[str, Reconciler]]
"""Makes the reconciler of each kind."""


@runtime_checkable
class Closes(Protocol):
    """A reconciler that holds something open."""

    async def close(self) -> None:
        """Let go of connections and tasks."""
        ...


def scopes(settings: OperatorSettings) -> tuple[Scope, ...]:
    """What is watched: every kind that the table of rights says we may watch, in every namespace that is served."""
    watched = [resource_named(r.group, r.resource) for r in rbac.required(settings) if "watch" in r.verbs]
    return tuple(Scope(kind, space) for kind in watched for space in settings.watch_namespaces or (None,))


class Engine:
    """One copy of the operator."""

    def __init__(
        self, settings: OperatorSettings, credentials: Credentials, api: ApiServer, build: Build, *, instance: str
    ) -> None:
        """`instance` names this copy; of two copies the one that was made later works."""
        self.priority = time.time_ns() // 1000
        self.identity = f"{instance}-{self.priority}"
        self.store = Store(scopes(settings), self._changed)
        self.pulse = Pulse()
        self.wakes = Wakes()
        self.teller = EventTeller(api, instance=instance)
        self._settings = settings
        self._credentials = credentials
        self._api = api
        self._build = build
        self._has_joined = False
        api.tell_writes_to(self.store.learn)

    def _changed(self, change: Change) -> None:
        for ref, source in woken_by(change, self.store):
            self.wakes.wake(ref, source)
        if change.resource in PEERINGS:
            self._tell_leader()

    async def run(self, stop: asyncio.Event, *, own_signals: bool = False) -> None:
        """Work until told to stop; raises what ends it otherwise. `own_signals`: SIGTERM and SIGINT set `stop`.

        While the API server does not serve a kind that we cannot do without, nothing is looked after and nothing is
        known (`store.is_synced` is false); when it does, all begins anew.
        """
        lasting = [asyncio.create_task(each) for each in (self.teller.run(), metrics.watch_loop_lag())]
        failed_starts = 0
        try:
            while not await self._look_after_all(stop, lasting, own_signals=own_signals):
                failed_starts = 0 if self.store.is_synced else failed_starts + 1
                self.store.clear()
                if not await self._are_served_again(stop, failed_starts):
                    return
        finally:
            for task in lasting:
                task.cancel()
            await asyncio.wait(lasting, timeout=FLUSH_S)

    async def _look_after_all(
        self, stop: asyncio.Event, lasting: Sequence[asyncio.Task[None]], *, own_signals: bool
    ) -> bool:
        """True when told to stop, False when a kind is gone; raises what ends it otherwise."""
        api, store = self._api, self.store
        self._has_joined = False
        reconcilers = self._build(self._settings, api, store, self.teller, self.wakes)
        ended, gone = asyncio.Event(), asyncio.Event()
        work = [Watch(scope, api, store, self._api_is_back).run() for scope in store.scopes]
        background = [asyncio.create_task(each) for each in (*work, self._watch_leader())]
        serving = asyncio.create_task(self._kopf(reconcilers, ended, gone.set, stop if own_signals else None))
        reasons = [asyncio.create_task(flag.wait()) for flag in (stop, gone)]
        try:
            await asyncio.wait((serving, *reasons, *background, *lasting), return_when=asyncio.FIRST_COMPLETED)
            ended.set()
            # First of all: what they hold open would keep kopf waiting for it.
            for reconciler in reconcilers.values():
                if isinstance(reconciler, Closes):
                    await reconciler.close()
            await asyncio.wait((serving,), timeout=STOP_S)
            await self.teller.flush(FLUSH_S)
            found = [task.exception() for task in (serving, *background, *lasting) if _has_failed(task)]
            for error in found:
                if error is not None and not isinstance(error, KindGoneError):
                    raise error
            return stop.is_set() or not (found or gone.is_set())
        finally:
            LEADER.set(0)
            for task in (serving, *reasons, *background):
                task.cancel()
            await asyncio.wait((serving, *reasons, *background), timeout=FLUSH_S)

    async def _are_served_again(self, stop: asyncio.Event, failed_starts: int) -> bool:
        """Wait until all is there that we cannot do without; what is not is told once. False when told to stop.

        `failed_starts` in a row make the first pause longer: the API server may serve a kind at one moment and not at
        the next.
        """
        told: set[str] = set()
        for tries in itertools.count(failed_starts):
            if await _is_set_within(stop, gone_pause_s(tries)):
                return False
            try:
                news = lack = await preflight.lacking(self._api, self._settings)
                event = "operator.kind_is_gone"
            except KubeError as error:
                lack, news, event = str(error), "no answer", "operator.kinds_are_unknown"
            if news is not None and news not in told:
                told.add(news)
                _log.error(event, reason=lack)
            if lack is None:
                _log.info("operator.kind_is_back")
                return True
        raise AssertionError("counting has no end")

    async def _kopf(
        self,
        reconcilers: Mapping[str, Reconciler],
        ended: asyncio.Event,
        on_gone: Callable[[], None],
        by_signal: asyncio.Event | None,
    ) -> None:
        settings = self._settings
        registry = kopf.OperatorRegistry()
        turns = Turns()
        shop = Shop(
            self._api, self.store, self.wakes, self.teller, self.pulse, turns, settings.resync_seconds, self.standing
        )
        namespaces = max(1, len(settings.watch_namespaces))
        register(registry, Deps(shop, reconcilers, self._credentials, namespaces, on_gone))
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings(settings, self.priority, ended),
            identity=cast("Any", self.identity),
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
            stop_flag=ended,
        )
        if by_signal is not None:
            # kopf has taken the signals; it stops through the flag as well, and so does everything else.
            take_signals(by_signal)
        await _run_tasks(tasks)

    def _api_is_back(self) -> None:
        self.wakes.wake_all("reconnect")

    def standing(self) -> Standing:
        """What this copy of the operator is among the others."""
        if not self._settings.peering:
            return Standing.WORKS
        entered = self._peerings()
        self._has_joined = self._has_joined or has_joined(entered, self.identity)
        return standing(entered, self.identity, self.priority, datetime.now(UTC), has_joined=self._has_joined)

    def _peerings(self) -> Sequence[Manifest]:
        kind = KOPF_PEERING if self._settings.watch_namespaces else CLUSTER_KOPF_PEERING
        places = self._settings.watch_namespaces or ("",)
        found = (self.store.get(Ref(kind, place, PEERING)) for place in places)
        return [peering for peering in found if peering is not None]

    def _tell_leader(self) -> None:
        LEADER.set(1 if self.store.is_synced and self.standing() is Standing.WORKS else 0)

    async def _watch_leader(self) -> None:
        while True:
            self._tell_leader()
            await asyncio.sleep(LEADER_EVERY_S)


def gone_pause_s(tries: int) -> float:
    """Pause before asking whether a kind is back, after so many times in vain: doubling, capped."""
    return min(GONE_MAX_PAUSE_S, GONE_FIRST_PAUSE_S * 2.0 ** min(tries, 20))


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def _is_set_within(flag: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await flag.wait()
    return flag.is_set()


async def _run_tasks(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Run kopf's tasks until one ends, then end the others; raises what ended them.

    Not kopf.run_tasks: it takes every task in the process that is younger than itself for its own and ends it too.
    """
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def take_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set the flag."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(number)
        loop.add_signal_handler(number, stop.set)
