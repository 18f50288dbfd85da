"""Requests to the API server: server-side apply, get, delete, list, watch, and what a start needs to check.

One session for short requests with a bounded number of connections, so that a burst of reconciliations is spread out
instead of drowning the server, and one for watches, which live for minutes. A 429 is waited out as the server asks,
within bounds; a 401 reads the token again once. All else is the caller's to retry.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Self, cast

import aiohttp
import msgspec

from perpmaker import __version__
from perpmaker.operator.interfaces import KubeError, Manifest, Ref, Resource
from perpmaker.operator.kube.answers import (
    OPEN,
    Listing,
    VersionExpiredError,
    WatchEvent,
    event_of,
    lines_of,
    no_answer,
    refusal,
)
from perpmaker.operator.kube.credentials import Credentials
from perpmaker.operator.kube.resources import EVENT, ref_of
from perpmaker.operator.metrics import KUBE_REQUESTS
from perpmaker.operator.names import MANAGER, STATUS_MANAGER

REQUEST_TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 5.0
CONNECTIONS: Final = 8
"""For short requests; each holds half a megabyte of TLS buffers while it is open."""
PAGE: Final = 500
WATCH_SECONDS: Final = (240, 300)
"""Range of the length of one watch request; spread so that watches do not all end together."""
WATCH_SILENCE_S: Final = 75.0
"""The server mostly sends a bookmark every minute: longer silence may be a connection that died without a word."""
BUSY_TRIES: Final = 4
BUSY_WAIT_MAX_S: Final = 8.0


_REVIEW: Final = Resource("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews")

Json = Any


def path_of(resource: Resource, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
    """Path of a collection (namespace None: of the whole cluster) or of an object."""
    parts = ["api" if "/" not in resource.api_version else "apis", resource.api_version]
    if namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    parts += [part for part in (name, sub) if part]
    return "/" + "/".join(parts)


def selector(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Query that keeps to objects which carry all labels."""
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(labels.items()))} if labels else {}


