"""`POST /info` and `POST /exchange`: the envelope of HTTP around the desk. `GET /healthz` is for probes.

Business refusals are 200. A request that cannot be read is 400 or 422 with the exchange's text, a wrong content
type 415. An answer that is to be lost closes the connection without a word.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from perpmaker.venue.faults.switches import IdleReset, RefuseConnect
from perpmaker.venue.shell.desk import Desk, LostError
from perpmaker.venue.shell.doors import ip_of
from perpmaker.venue.shell.sockets import Sockets
from perpmaker.venue.wire.decode import UnreadableError

WRONG_CONTENT_TYPE = "Expected request with `Content-Type: application/json`"
_HEADERS = {"access-control-allow-origin": "*"}
_TOO_MANY = 429
_WITHOUT_ENVELOPE = frozenset({"/ws", "/healthz"})


def exchange_app(desk: Desk, sockets: Sockets) -> web.Application:
    """The public side of the venue."""
    last_used_ms: WeakKeyDictionary[asyncio.Transport, int] = WeakKeyDictionary()

    async def info(request: web.Request) -> web.Response:
        return _json((await desk.info(await request.read(), ip_of(request)))[1])

    async def exchange(request: web.Request) -> web.Response:
        return _json(await desk.act(await request.read(), ip=ip_of(request)))

    async def healthz(_request: web.Request) -> web.Response:
        # Whoever cuts the exchange off on purpose must not have its process ended for it.
        return web.Response(text="ok\n")

    @web.middleware
    async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _WITHOUT_ENVELOPE:
            return await handler(request)
        if desk.board.strike(RefuseConnect, "rest"):
            return _vanish(request)
        if _was_reset_for_idling(request, desk, last_used_ms):
            return _vanish(request)
        kind = request.content_type
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            return web.Response(status=415, text=WRONG_CONTENT_TYPE, headers=_HEADERS)
        try:
            return await handler(request)
        except LostError:
            return _vanish(request)
        except UnreadableError as refused:
            retry_s = desk.doors.retry_after_s(ip_of(request)) if refused.status == _TOO_MANY else None
            return _refused(refused, {} if retry_s is None else {"Retry-After": str(retry_s)})

    app = web.Application(middlewares=[envelope])
    app.router.add_post("/info", info)
    app.router.add_post("/exchange", exchange)
    app.router.add_get("/ws", sockets.handle)
    app.router.add_get("/healthz", healthz)
    return app


def _was_reset_for_idling(
    request: web.Request, desk: Desk, last_used_ms: WeakKeyDictionary[asyncio.Transport, int]
) -> bool:
    transport, now_ms = request.transport, desk.timeline.now_ms
    if transport is None:
        return False
    idle_ms = now_ms - last_used_ms.get(transport, now_ms)
    last_used_ms[transport] = now_ms
    reset = desk.board.holding(IdleReset)
    return reset is not None and idle_ms >= reset.idle_ms and desk.board.strike(IdleReset) is not None


def observers_info(desk: Desk) -> Handler:
    """`POST /info` for whoever watches the venue itself: the same answers, without limits."""

    async def info(request: web.Request) -> web.Response:
        try:
            return _json(desk.look(await request.read()))
        except UnreadableError as refused:
            return _refused(refused, {})

    return info


def _refused(refused: UnreadableError, headers: dict[str, str]) -> web.Response:
    kind = _content_type(refused.text)
    return web.Response(status=refused.status, text=refused.text, content_type=kind, headers=_HEADERS | headers)


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", headers=_HEADERS)


def _content_type(text: str) -> str:
    if text == "null":
        return "application/json"
    return "text/html" if text.startswith("<") else "text/plain"


def _vanish(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
