"""An operator in this process with small reconcilers of the test's own, so that the runtime itself is under test."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.support.kube.bench import Bench

from perpmaker.operator.interfaces import Again, Kube, Manifest, Reconciler, Teller, TornDown, Waker, World
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.runtime.engine import Engine
from perpmaker.operator.settings import ImageSettings, OperatorSettings

Act = Callable[[Manifest, Kube, World], Awaitable[Again | None]]
Step = Callable[[Manifest, Kube, World], Awaitable[TornDown]]


async def do_nothing(_body: Manifest, _kube: Kube, _world: World) -> None:
    """A reconciliation that finds all well."""


async def let_go(_body: Manifest, _kube: Kube, _world: World) -> TornDown:
    """A teardown that has nothing to do."""
    return TornDown(True)


@dataclass
class Scripted:
    """A reconciler that counts, and does what the test says."""

    act: Act = do_nothing
    step: Step = let_go
    looks: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    """Calls for one object that are under way; never more than one."""
    overlapped: bool = False
    kube: Kube | None = None
    world: World | None = None

    async def reconcile(self, body: Manifest) -> Again:
        """One look."""
        assert self.kube is not None and self.world is not None
        name = body["metadata"]["name"]
        self.looks[name] += 1
        with self._running(name):
            return await self.act(body, self.kube, self.world) or Again()

    async def tear_down(self, body: Manifest) -> TornDown:
        """One step."""
        assert self.kube is not None and self.world is not None
        name = body["metadata"]["name"]
        self.steps[name] += 1
        with self._running(name):
            return await self.step(body, self.kube, self.world)

    @contextlib.contextmanager
    def _running(self, name: str):  # type: ignore[no-untyped-def]
        self.running[name] += 1
        self.overlapped |= self.running[name] > 1
        try:
            yield
        finally:
            self.running[name] -= 1


@dataclass
class Running:
    """An operator under way."""

    engine: Engine
    accounts: Scripted
    makers: Scripted
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        """SIGTERM, in effect."""
        self.stop.set()
        await self.task

    async def kill(self) -> None:
        """SIGKILL, as nearly as it can be had in one process: nothing is waited for or told."""
        self.task.cancel()
        await asyncio.wait((self.task,))


def settings_for(bench: Bench, *, peering: bool = False, resync_s: float = 30.0) -> OperatorSettings:
    """Settings of an operator that serves the bench's namespace."""
    return OperatorSettings(
        namespace=bench.namespace,
        watch_namespaces=(bench.namespace,),
        image=ImageSettings(reference="example/perpmaker:1"),
        peering=peering,
        resync_seconds=resync_s,
        health_port=0,
        metrics_port=0,
    )


@contextlib.asynccontextmanager
async def operator(
    bench: Bench,
    *,
    accounts: Scripted | None = None,
    makers: Scripted | None = None,
    settings: OperatorSettings | None = None,
    credentials: Credentials | None = None,
    instance: str = "op",
) -> AsyncIterator[Running]:
    """Run an operator until the block ends."""
    accounts, makers = accounts or Scripted(), makers or Scripted()
    who = credentials or (bench.as_operator() if bench.fake is not None else bench.credentials)

    def build(
        _settings: OperatorSettings, kube: Kube, world: World, _teller: Teller, _waker: Waker
    ) -> Mapping[str, Reconciler]:
        for one in (accounts, makers):
            one.kube, one.world = kube, world
        return {"TradingAccount": accounts, "MarketMaker": makers}

    async with ApiServer(who, request_timeout_s=5.0) as api:
        engine = Engine(settings or settings_for(bench), who, api, build, instance=instance)
        stop = asyncio.Event()
        task = asyncio.create_task(engine.run(stop))
        running = Running(engine, accounts, makers, stop, task)
        try:
            yield running
        finally:
            stop.set()
            if not task.done():
                await asyncio.wait((task,), timeout=20)
            if task.done() and not task.cancelled():
                task.result()
