"""The end of one object: step after step until the reconciler is done, then the finalizer goes.

Each step begins from the object as the API server has it, so that it sees what the step before has written, whichever
process that was. The object is gone when the API server says so of the object; a kind that is not served says nothing
of it.
"""

from __future__ import annotations

import contextlib
import time
from datetime import datetime

from perpmaker.common import logs
from perpmaker.operator.interfaces import Manifest, Reconciler, Ref
from perpmaker.operator.metrics import RECONCILES, TEARDOWN_STARTED
from perpmaker.operator.names import FINALIZER, is_forced
from perpmaker.operator.runtime.patience import Patience
from perpmaker.operator.runtime.peers import Standing
from perpmaker.operator.runtime.troubles import ExpectedError, Troubles, name_of
from perpmaker.operator.runtime.worker import JOINED, Shop, rest

_log = logs.get(__name__)


class Teardown:
    """Deletion of one object."""

    def __init__(self, ref: Ref, uid: str, reconciler: Reconciler, shop: Shop) -> None:
        self._ref = ref
        self._uid = uid
        self._reconciler = reconciler
        self._shop = shop
        self._troubles = Troubles(ref, shop.teller)
        self._patience = Patience()

    async def run(self) -> bool:
        """Go on until the object may go (True) or until another copy of the operator works (False)."""
        labels = (self._ref.resource.kind, self._ref.namespace, self._ref.name)
        try:
            with self._shop.wakes.listening(self._ref) as wake:
                while self._shop.standing() is not Standing.WAITS:
                    wake.clear()
                    pause_s = await self._step()
                    if pause_s is None:
                        _log.info("teardown.done", object=name_of(self._ref))
                        return True
                    await rest(wake, pause_s, after_error=self._troubles.failures > 0)
            return False
        finally:
            with contextlib.suppress(KeyError):
                TEARDOWN_STARTED.remove(*labels)

    async def _step(self) -> float | None:
        """One step; returns the pause until the next, None when the object may go or is gone."""
        kind = self._ref.resource.kind
        body: Manifest | None = None
        try:
            if self._shop.standing() is Standing.JOINING:
                return self._patience.wait_for(JOINED)
            body = await self._shop.kube.get(self._ref)
            if body is None or body["metadata"]["uid"] != self._uid:
                return None
            TEARDOWN_STARTED.labels(kind, self._ref.namespace, self._ref.name).set(_deleted_at(body))
            if not is_forced(body["metadata"]) and (pause_s := self._wait_for_listings()) is not None:
                return pause_s
            async with self._shop.turns.of(self._uid):
                outcome = await self._reconciler.tear_down(body)
            if outcome.done:
                await self._shop.kube.drop_finalizer(self._ref, self._uid, FINALIZER)
        except Exception as error:  # noqa: BLE001 (whatever breaks here must neither release the object nor stop others)
            RECONCILES.labels(kind, "error").inc()
            # What cannot be read from the API server is known from the watches, and somebody has to be told.
            return self._troubles.note(error, body or self._shop.world.get(self._ref))
        self._troubles.clear()
        self._patience.is_over()
        RECONCILES.labels(kind, "torn_down" if outcome.done else "step").inc()
        return None if outcome.done else outcome.again_after_s

    def _wait_for_listings(self) -> float | None:
        """Services that are not known of look like services that are gone, and then nobody would cancel."""
        world = self._shop.world
        if not world.is_synced and (denial := world.denial(self._ref.namespace)) is not None:
            raise ExpectedError(denial)
        return self._patience.wait_for_listings(world)


def _deleted_at(body: Manifest) -> float:
    stamp = body["metadata"].get("deletionTimestamp")
    return datetime.fromisoformat(stamp).timestamp() if stamp else time.time()
