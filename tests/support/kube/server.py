"""An API server on loopback over `Cluster`: paths, verbs, watches, rights, and every way in which it can misbehave."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import yaml
from aiohttp import web
from tests.support.kube import answers, patches
from tests.support.kube.cluster import Cluster, Json, Refused
from tests.support.kube.kinds import Kind
from tests.support.kube.selectors import seen_through, selector
from tests.support.kube.served import NotServed, discovery, parse

ADMIN = "admin"
_WRITES = frozenset({"create", "patch", "update", "delete"})


@dataclass(slots=True)
class Fault:
    """What happens to the next matching requests instead of, or before, an answer."""

    verb: str | None = None
    plural: str | None = None
    status: int | None = None
    """Answer this code; None: answer as usual, after the delay."""
    times: int = 1
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    hang_up: bool = False
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was answered."""

    user: str
    verb: str
    plural: str
    namespace: str
    name: str
    sub: str
    code: int

    @property
    def is_write(self) -> bool:
        """Whether it changes anything; reviews and Events do not count."""
        return self.verb in _WRITES and self.plural not in {"selfsubjectaccessreviews", "events"}


class FakeApiServer:
    """Start with `async with`; `tokens` maps bearer tokens to users."""

    def __init__(self) -> None:
        self.cluster = Cluster(on_change=self._changed)
        self.tokens = {ADMIN: ADMIN, "operator": "operator", "other": "other"}
        self.faults: list[Fault] = []
        self.denied: set[tuple[str, str]] = set()
        """Verb and plural (with `/status`) that only the admin may."""
        self.asked: list[Asked] = []
        self.requests: Counter[str] = Counter()
        """How many requests each user has made, those for kinds that are not served and for discovery among them."""
        self.bookmark_s = 0.2
        self._news = asyncio.Condition()
        self._gates: set[asyncio.Event] = set()
        self._streams: set[web.StreamResponse] = set()
        self._collecting: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, also while it is stopped."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections and break those that are open."""
        self.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def drop_watches(self) -> None:
        """Break every watch without a word."""
        for stream in tuple(self._streams):
            transport = stream._req.transport if stream._req is not None else None  # type: ignore[union-attr]
            if transport is not None:
                transport.abort()
        self._streams.clear()

    def expire(self) -> None:
        """Forget the past: every watch that goes on from a version is told 410."""
        self.cluster.expired_before = self.cluster.version + 1
        self.cluster.version += 1

    def remove_kind(self, plural: str) -> None:
        """Serve a kind no more, as after the removal of its definition; what there was of it stays for its return."""
        self.cluster.hidden.add(plural)
        self.drop_watches()

    def fail(self, status: int, verb: str | None = None, plural: str | None = None, **more: Any) -> Fault:
        """Answer matching requests with an error."""
        fault = Fault(verb, plural, status, **more)
        self.faults.append(fault)
        return fault

    def writes_by(self, user: str) -> list[Asked]:
        """What a user has changed."""
        return [one for one in self.asked if one.user == user and one.is_write and one.code < 400]

    # -- one request -----------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return answers.status(401, "Unauthorized", "Unauthorized")
        self.requests[user] += 1
        found = discovery(request.path, self.cluster.hidden)
        if found is not None:
            return web.json_response(found)
        try:
            kind, namespace, name, sub = parse(request.path, self.cluster.hidden)
            verb = _verb(request, name)
        except NotServed:
            return web.Response(status=404, text="404 page not found\n")
        except Refused as refusal:
            return answers.status(refusal.code, refusal.reason, refusal.message)
        response = await self._answer(request, user, kind, namespace, name, sub, verb)
        self.asked.append(Asked(user, verb, kind.plural, namespace or "", name, sub, response.status))
        return response

    async def _answer(
        self, request: web.Request, user: str, kind: Kind, namespace: str | None, name: str, sub: str, verb: str
    ) -> web.StreamResponse:
        fault = self._fault(user, verb, kind.plural)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.hang_up:
                assert request.transport is not None
                request.transport.abort()
            if fault.status is not None:
                return answers.status(
                    fault.status,
                    answers.REASONS.get(fault.status, "Unknown"),
                    "as told by the test",
                    headers=fault.headers,
                )
        plural = f"{kind.plural}/{sub}" if sub else kind.plural
        if not self._may(user, verb, plural):
            message = f'{plural}.{kind.group} is forbidden: User "{user}" cannot {verb} resource'
            return answers.status(403, "Forbidden", message)
        try:
            if verb == "watch":
                return await self._watch(request, kind, namespace)
            code, body = await self._do(request, user, kind, namespace, name, sub, verb)
        except Refused as refusal:
            return answers.status(refusal.code, refusal.reason, refusal.message, refusal.causes, name=refusal.name)
        return web.json_response(body, status=code)

    async def _do(
        self, request: web.Request, user: str, kind: Kind, namespace: str | None, name: str, sub: str, verb: str
    ) -> tuple[int, Json]:
        cluster, key = self.cluster, (namespace or "", name)
        manager = request.query.get("fieldManager", user)
        match verb:
            case "get":
                return 200, answers.shown(kind, cluster.get(kind, key))
            case "list":
                return 200, self._list(request, kind, namespace)
            case "create":
                body = await request.json()
                if kind.kind == "SelfSubjectAccessReview":
                    return 201, self._review(user, body)
                return 201, answers.shown(kind, cluster.create(kind, namespace or "", body, manager))
            case "delete":
                text = await request.text()
                return 200, answers.shown(kind, cluster.delete(kind, key, json.loads(text) if text else {}))
            case "update":
                wanted = await request.json()
                return 200, answers.shown(kind, cluster.write(kind, key, sub, manager, lambda _live: wanted))
            case _:
                return await self._patch(request, user, kind, key, sub, manager)

    async def _patch(
        self, request: web.Request, user: str, kind: Kind, key: tuple[str, str], sub: str, manager: str
    ) -> tuple[int, Json]:
        patch = yaml.safe_load(await request.read())
        match request.content_type:
            case "application/apply-patch+yaml":
                if key not in self.cluster._objects[kind] and not sub and not self._may(user, "create", kind.plural):
                    raise Refused(403, "Forbidden", f'{kind.plural} is forbidden: User "{user}" cannot create resource')
                force = request.query.get("force") == "true"
                applied, is_new = self.cluster.apply(kind, key, sub, manager, patch, force=force)
                return 201 if is_new else 200, answers.shown(kind, applied)
            case "application/merge-patch+json":
                change: Callable[[Json], Json] = lambda live: patches.merge_patch(live, patch)  # noqa: E731
            case "application/json-patch+json":
                change = lambda live: patches.json_patch(live, patch)  # noqa: E731
            case other:
                raise Refused(415, "UnsupportedMediaType", f"patches of type {other} are not understood")
        return 200, answers.shown(kind, self.cluster.write(kind, key, sub, manager, change))

    def _list(self, request: web.Request, kind: Kind, namespace: str | None) -> Json:
        items = self.cluster.items(kind, namespace, selector(request))
        start = int(request.query.get("continue") or 0)
        limit = int(request.query.get("limit") or 0) or len(items)
        more = {"continue": str(start + limit)} if start + limit < len(items) else {}
        return {
            "apiVersion": kind.api_version,
            "kind": f"{kind.kind}List",
            "metadata": {"resourceVersion": str(self.cluster.version), **more},
            "items": [answers.unnamed(item) for item in items[start : start + limit]],
        }

    # -- watches ---------------------------------------------------------------------------

    async def _watch(self, request: web.Request, kind: Kind, namespace: str | None) -> web.StreamResponse:
        try:
            seconds = int(request.query.get("timeoutSeconds") or 3600)
        except ValueError as error:
            raise Refused(400, "BadRequest", f"timeoutSeconds: {error}") from error
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._streams.add(response)
        try:
            await self._stream(request, response, kind, namespace, seconds)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._streams.discard(response)
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, kind: Kind, namespace: str | None, seconds: int
    ) -> None:
        loop = asyncio.get_running_loop()
        matches = selector(request)
        since = int(request.query.get("resourceVersion") or 0)
        ends_at = loop.time() + seconds
        wants_bookmarks = request.query.get("allowWatchBookmarks") == "true"
        while loop.time() < ends_at:
            if since < self.cluster.expired_before:
                gone = {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "code": 410,
                    "reason": "Expired",
                    "message": f"too old resource version: {since}",
                }
                return await answers.line(response, "ERROR", gone)
            news = [e for e in self.cluster.history if e.version > since and e.kind is kind]
            since = self.cluster.version
            for entry in news:
                if namespace in {None, entry.object["metadata"].get("namespace", "")}:
                    told = seen_through(entry, matches)
                    if told is not None:
                        await answers.line(response, told[0], answers.shown(kind, told[1]))
            if not await self._wait_for_news(since, min(self.bookmark_s, ends_at - loop.time())) and wants_bookmarks:
                mark = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {"resourceVersion": str(since)}}
                await answers.line(response, "BOOKMARK", mark)
        return None

    async def _wait_for_news(self, since: int, timeout_s: float) -> bool:
        gate = asyncio.Event()
        self._gates.add(gate)
        try:
            if self.cluster.version > since:
                return True
            async with asyncio.timeout(max(timeout_s, 0)):
                await gate.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._gates.discard(gate)

    def _changed(self) -> None:
        for gate in self._gates:
            gate.set()
        # The garbage collector is another program: it comes a little later, once for all that happened meanwhile.
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.get_running_loop().create_task(self._collect())

    async def _collect(self) -> None:
        await asyncio.sleep(0.01)
        found = True
        while found:
            found = self.cluster.collect()

    # -- small helpers ---------------------------------------------------------------------

    def _fault(self, user: str, verb: str, plural: str) -> Fault | None:
        for fault in self.faults:
            fits = fault.verb in {None, verb} and fault.plural in {None, plural} and fault.user in {None, user}
            if fits and (fault.user is not None or user != ADMIN):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _may(self, user: str, verb: str, plural: str) -> bool:
        return user == ADMIN or (verb, plural) not in self.denied

    def _review(self, user: str, body: Json) -> Json:
        asked = body["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        return {**body, "status": {"allowed": self._may(user, asked["verb"], plural)}}


def _verb(request: web.Request, name: str) -> str:
    match request.method:
        case "GET" if request.query.get("watch") in {"true", "1"}:
            return "watch"
        case "GET":
            return "get" if name else "list"
        case method:
            verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
            if method not in verbs:
                raise Refused(405, "MethodNotAllowed", method)
            return verbs[method]
