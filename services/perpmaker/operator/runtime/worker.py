"""The serial loop of one object: look, then wait for a wake-up or the resync; after an error wait a growing while.

The world is read, never asked: a look that finds nothing to do costs no request. Stopping is cancellation, at any
point, which is safe because a look only ever brings the cluster nearer to the spec and the next one starts afresh.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakValueDictionary

from perpmaker.common import logs
from perpmaker.operator.interfaces import Again, Kube, Manifest, Reconciler, Ref, Teller
from perpmaker.operator.metrics import LAST_SUCCESS, RECONCILE_SECONDS, RECONCILES
from perpmaker.operator.names import FINALIZER
from perpmaker.operator.runtime.patience import Patience
from perpmaker.operator.runtime.peers import Standing
from perpmaker.operator.runtime.pulse import Pulse
from perpmaker.operator.runtime.troubles import ExpectedError, Troubles, name_of
from perpmaker.operator.runtime.wakes import Wakes
from perpmaker.operator.runtime.world import Store

SETTLE_S: Final = 0.02
"""Pause between a wake-up and the look, so that a burst of changes is one look."""
FLOOR_S: Final = 1.0
"""A wake-up cuts the pause after an error short, but not below this: our own half-done writes may be what wakes us."""
KOPF_FIRST_S: Final = 2.0
"""Time for kopf to put the finalizer on before we do it ourselves."""
WAITS_S: Final = 5.0
"""Pause of a copy of the operator that has to wait for another one."""
JOINED: Final = "this copy's entry among the copies of the operator"

_log = logs.get(__name__)


class Turns:
    """One lock per object, so that its reconciliation and its teardown never overlap."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, uid: str) -> asyncio.Lock:
        """The lock of an object."""
        lock = self._locks.get(uid)
        if lock is None:
            lock = self._locks[uid] = asyncio.Lock()
        return lock


class Holder(Kube, Protocol):
    """`Kube`, and the finalizer by which we hold our owners."""

    async def add_finalizer(self, body: Manifest, finalizer: str) -> None:
        """Hold an object, if it is still in the version given. Raises KubeError."""
        ...

    async def drop_finalizer(self, ref: Ref, uid: str, finalizer: str) -> None:
        """Let go of an object; fine where it is gone. Raises KubeError."""
        ...


@dataclass(frozen=True, slots=True)
class Shop:
    """What all workers share."""

    kube: Holder
    world: Store
    wakes: Wakes
    teller: Teller
    pulse: Pulse
    turns: Turns
    resync_s: float
    standing: Callable[[], Standing]
    """What this copy of the operator is among the others."""


class Worker:
    """Looks after one object, identified by its uid: a namesake has a worker of its own."""

    def __init__(self, ref: Ref, uid: str, reconciler: Reconciler, shop: Shop) -> None:
        self._ref = ref
        self._uid = uid
        self._reconciler = reconciler
        self._shop = shop
        self._troubles = Troubles(ref, shop.teller)
        self._patience = Patience()

    async def run(self) -> None:
        """Work until cancelled, or until the object is gone."""
        self._shop.pulse.beat(self._ref, self._uid)
        try:
            with self._shop.wakes.listening(self._ref) as wake:
                while True:
                    wake.clear()
                    pause_s = await self._turn()
                    self._shop.pulse.beat(self._ref, self._uid)
                    if pause_s is None:
                        _log.info("worker.object_gone", object=name_of(self._ref))
                        return
                    await rest(wake, pause_s, after_error=self._troubles.failures > 0)
        finally:
            self._shop.pulse.forget(self._ref, self._uid)

    async def _turn(self) -> float | None:
        """One look; returns the pause until the next, None when the object is gone for good."""
        body: Manifest | None = None
        try:
            body = self._shop.world.get(self._ref)
            self._check_watches()
            if (pause_s := self._patience.wait_for_listings(self._shop.world)) is not None:
                return pause_s
            match self._shop.standing():
                case Standing.JOINING:
                    return self._patience.wait_for(JOINED)
                case Standing.WAITS:
                    return WAITS_S  # kopf is about to end us
                case Standing.WORKS:
                    pass
            if body is None or body["metadata"]["uid"] != self._uid:
                fresh = await self._shop.kube.get(self._ref)
                gone = fresh is None or fresh["metadata"]["uid"] != self._uid
                return None if gone else self._patience.wait_for(f"the watch to tell of {name_of(self._ref)}")
            if body["metadata"].get("deletionTimestamp"):
                return self._shop.resync_s  # teardown has it now
            if FINALIZER not in (body["metadata"].get("finalizers") or ()):
                # Without it a delete would leave orders with nobody to cancel them: nothing is started before.
                return await self._hold(body)
            self._patience.is_over()
            again = await self._look(body)
        except Exception as error:  # noqa: BLE001 (whatever breaks here must stay this one object's trouble)
            RECONCILES.labels(self._ref.resource.kind, "error").inc()
            return self._troubles.note(error, body)
        RECONCILES.labels(self._ref.resource.kind, "ok").inc()
        LAST_SUCCESS.labels(self._ref.resource.kind).set(time.time())
        self._troubles.clear()
        resync_s = self._shop.resync_s * random.uniform(0.9, 1.0)
        return resync_s if again.after_s is None else min(resync_s, again.after_s)

    async def _hold(self, body: Manifest) -> float:
        """Wait for kopf to add the finalizer; it does not try again after a conflict, so then we do it."""
        pause_s = self._patience.wait_for(f"the finalizer {FINALIZER}")
        if self._patience.waited_s > KOPF_FIRST_S:
            await self._shop.kube.add_finalizer(body, FINALIZER)
        return pause_s

    async def _look(self, body: Manifest) -> Again:
        async with self._shop.turns.of(self._uid):
            began = time.perf_counter()
            try:
                return await self._reconciler.reconcile(body)
            finally:
                RECONCILE_SECONDS.labels(self._ref.resource.kind).observe(time.perf_counter() - began)

    def _check_watches(self) -> None:
        denial = self._shop.world.denial(self._ref.namespace)
        if denial is not None:
            raise ExpectedError(denial)


async def rest(wake: asyncio.Event, pause_s: float, *, after_error: bool) -> None:
    """Wait for a wake-up, or for the pause to be over."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(pause_s):
            await wake.wait()
    except TimeoutError:
        return
    floor_s = min(FLOOR_S, pause_s) if after_error else 0.0
    await asyncio.sleep(max(SETTLE_S, floor_s - (clock() - began)))