class ApiServer:
    """A connection to one API server; implements `Kube`."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        on_write: Callable[[Manifest], None] | None = None,
    ) -> None:
        """`on_write` is told what an apply made of an object, before any watch does."""
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._watch_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=WATCH_SILENCE_S
        )
        self._on_write = on_write
        tls = credentials.ssl_context()
        agent = {"User-Agent": f"{MANAGER}/{__version__}", "Accept": "application/json"}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True, limit=CONNECTIONS), headers=agent
        )
        self._watches = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True, limit=0), headers=agent
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._watches.close()

    def tell_writes_to(self, on_write: Callable[[Manifest], None]) -> None:
        """Say who is told what an apply made of an object."""
        self._on_write = on_write

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with force under the operator's manager. Raises KubeError."""
        ref = ref_of(manifest)
        return await self._apply(ref, path_of(ref.resource, ref.namespace, ref.name), manifest, MANAGER, "apply")

    async def apply_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest:
        """Server-side apply of the status subresource under the status manager. Raises KubeError."""
        body = {
            "apiVersion": ref.resource.api_version,
            "kind": ref.resource.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "status": dict(status),
        }
        path = path_of(ref.resource, ref.namespace, ref.name, "status")
        return await self._apply(ref, path, body, STATUS_MANAGER, "apply_status")

    async def _apply(self, ref: Ref, path: str, body: Manifest, manager: str, verb: str) -> Manifest:
        # Strict: a field that the server would drop silently would be missing, and repaired, for ever.
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        found = await self._ask(verb, ref, "PATCH", path, query, body, "application/apply-patch+yaml")
        written = cast("Manifest", found)
        if self._on_write is not None:
            self._on_write(written)
        return written

    async def get(self, ref: Ref) -> Manifest | None:
        """The object as it is now; None when there is none. Raises KubeError."""
        try:
            found = await self._ask("get", ref, "GET", path_of(ref.resource, ref.namespace, ref.name))
        except KubeError as error:
            if error.is_absent:
                return None
            raise
        return cast("Manifest", found)

    async def delete(self, ref: Ref, *, uid: str | None = None, children_first: bool = True) -> bool:
        """Delete, in the foreground if `children_first`; False when there is none (any more). Raises KubeError.

        A TradingAccount or MarketMaker must not be deleted in the foreground: the services that have to cancel its
        orders would go first.
        """
        propagation = "Foreground" if children_first else "Background"
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        path = path_of(ref.resource, ref.namespace, ref.name)
        try:
            await self._ask("delete", ref, "DELETE", path, body=options)
        except KubeError as error:
            if error.is_absent:
                return False
            if error.status == 409 and uid is not None:
                found = await self.get(ref)
                if found is None or found["metadata"]["uid"] != uid:
                    return False
            raise
        return True

    async def add_finalizer(self, body: Manifest, finalizer: str) -> None:
        """Hold an object, if it is still in the version given. Raises KubeError, 409 where it is not."""
        ref, metadata = ref_of(body), body["metadata"]
        held = [*(metadata.get("finalizers") or ()), finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": held}}
        path = path_of(ref.resource, ref.namespace, ref.name)
        await self._ask("patch", ref, "PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def drop_finalizer(self, ref: Ref, uid: str, finalizer: str) -> None:
        """Let go of an object; fine where it is gone or not held. Raises KubeError, 422 where it changed meanwhile."""
        body = await self.get(ref)
        if (
            body is None
            or body["metadata"]["uid"] != uid
            or finalizer not in (body["metadata"].get("finalizers") or ())
        ):
            return
        where = f"/metadata/finalizers/{body['metadata']['finalizers'].index(finalizer)}"
        # The test makes sure that it is ours that goes, whoever else has shortened the list.
        patch = [{"op": "test", "path": where, "value": finalizer}, {"op": "remove", "path": where}]
        path = path_of(ref.resource, ref.namespace, ref.name)
        try:
            await self._ask("patch", ref, "PATCH", path, body=patch, content_type="application/json-patch+json")
        except KubeError as error:
            if not error.is_absent:
                raise

    async def list(self, resource: Resource, namespace: str | None, labels: Mapping[str, str] | None = None) -> Listing:
        """All objects of a kind in a namespace, or in the cluster when it is None.

        Raises KubeError, VersionExpiredError.
        """
        ref = Ref(resource, namespace or "", "")
        query = {**selector(labels), "limit": str(PAGE)}
        items: list[Manifest] = []
        while True:
            try:
                page = await self._ask("list", ref, "GET", path_of(resource, namespace), query)
            except KubeError as error:
                if error.status == 410:
                    raise VersionExpiredError(str(error)) from error
                raise
            # Items of a list do not say what they are.
            items += [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page["items"]]
            if not page["metadata"].get("continue"):
                return Listing(items, page["metadata"]["resourceVersion"])
            query["continue"] = page["metadata"]["continue"]

    async def watch(
        self, resource: Resource, namespace: str | None, version: str, labels: Mapping[str, str] | None = None
    ) -> AsyncIterator[WatchEvent]:
        """What happened since a version, until the server or the connection ends it.

        Raises KubeError, VersionExpiredError.
        """
        ref = Ref(resource, namespace or "", "")
        query = {
            **selector(labels),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),
        }
        url = self._credentials.server + path_of(resource, namespace)
        again = is_open = False
        while True:
            try:
                async with self._watches.get(
                    url, params=query, headers=self._who(again=again), timeout=self._watch_timeout
                ) as response:
                    KUBE_REQUESTS.labels("watch", resource.plural, str(response.status)).inc()
                    if response.status == 401 and not again:
                        again = True
                        continue
                    if response.status == 410:
                        raise VersionExpiredError(f"watch {resource.plural} from {version}")
                    if response.status >= 400:
                        raise refusal("watch", ref, response.status, await response.read())
                    is_open = True
                    yield WatchEvent(OPEN, {})
                    async for line in lines_of(response.content):
                        yield event_of(ref, line)
                    return
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if is_open and isinstance(error, TimeoutError):
                    return  # a quiet kind: a young server sends no bookmarks for what it has seen no change of
                raise no_answer("watch", ref, error) from error

    async def post_event(self, namespace: str, event: Manifest) -> None:
        """Create an Event. Raises KubeError."""
        ref = Ref(EVENT, namespace, event["metadata"]["name"])
        await self._ask("create", ref, "POST", path_of(EVENT, namespace), body=event)

    async def serves(self, resource: Resource) -> bool:
        """Whether the API server knows the kind. Raises KubeError."""
        prefix = "/api/" if "/" not in resource.api_version else "/apis/"
        try:
            found = await self._ask("discover", Ref(resource, "", ""), "GET", prefix + resource.api_version)
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return any(item["name"] == resource.plural for item in found.get("resources", ()))

    async def may(self, verb: str, group: str, plural: str, namespace: str | None) -> bool:
        """Whether we have a right; `plural` may name a subresource (`pods/status`). Raises KubeError."""
        name, _, sub = plural.partition("/")
        attributes = {"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": namespace or ""}
        body = {
            "apiVersion": _REVIEW.api_version,
            "kind": _REVIEW.kind,
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        found = await self._ask("create", Ref(_REVIEW, "", ""), "POST", path_of(_REVIEW), body=body)
        return bool(found["status"].get("allowed"))

    def _who(self, *, again: bool = False) -> dict[str, str]:
        token = self._credentials.token.read(again=again)
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def _ask(
        self,
        verb: str,
        ref: Ref,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        content_type: str = "application/json",
    ) -> Json:
        data = None if body is None else msgspec.json.encode(body)
        again = False
        tries = 0
        while True:
            tries += 1
            headers = self._who(again=again)
            if data is not None:
                headers["Content-Type"] = content_type
            try:
                async with self._session.request(
                    method,
                    self._credentials.server + path,
                    params=query,
                    data=data,
                    headers=headers,
                    timeout=self._timeout,
                ) as response:
                    status, payload = response.status, await response.read()
                    retry_after = response.headers.get("Retry-After")
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise no_answer(verb, ref, error) from error
            KUBE_REQUESTS.labels(verb, ref.resource.plural, str(status)).inc()
            if status == 401 and not again:
                again = True
                continue
            if status == 429 and tries < BUSY_TRIES:
                await asyncio.sleep(busy_wait_s(retry_after, tries))
                continue
            if status >= 400:
                raise refusal(verb, ref, status, payload)
            return msgspec.json.decode(payload)


def busy_wait_s(retry_after: str | None, tries: int) -> float:
    """How long to wait for a busy server: as it asks, within bounds, or a little longer each time."""
    try:
        asked_s = float(retry_after) if retry_after is not None else 0.25 * 2**tries
    except ValueError:  # a date: allowed by HTTP, never sent by Kubernetes
        asked_s = 1.0
    return min(max(asked_s, 0.0), BUSY_WAIT_MAX_S)
