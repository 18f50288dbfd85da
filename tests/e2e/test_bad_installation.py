"""What is wrong with an installation itself: one condition with a remedy and one Event each, and no noise meanwhile.

The operator runs as a process under the chart's Role, against an API server without nodes.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e import audit
from tests.e2e.api import Api, Json, condition_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.definitions import define, let_go
from tests.e2e.house import account, maker
from tests.e2e.operator_process import OPERATOR, OperatorProcess, Release, operator_process
from tests.e2e.watching import passed
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

RESYNC_S: Final = 2
WATCHED_S: Final = 6.0
"""How long what was told is watched: three resyncs, in which nothing may be told again."""
SOON_S: Final = 60.0
LINES_PER_S: Final = 1.0
"""Lines of the operator's log a second from which it counts as growing without end."""
MAKERS_CRD: Final = "marketmakers.perpmaker.io"
CERTIFICATES: Final[Json] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "Certificate", "plural": "certificates", "singular": "certificate"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace for one installation."""

    cluster: Cluster
    api: Api
    namespace: str
    folder: Path

    async def install(self, **values: Any) -> Release:
        """Give the operator its rights."""
        release = Release(self.namespace, operator={"resyncSeconds": RESYNC_S, "summarySeconds": RESYNC_S}, **values)
        await release.install(self.api)
        return release

    async def kubeconfig(self, release: Release) -> Path:
        """The operator's credentials."""
        return await release.kubeconfig(self.api, self.cluster, self.folder / "kubeconfig")

    async def apply(self, *documents: Json) -> None:
        """Apply objects into the namespace."""
        await self.api.apply(
            *({**one, "metadata": {**one["metadata"], "namespace": self.namespace}} for one in documents)
        )

    async def account(self) -> Json:
        """The account as it is now."""
        return await self.api.read("TradingAccount", "main", self.namespace)

    async def condition(self, type_: str, status: str, reason: str) -> str:
        """Wait for a condition of the account; its message."""

        async def is_so() -> Json | None:
            found = condition_of(await self.account(), type_)
            return found if (found.get("status"), found.get("reason")) == (status, reason) else None

        return str((await until(f"{type_} is {status} {reason}", is_so, within_s=SOON_S))["message"])

    async def events(self, reason: str) -> list[Json]:
        """Events about the account with a reason."""
        found = await self.api.objects("Event", self.namespace)
        return [item for item in found if item["reason"] == reason and item["involvedObject"]["name"] == "main"]

    async def told_once(self, operator: OperatorProcess, reason: str, type_: str, wanted: tuple[str, str]) -> None:
        """Wait for an Event, then watch that neither it nor the condition changes, and that the log is quiet."""

        async def posted() -> bool:
            return bool(await self.events(reason))

        await until(f"Event {reason}", posted, within_s=SOON_S)
        before = condition_of(await self.account(), type_)
        with quiet(operator):
            await passed(WATCHED_S)
        after = condition_of(await self.account(), type_)
        assert (after["status"], after["reason"]) == wanted
        assert after["lastTransitionTime"] == before["lastTransitionTime"]
        assert [item["message"] for item in await self.events(reason)] == [(await self.events(reason))[0]["message"]]


@contextmanager
def quiet(operator: OperatorProcess) -> Iterator[None]:
    """The log hardly grows meanwhile."""
    before = len(operator.lines)
    yield
    said = operator.lines[before:]
    assert len(said) < LINES_PER_S * WATCHED_S, said


@pytest_asyncio.fixture
async def place(control_cluster: Cluster, control_api: Api, tmp_path: Path) -> AsyncIterator[Place]:
    """A namespace of the test's own on a cluster with the chart's definitions, which it has again afterwards."""
    define(control_cluster)
    namespace = f"bad-{secrets.token_hex(3)}"
    async with control_api.namespace(namespace):
        try:
            yield Place(control_cluster, control_api, namespace, tmp_path)
        finally:
            define(control_cluster)
            await let_go(control_api, namespace)


