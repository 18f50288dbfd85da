"""A namespace on the fake API server or on a real one, and the hands of its administrator."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.support.kube.kinds import KINDS
from tests.support.kube.server import ADMIN, FakeApiServer
from tests.support.waiting import until

from perpmaker.operator.interfaces import Manifest, Ref, Resource
from perpmaker.operator.kube.client import ApiServer, path_of
from perpmaker.operator.kube.credentials import Credentials, Token, from_kubeconfig
from perpmaker.operator.kube.resources import KOPF_PEERING, ref_of

__all__ = ["KINDS", "KOPF_PEERING", "Bench", "Ref", "bench", "fake_bench", "real_bench"]

REAL = "PERPMAKER_TEST_KUBECONFIG"
"""Environment variable with the kubeconfig of a cluster whose administrator we are."""
CRDS = Path(__file__).parents[3] / "charts" / "perpmaker" / "crds"


class Bench:
    """What a test needs of an API server, in the same words for both kinds."""

    def __init__(self, credentials: Credentials, namespace: str, fake: FakeApiServer | None) -> None:
        self.credentials = credentials
        self.namespace = namespace
        self.fake = fake
        self.api = ApiServer(credentials)
        tls = credentials.ssl_context()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True))

    async def close(self) -> None:
        """Close connections."""
        await self.api.close()
        await self._session.close()

    def as_operator(self, user: str = "operator") -> Credentials:
        """Credentials that the fake does not take for the administrator's."""
        assert self.fake is not None
        return Credentials(self.fake.url, Token(user))

    async def ask(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Any request as the administrator; returns code and answer."""
        headers = {"Authorization": f"Bearer {self.credentials.token.read()}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, self.credentials.server + path, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object in the bench's namespace."""
        manifest["metadata"]["namespace"] = self.namespace
        ref = ref_of(manifest)
        code, found = await self.ask("POST", path_of(ref.resource, ref.namespace), manifest)
        assert code == 201, found
        return dict(found)

    async def patch(self, ref: Ref, patch: Any, *, sub: str | None = None) -> Manifest:
        """Merge-patch an object."""
        path = path_of(ref.resource, ref.namespace, ref.name, sub)
        code, found = await self.ask("PATCH", path, patch, "application/merge-patch+json")
        assert code == 200, found
        return dict(found)

    async def delete(self, ref: Ref) -> None:
        """Delete an object; one that is gone is fine."""
        code, found = await self.ask("DELETE", path_of(ref.resource, ref.namespace, ref.name))
        assert code in {200, 202, 404}, found

    async def get(self, ref: Ref) -> Manifest | None:
        """An object as it is now."""
        code, found = await self.ask("GET", path_of(ref.resource, ref.namespace, ref.name))
        return dict(found) if code == 200 else None

    async def names(self, resource: Resource) -> list[str]:
        """What there is of a kind."""
        _code, found = await self.ask("GET", path_of(resource, self.namespace))
        return [item["metadata"]["name"] for item in found["items"]]

    async def events(self, reason: str | None = None) -> list[Manifest]:
        """Events that were posted."""
        _code, found = await self.ask("GET", f"/api/v1/namespaces/{self.namespace}/events")
        return [event for event in found["items"] if reason in {None, event["reason"]}]

    def ref(self, resource: Resource, name: str) -> Ref:
        """An object in the bench's namespace."""
        return Ref(resource, self.namespace, name)

    async def allow_peering(self) -> None:
        """Create the object by which copies of the operator see each other."""
        await self.create(
            {"apiVersion": KOPF_PEERING.api_version, "kind": KOPF_PEERING.kind, "metadata": {"name": "perpmaker"}}
        )


@contextlib.asynccontextmanager
async def fake_bench() -> AsyncIterator[Bench]:
    """A bench on a fake API server of its own."""
    async with FakeApiServer() as server:
        bench = Bench(Credentials(server.url, Token(ADMIN)), "trading", server)
        try:
            yield bench
        finally:
            await bench.close()


@contextlib.asynccontextmanager
async def real_bench() -> AsyncIterator[Bench]:
    """A namespace of its own on the cluster of $PERPMAKER_TEST_KUBECONFIG; skips where there is none."""
    named = os.environ.get(REAL)
    if not named:
        pytest.skip(f"no real API server: set {REAL} to the kubeconfig of a cluster")
    bench = Bench(from_kubeconfig(Path(named)), f"t-{uuid.uuid4().hex[:8]}", None)
    try:
        await _install_crds(bench)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}}
        code, found = await bench.ask("POST", "/api/v1/namespaces", space)
        assert code == 201, found
        yield bench
    finally:
        await bench.ask("DELETE", f"/api/v1/namespaces/{bench.namespace}")
        await bench.close()


@contextlib.asynccontextmanager
async def bench(which: str) -> AsyncIterator[Bench]:
    """A bench by the name of its kind: fake or real."""
    async with fake_bench() if which == "fake" else real_bench() as found:
        yield found


async def _install_crds(bench: Bench) -> None:
    group = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    documents = [yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*.yaml"))]
    if not any(document["metadata"]["name"] == "kopfpeerings.kopf.dev" for document in documents):
        documents.append(_PEERING_CRD)
    for document in documents:
        name = document["metadata"]["name"]
        query = "?fieldManager=tests&force=true"
        code, found = await bench.ask("PATCH", f"{group}/{name}{query}", document, "application/apply-patch+yaml")
        assert code in {200, 201}, found

        async def established(name: str = name) -> bool:
            _code, found = await bench.ask("GET", f"{group}/{name}")
            conditions = (found.get("status") or {}).get("conditions") or ()
            return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

        await until(f"{name} to be served", established, within_s=20)


_PEERING_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "kopfpeerings.kopf.dev"},
    "spec": {
        "group": "kopf.dev",
        "scope": "Namespaced",
        "names": {"kind": "KopfPeering", "plural": "kopfpeerings", "singular": "kopfpeering"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}
