"""What kopf does for us: it puts the finalizer on, keeps a daemon per object and calls us when one is to be deleted.

Known traps, and what is done about them:

- The deletion handler, unlike a daemon, also runs for an object that was deleted while the operator was down.
- A daemon may still be in the middle of a look when the deletion handler starts: both take the object's turn.
- A PermanentError in a deletion handler releases the object, and any other error is retried after a minute: so
  nothing leaves the handler but TemporaryError with a delay of ours.
- What a handler returns would be written into status: nothing is returned.
- Our own status writes make kopf call the handler again at once: the pause that teardown asked for is kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import kopf

from perpmaker.common import logs
from perpmaker.operator.interfaces import Manifest, Reconciler, Ref, Resource
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.kube.resources import OWNERS, group
from perpmaker.operator.metrics import RECONCILES, TEARDOWN_STARTED
from perpmaker.operator.runtime.kopf_settings import PREFIX
from perpmaker.operator.runtime.troubles import Troubles, name_of
from perpmaker.operator.runtime.worker import Shop, Worker

EXIT_GRACE_S: Final = 2.0
"""Time kopf gives a worker to leave before it cancels it."""
_CANCEL_AGAIN_S: Final = 0.5

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Deps:
    """What the handlers act with."""

    shop: Shop
    reconcilers: Mapping[str, Reconciler]
    """By kind."""
    credentials: Credentials


def register(registry: kopf.OperatorRegistry, deps: Deps) -> None:
    """Add our handlers to a registry."""

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(deps.credentials)

    for resource in OWNERS:
        _serve(registry, resource, deps.reconcilers[resource.kind], deps.shop)


def connection(credentials: Credentials) -> kopf.ConnectionInfo:
    """Our credentials as kopf takes them; it asks again after a 401."""
    return kopf.ConnectionInfo(
        server=credentials.server,
        token=credentials.token.read(again=True),
        ca_data=credentials.ca_data,
        insecure=credentials.insecure,
        certificate_data=credentials.certificate_data,
        private_key_data=credentials.key_data,
    )


def _serve(registry: kopf.OperatorRegistry, resource: Resource, reconciler: Reconciler, shop: Shop) -> None:
    version = resource.api_version.rpartition("/")[2]
    selector = (group(resource), version, resource.plural)
    teardown = Teardown(resource, reconciler, shop)

    @kopf.daemon(*selector, registry=registry, id="worker", cancellation_backoff=EXIT_GRACE_S, cancellation_timeout=5.0)
    async def work(name: str, namespace: str | None, uid: str, stopped: kopf.DaemonStopped, **_: Any) -> None:
        worker = Worker(Ref(resource, namespace or "", name), uid, reconciler, shop)
        await _until_stopped(worker, stopped)

    @kopf.on.delete(*selector, registry=registry, id="teardown")
    async def tear_down(name: str, namespace: str | None, uid: str, **_: Any) -> None:
        again_s = await teardown.step(Ref(resource, namespace or "", name), uid)
        if again_s is not None:
            raise kopf.TemporaryError("teardown goes on", delay=again_s)


async def _until_stopped(worker: Worker, stopped: kopf.DaemonStopped) -> None:
    working = asyncio.create_task(worker.run())
    stopping = asyncio.create_task(_stopped(stopped))
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not working.done():
            # A library may swallow a cancellation (asyncio.wait_for did before Python 3.12), so it is repeated.
            working.cancel()
            await asyncio.wait((working,), timeout=_CANCEL_AGAIN_S)
        with contextlib.suppress(asyncio.CancelledError):
            working.result()


async def _stopped(stopped: kopf.DaemonStopped) -> None:
    await stopped.wait()


@dataclass(slots=True)
class _Progress:
    troubles: Troubles
    due: float = 0.0
    """When the next step may be, by the event loop's clock."""
    seen: tuple[object, ...] = ()


@dataclass(slots=True)
class Teardown:
    """Deletion of the objects of one kind, in steps."""

    resource: Resource
    reconciler: Reconciler
    shop: Shop
    _progress: dict[str, _Progress] = field(default_factory=dict)

    async def step(self, ref: Ref, uid: str) -> float | None:
        """Go one step; returns the pause until the next in seconds, None when the object may go."""
        progress = self._progress.setdefault(uid, _Progress(Troubles(ref, self.shop.teller)))
        body: Manifest | None = None
        try:
            # Not the body that kopf has: it may be older than the status that the step before has written.
            body = await self.shop.kube.get(ref)
            if body is None or body["metadata"]["uid"] != uid:
                self._done(ref, uid)
                return None
            now = asyncio.get_running_loop().time()
            wish = _wish(body)
            if wish == progress.seen and now < progress.due:
                return progress.due - now
            progress.seen = wish
            TEARDOWN_STARTED.labels(ref.resource.kind, ref.namespace, ref.name).set(_deleted_at(body))
            async with self.shop.turns.of(uid):
                outcome = await self.reconciler.tear_down(body)
        except Exception as error:  # noqa: BLE001 (anything else would be retried by kopf after a minute, with a trace)
            RECONCILES.labels(self.resource.kind, "error").inc()
            pause_s = progress.troubles.note(error, body)
        else:
            progress.troubles.clear()
            if outcome.done:
                RECONCILES.labels(self.resource.kind, "torn_down").inc()
                self._done(ref, uid)
                return None
            RECONCILES.labels(self.resource.kind, "step").inc()
            pause_s = outcome.again_after_s
        progress.due = asyncio.get_running_loop().time() + pause_s
        return pause_s

    def _done(self, ref: Ref, uid: str) -> None:
        _log.info("teardown.done", object=name_of(ref))
        self._progress.pop(uid, None)
        with contextlib.suppress(KeyError):
            TEARDOWN_STARTED.remove(ref.resource.kind, ref.namespace, ref.name)


def _wish(body: Manifest) -> tuple[object, ...]:
    """What a person can change about an object that is being deleted; a change is acted on without waiting."""
    metadata = body["metadata"]
    annotations = (metadata.get("annotations") or {}).items()
    return metadata.get("generation"), tuple(sorted(item for item in annotations if not item[0].startswith(PREFIX)))


def _deleted_at(body: Manifest) -> float:
    stamp = body["metadata"].get("deletionTimestamp")
    return datetime.fromisoformat(stamp).timestamp() if stamp else time.time()
