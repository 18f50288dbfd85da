"""One list and watch per kind and namespace, for ever: what they tell goes into the store.

kopf has watches of its own, but they tell handlers neither when the first listing is complete nor what was deleted
during a gap, and the world must not believe in objects that are gone. So kopf keeps to the life of our own two kinds
(finalizer, daemon, deletion) and these watches keep the world.

A kind may go while we watch it. Without our own kinds and the peering nothing can be looked after, and the watch ends.
Without certificates much can: there are none then, and the account that needs one is told so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, Protocol

from perpmaker.common import logs
from perpmaker.operator.interfaces import KubeError, Resource
from perpmaker.operator.kube.answers import OPEN, Listing, VersionExpiredError, WatchEvent
from perpmaker.operator.kube.resources import CERTIFICATE, OWNERS, PEERINGS
from perpmaker.operator.metrics import WATCH_FAILURES
from perpmaker.operator.names import MANAGED_BY_LABEL, MANAGER
from perpmaker.operator.runtime.world import Scope, Store

FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 15.0

_log = logs.get(__name__)


class KindGoneError(Exception):
    """The API server does not serve a kind without which nothing can be looked after."""


class Source(Protocol):
    """Where listings and watches come from."""

    async def list(self, resource: Resource, namespace: str | None, labels: Mapping[str, str] | None = None) -> Listing:
        """All objects now. Raises KubeError, VersionExpiredError."""
        ...

    def watch(
        self, resource: Resource, namespace: str | None, version: str, labels: Mapping[str, str] | None = None
    ) -> AsyncIterator[WatchEvent]:
        """What happened since a version. Raises KubeError, VersionExpiredError."""
        ...


def labels_of(resource: Resource) -> Mapping[str, str] | None:
    """What objects of a kind must carry to matter: ours have our label, our own kinds and peerings need none."""
    return None if resource in (*OWNERS, *PEERINGS) else {MANAGED_BY_LABEL: MANAGER}


class Watch:
    """Keeps one scope of the store up to date."""

    def __init__(self, scope: Scope, source: Source, store: Store, on_return: Callable[[], None]) -> None:
        """`on_return` is called when the API server answers again after it had failed more than once, or when it
        serves a kind that it did not."""
        self._scope = scope
        self._source = source
        self._store = store
        self._on_return = on_return
        self._labels = labels_of(scope.resource)
        self._version: str | None = None
        self._failures = 0
        self._is_lacking = False

    async def run(self) -> None:
        """List and watch until cancelled; errors are waited out. Raises KindGoneError."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                await self._follow(self._version or "")
                self._recovered()
                pause_s = 0.05  # an ordinary end; the next request goes on from the same version
            except VersionExpiredError:
                WATCH_FAILURES.labels(self._scope.resource.plural, "expired").inc()
                self._version = None
                pause_s = random.uniform(0.0, FIRST_PAUSE_S)
            except KubeError as error:
                pause_s = self._failed(error)
            await asyncio.sleep(pause_s)

    async def _list(self) -> None:
        listing = await self._source.list(self._scope.resource, self._scope.namespace, self._labels)
        self._store.replace(self._scope, listing.items, listing.version)
        # Well is what can be watched: who may list and not watch would list again and again without a pause.
        self._version = listing.version

    async def _follow(self, version: str) -> None:
        async for event in self._source.watch(self._scope.resource, self._scope.namespace, version, self._labels):
            self._recovered()
            if event.type == OPEN:
                continue
            item = event.object
            if event.type != "BOOKMARK":
                item = {"apiVersion": self._scope.resource.api_version, "kind": self._scope.resource.kind, **item}
            match event.type:
                case "ADDED" | "MODIFIED":
                    self._store.put(self._scope, item)
                case "DELETED":
                    self._store.remove(self._scope, item)
                case _:
                    self._store.advance(self._scope, item)
            self._version = item["metadata"]["resourceVersion"]

    def _failed(self, error: KubeError) -> float:
        WATCH_FAILURES.labels(self._scope.resource.plural, error.reason).inc()
        self._failures += 1
        if error.status == 404 and self._scope.resource in (*OWNERS, *PEERINGS):
            raise KindGoneError(str(self._scope)) from error
        if self._failures == 1:
            _log.warning("watch.failed", scope=str(self._scope), error=str(error))
        if error.status:
            self._version = None
        if error.status == 404 and self._scope.resource == CERTIFICATE:
            self._is_lacking = True
            self._store.lack(self._scope)
        elif error.status in {401, 403, 404}:
            why = error.message or error.reason
            self._store.deny(self._scope, f"cannot list and watch {self._scope}: {why}; check the operator's Role")
        # A connection that ended in mid-watch has lost nothing: the next one goes on from the same version.
        ceiling_s = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures, 10))
        return random.uniform(ceiling_s / 2, ceiling_s)

    def _recovered(self) -> None:
        if self._failures:
            failures, self._failures = self._failures, 0
            _log.info("watch.recovered", scope=str(self._scope), failures=failures)
            self._store.deny(self._scope, None)
            if failures > 1 or self._is_lacking:
                self._is_lacking = False
                self._on_return()
