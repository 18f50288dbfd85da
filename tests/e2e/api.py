"""A cluster's API as tests use it: documents in, documents out, refusals as errors with their message."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import yaml
from tests.support.waiting import until

Json = dict[str, Any]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_MANAGER: Final = "e2e-test"


class Refused(Exception):  # noqa: N818 - it is what the test asserts, not a fault
    """The API server said no."""

    def __init__(self, status: int, answer: Json) -> None:
        super().__init__(f"{status}: {answer.get('message', answer)}")
        self.status = status
        self.reason: str = answer.get("reason", "")
        self.message: str = answer.get("message", "")
        self.causes: list[Json] = (answer.get("details") or {}).get("causes") or []


@dataclass(frozen=True, slots=True)
class Resource:
    """Where objects of one kind are."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Address of a list, an object or a part of one."""
        parts = [self.prefix]
        if self.namespaced and namespace is not None:
            parts.append(f"namespaces/{namespace}")
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


class Api:
    """One user's view of a cluster. Calls raise Refused, and aiohttp's errors while the API server is away."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster = config["clusters"][0]["cluster"]
        self._server: str = cluster["server"]
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._token: str = config["users"][0]["user"]["token"]
        self._session: aiohttp.ClientSession | None = None
        self._resources: dict[str, Resource] = {}

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"}
        connector = aiohttp.TCPConnector(ssl=self._tls)
        self._session = aiohttp.ClientSession(self._server, headers=headers, connector=connector, timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # Reading.

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """An object; None when it does not exist."""
        resource = await self.resource(kind)
        try:
            return await self.request("GET", resource.path(namespace, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def read(self, kind: str, name: str, namespace: str | None = None) -> Json:
        """An object that must exist."""
        found = await self.get(kind, name, namespace)
        assert found is not None, f"no {kind} {namespace}/{name}"
        return found

    async def objects(self, kind: str, namespace: str | None = None, **selectors: str) -> list[Json]:
        """Objects of a kind, of one namespace or of all; selectors are `label` and `field`."""
        resource = await self.resource(kind)
        parameters = {f"{name}Selector": value for name, value in selectors.items()}
        items: list[Json] = (await self.request("GET", resource.path(namespace), parameters=parameters))["items"]
        return items

    async def logs(self, namespace: str, pod: str, *, previous: bool = False, lines: int = 40) -> str:
        """The end of a pod's log."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        parameters = {"tailLines": str(lines), "previous": str(previous).lower()}
        return await self._text("GET", path, parameters)

    # Writing.

    async def apply(self, *documents: Json, manager: str = _MANAGER, dry_run: bool = False) -> list[Json]:
        """Server-side apply in order; fields that are unknown or repeated are refused."""
        return [await self._apply(document, manager, None, dry_run=dry_run) for document in documents]

    async def apply_file(self, path: Path, namespace: str | None = None) -> list[Json]:
        """Apply every document of a YAML file."""
        documents = documents_of(path)
        if namespace is not None:
            documents = [{**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in documents]
        return await self.apply(*documents)

    async def apply_status(self, document: Json, manager: str = _MANAGER) -> Json:
        """Server-side apply of the status; the rest of the document only names the object."""
        return await self._apply(document, manager, "status")

    async def create(self, document: Json) -> Json:
        """Create an object; fails when it exists."""
        resource = await self.resource(document["kind"])
        path = resource.path(_namespace(document))
        return await self.request("POST", path, document, parameters={"fieldValidation": "Strict"})

    async def merge(
        self, kind: str, name: str, change: Json, namespace: str | None = None, subresource: str | None = None
    ) -> Json:
        """Merge a change into an object; None removes a field."""
        resource = await self.resource(kind)
        return await self.merge_at(resource.path(namespace, name, subresource), change)

    async def merge_at(self, path: str, change: Json) -> Json:
        """Merge a change into whatever is at an address."""
        return await self.request("PATCH", path, change, content_type="application/merge-patch+json")

    async def delete(self, kind: str, name: str, namespace: str | None = None, grace_s: int | None = None) -> None:
        """Ask for an object's end; nothing when it does not exist."""
        resource = await self.resource(kind)
        parameters = {} if grace_s is None else {"gracePeriodSeconds": str(grace_s)}
        try:
            await self.request("DELETE", resource.path(namespace, name), parameters=parameters)
        except Refused as refused:
            if refused.status != 404:
                raise

    @asynccontextmanager
    async def namespace(self, name: str, labels: dict[str, str] | None = None) -> AsyncIterator[str]:
        """A namespace for as long as the block lasts; its removal is asked for and not waited for."""
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
        try:
            yield name
        finally:
            await self.delete("Namespace", name)

    # Waiting.

    async def until_condition(
        self, kind: str, name: str, namespace: str | None, condition: str, status: str = "True", *, within_s: float
    ) -> Json:
        """The object once one of its conditions has this status."""

        async def holds() -> Json | None:
            found = await self.get(kind, name, namespace)
            return found if found is not None and condition_of(found, condition).get("status") == status else None

        what = f"{kind} {namespace}/{name} has {condition}={status}"
        return await until(what, holds, within_s=within_s, ignoring=aiohttp.ClientError)

    async def until_gone(self, kind: str, name: str, namespace: str | None = None, *, within_s: float) -> None:
        """Wait until an object does not exist."""

        async def gone() -> bool:
            return await self.get(kind, name, namespace) is None

        await until(f"{kind} {namespace}/{name} is gone", gone, within_s=within_s, ignoring=aiohttp.ClientError)

    async def until_pods(
        self, namespace: str, label: str, count: int = 1, *, ready: bool = True, within_s: float
    ) -> list[Json]:
        """The pods a label selects once there are just so many, ready or at least running, and none that ends."""

        async def there() -> list[Json] | None:
            pods = await self.objects("Pod", namespace, label=label)
            fine = [pod for pod in pods if _is_ready(pod) or (not ready and _is_running(pod))]
            return fine if len(fine) == len(pods) == count else None

        what = f"{count} pods of {namespace} with {label} are {'ready' if ready else 'running'}"
        return await until(what, there, within_s=within_s, ignoring=aiohttp.ClientError)

    # Underneath.

    async def resource(self, kind: str) -> Resource:
        """Where objects of a kind are; asks again when it is not known, since definitions come and go."""
        if kind not in self._resources:
            self._resources = await self._discover()
        if kind not in self._resources:
            raise LookupError(f"the API server knows no kind {kind}")
        return self._resources[kind]

    async def request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        parameters: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """One request with a document for an answer."""
        answer: Json = json.loads(await self._text(method, path, parameters, body, content_type))
        return answer

    async def _text(
        self,
        method: str,
        path: str,
        parameters: dict[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> str:
        assert self._session is not None, "use: async with Api(...)"
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._session.request(method, path, params=parameters, data=data, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 400:
                is_document = answer.content_type == "application/json"
                raise Refused(answer.status, json.loads(text) if is_document else {"message": text})
            return text

    async def _apply(self, document: Json, manager: str, subresource: str | None, *, dry_run: bool = False) -> Json:
        resource = await self.resource(document["kind"])
        path = resource.path(_namespace(document), document["metadata"]["name"], subresource)
        parameters = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            parameters["dryRun"] = "All"
        return await self.request(
            "PATCH", path, document, parameters=parameters, content_type="application/apply-patch+yaml"
        )

    async def _discover(self) -> dict[str, Resource]:
        groups = (await self.request("GET", "/apis"))["groups"]
        prefixes = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        answers = await asyncio.gather(*(self.request("GET", prefix) for prefix in prefixes))
        found: dict[str, Resource] = {}
        for prefix, answer in zip(prefixes, answers, strict=True):
            for one in answer["resources"]:
                if "/" not in one["name"]:
                    # The first group wins: Event and a few others live in two.
                    found.setdefault(one["kind"], Resource(prefix, one["name"], one["namespaced"]))
        return found


def documents_of(path: Path) -> list[Json]:
    """The documents of a YAML file that are not empty."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def condition_of(document: Json, name: str) -> Json:
    """One of an object's conditions; empty when it has none of that name."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == name), {})


def _namespace(document: Json) -> str:
    return str(document["metadata"].get("namespace", "default"))


def _is_running(pod: Json) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _is_ready(pod: Json) -> bool:
    return _is_running(pod) and condition_of(pod, "Ready").get("status") == "True"
