"""What kopf does for us: it puts the finalizer on, keeps a daemon per object and calls us when one is to be deleted.

Known traps, and what is done about them:

- The deletion handler, unlike a daemon, also runs for an object that was deleted while the operator was down.
- A daemon may still be in the middle of a look when the deletion handler starts: both take the object's turn.
- A PermanentError in a deletion handler releases the object, and any other error is retried after a minute: so
  nothing leaves the handler but TemporaryError with a delay of ours.
- kopf wakes itself up for the next try by touching the object, and neither that touch nor the removal of the finalizer
  is repeated after a conflict: so teardown stays in one call of the handler until it is done, and lets go itself.
- What a handler returns would be written into status: nothing is returned.
- A watch that is answered 404 ends kopf in disorder: what it had begun goes on and waits for credentials for ever. So
  kopf never gets that answer: we are told, and end kopf as at any other end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import kopf

from perpmaker.operator.interfaces import Reconciler, Ref, Resource
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.kube.resources import OWNERS, PEERINGS, group
from perpmaker.operator.runtime.teardown import Teardown
from perpmaker.operator.runtime.worker import WAITS_S, Shop, Worker

EXIT_GRACE_S: Final = 2.0
"""Time kopf gives a worker to leave before it cancels it."""
_CANCEL_AGAIN_S: Final = 0.5
_WATCHED: Final = frozenset(resource.plural for resource in (*OWNERS, *PEERINGS))
WATCHED_KINDS: Final = len(OWNERS) + 1
"""Watches of kopf in each namespace: our own kinds and its peering."""
REQUESTS_AT_ONCE: Final = 8
"""Requests of kopf besides its watches."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What the handlers act with."""

    shop: Shop
    reconcilers: Mapping[str, Reconciler]
    """By kind."""
    credentials: Credentials
    namespaces: int
    """How many namespaces are watched, at least 1."""
    on_gone: Callable[[], None]
    """Called when the API server does not serve a kind that kopf watches."""


def register(registry: kopf.OperatorRegistry, deps: Deps) -> None:
    """Add our handlers to a registry."""

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.AiohttpSession:
        return connection(deps.credentials, WATCHED_KINDS * deps.namespaces + REQUESTS_AT_ONCE, deps.on_gone)

    for resource in OWNERS:
        _serve(registry, resource, deps.reconcilers[resource.kind], deps.shop)


def connection(credentials: Credentials, most: int, on_gone: Callable[[], None]) -> kopf.AiohttpSession:
    """Our credentials as kopf takes them, for at most so many connections; it asks again after a 401.

    Left alone it opens as many as there are objects, and at a start it has something to ask for each of them at once.
    """

    async def keep_from_kopf(request: aiohttp.ClientRequest, ask: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        answer = await ask(request)
        if answer.status == 404 and request.method == "GET" and request.url.name in _WATCHED:
            answer.release()
            on_gone()
            # Until kopf is told to stop.
            await asyncio.Event().wait()
        return answer

    tls = credentials.ssl_context()
    token = credentials.token.read(again=True)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=most, ssl=tls if tls is not None else True),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        middlewares=(keep_from_kopf,),
    )
    return kopf.AiohttpSession(server=credentials.server, aiohttp_session=session)


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
            raise kopf.TemporaryError("another copy of the operator works", delay=WAITS_S)


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