async def test_an_account_on_mainnet_without_tls_is_refused_and_nothing_is_made_for_it(place: Place) -> None:
    release = await place.install()
    with operator_process(release.settings, await place.kubeconfig(release), place.folder) as operator:
        await operator.said("operator.started")
        await place.apply(
            account(network="Mainnet", address="0x" + "11" * 20, apiWallet={"secretRef": {"name": "key"}})
        )
        said = await place.condition("Accepted", "False", "InsecureTransport")
        assert "tls" in said.lower()
        await place.told_once(operator, "Invalid", "Accepted", ("False", "InsecureTransport"))
        for kind in ("Deployment", "StatefulSet", "Service", "NetworkPolicy"):
            assert await place.api.objects(kind, place.namespace) == []
        assert operator.stop() < SOON_S
        assert "Traceback" not in operator.log, operator.log
    asked = audit.requests(place.cluster, release.user)
    rights = audit.spans(place.cluster.audit(), place.namespace, OPERATOR)
    assert asked and audit.trespasses(asked, rights) == []
    assert rights[-1].has_any
    await place.api.delete("Role", OPERATOR, place.namespace)
    *_, ended = audit.spans(place.cluster.audit(), place.namespace, OPERATOR)
    assert not ended.has_any and max(one.at_s for one in asked) < ended.begin_s


async def test_certificates_that_nobody_can_make_are_told_and_made_when_somebody_can(place: Place) -> None:
    release = await place.install(
        tls={"mode": "certManager", "certManager": {"issuer": {"create": False, "name": "ca"}}},
        skipApiChecks=True,
    )
    assert release.settings["tls"]["mode"] == "certManager"
    try:
        with operator_process(release.settings, await place.kubeconfig(release), place.folder) as operator:
            await operator.said("preflight.no_certificates")
            await operator.said("operator.started")
            await place.apply(account())
            said = await place.condition("Stalled", "True", "KindMissing")
            assert "certificates (cert-manager.io/v1)" in said and "install the kind" in said
            await place.told_once(operator, "ReconcileError", "Stalled", ("True", "KindMissing"))
            await place.api.apply(CERTIFICATES)

            async def are_made() -> bool:
                kinds = "certificates.cert-manager.io"
                return "main-gateway" in place.cluster.kubectl("get", kinds, "-n", place.namespace, "-o", "name")

            await until(
                "certificates are defined",
                lambda: _is_established(place, CERTIFICATES["metadata"]["name"]),
                within_s=SOON_S,
            )
            await until("certificates are made", are_made, within_s=SOON_S)
            await place.condition("Stalled", "False", "AsWanted")
            assert len(await place.events("ReconcileError")) == 1
            assert operator.stop() < SOON_S
            assert "Traceback" not in operator.log, operator.log
    finally:
        await place.api.delete("CustomResourceDefinition", CERTIFICATES["metadata"]["name"])


async def test_a_definition_that_is_removed_is_told_once_and_waited_for(place: Place) -> None:
    release = await place.install()
    with operator_process(release.settings, await place.kubeconfig(release), place.folder) as operator:
        port = (await operator.said("operator.listening"))["health_port"]
        await place.apply(account())
        await until("children are made", lambda: _has_deployment(place, "main-risk"), within_s=SOON_S)
        await until("the operator is ready", lambda: _answers(port, "readyz", 200), within_s=SOON_S)
        # Makers that others left behind would keep the definition, and with it the kind.
        await let_go(place.api, kinds=("MarketMaker",))
        await place.api.delete("CustomResourceDefinition", MAKERS_CRD)
        await place.api.until_gone("CustomResourceDefinition", MAKERS_CRD, within_s=SOON_S)
        line = await operator.said("operator.kind_is_gone")
        assert "does not know MarketMaker" in line["reason"]
        assert "kubectl apply --server-side -f charts/perpmaker/crds" in line["reason"]
        assert await _answers(port, "readyz", 503)
        with quiet(operator):
            await passed(WATCHED_S)
        assert await _answers(port, "healthz", 200)
        assert operator.process.poll() is None
        define(place.cluster)
        await operator.said("operator.kind_is_back")
        await until("the operator is ready again", lambda: _answers(port, "readyz", 200), within_s=SOON_S)
        await place.apply(maker("eth"))

        async def is_looked_at() -> bool:
            found = await place.api.read("MarketMaker", "eth", place.namespace)
            return condition_of(found, "Accepted") != {}

        await until("a maker is looked at", is_looked_at, within_s=SOON_S)
        said = [line["event"] for line in operator.lines]
        assert said.count("operator.kind_is_gone") == 1
        assert await place.events("ReconcileError") == []
        assert operator.stop() < SOON_S
        assert "Traceback" not in operator.log, operator.log


async def _has_deployment(place: Place, name: str) -> bool:
    return await place.api.get("Deployment", name, place.namespace) is not None


async def _is_established(place: Place, definition: str) -> bool:
    found = await place.api.read("CustomResourceDefinition", definition)
    return condition_of(found, "Established").get("status") == "True"


async def _answers(port: int, path: str, code: int) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/{path}") as answer:
        return answer.status == code
