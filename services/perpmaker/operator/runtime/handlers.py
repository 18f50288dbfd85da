"""What kopf does for us: it puts the finalizer on, keeps a daemon per object and calls us when one is to be deleted.

Known traps, and what is done about them:

- The deletion handler, unlike a daemon, also runs for an object that was deleted while the operator was down.
- A daemon may still be in the middle of a look when the deletion handler starts: both take the object's turn.
- A PermanentError in a deletion handler releases the object, and any other error is retried after a minute: so
  nothing leaves the handler but TemporaryError with a delay of ours.
- kopf wakes itself up for the next try by touching the object, and neither that touch nor the removal of the finalizer
  is repeated after a conflict: so teardown stays in one call of the handler until it is done, and lets go itself.
- What a handler returns would be written into status: nothing is returned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import kopf

from perpmaker.operator.interfaces import Reconciler, Ref, Resource
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.kube.resources import OWNERS, group
from perpmaker.operator.runtime.teardown import Teardown
from perpmaker.operator.runtime.worker import Shop, Worker

PAUSED_S: Final = 5.0
EXIT_GRACE_S: Final = 2.0
"""Time kopf gives a worker to leave before it cancels it."""
_CANCEL_AGAIN_S: Final = 0.5


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

    @kopf.daemon(*selector, registry=registry, id="worker", cancellation_backoff=EXIT_GRACE_S, cancellation_timeout=5.0)
    async def work(name: str, namespace: str | None, uid: str, stopped: kopf.DaemonStopped, **_: Any) -> None:
        worker = Worker(Ref(resource, namespace or "", name), uid, reconciler, shop)
        await _until_stopped(worker, stopped)

    @kopf.on.delete(*selector, registry=registry, id="teardown")
    async def tear_down(name: str, namespace: str | None, uid: str, **_: Any) -> None:
        teardown = Teardown(Ref(resource, namespace or "", name), uid, reconciler, shop)
        if not await teardown.run():
            raise kopf.TemporaryError("another copy of the operator works", delay=PAUSED_S)


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
