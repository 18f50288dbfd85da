"""200 MarketMakers on 10 accounts: what they cost the API server and the operator. Pods are not run.

Every figure of requests is read from the API server's audit log. What the operator writes to tell its peers that it
lives is none of an object's cost and is counted apart.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from tests.e2e import audit
from tests.e2e.api import Api, Json
from tests.e2e.audit import Request
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.definitions import define, let_go
from tests.e2e.house import account, maker
from tests.e2e.measure import Measure
from tests.e2e.operator_process import OperatorProcess, Release, operator_process
from tests.e2e.watching import passed
from tests.support.waiting import until

from perpmaker.operator import names

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ACCOUNTS: Final = 10
MAKERS: Final = 200
AT_ONCE: Final = 16
RSS_BUDGET_MB: Final = 120
QUIET_S: Final = 60.0
"""How long nothing may be written."""
PEERING: Final = "kopfpeerings"
START_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The objects, in a namespace of their own."""

    cluster: Cluster
    api: Api
    release: Release

    @property
    def namespace(self) -> str:
        """Where they are."""
        return self.release.namespace

    def asked(self, since_s: float) -> list[Request]:
        """What the operator has asked of the API server, its peering left out."""
        found = audit.requests(self.cluster, self.release.user, since_s)
        return [request for request in found if request.resource != PEERING]

    def writes(self, since_s: float) -> list[Request]:
        """What of it may have changed something."""
        return [request for request in self.asked(since_s) if request.is_write]

    async def create(self) -> None:
        """Apply all of them."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def place(document: Json) -> None:
            async with gate:
                await self.api.apply({**document, "metadata": {**document["metadata"], "namespace": self.namespace}})

        await asyncio.gather(*(place(account(f"a{number}")) for number in range(ACCOUNTS)))
        await asyncio.gather(*(place(maker(f"m{n}", f"a{n % ACCOUNTS}")) for n in range(MAKERS)))

    async def is_reconciled(self) -> bool:
        """Whether every object has its children, and conditions of its newest generation."""
        owners = [item for kind in ("TradingAccount", "MarketMaker") for item in await self._objects(kind)]
        if len(owners) < ACCOUNTS + MAKERS or not all(map(_is_reported, owners)):
            return False
        deployments = {item["metadata"]["name"] for item in await self._objects("Deployment")}
        wanted = {f"m{n}-quoter" for n in range(MAKERS)} | {
            f"a{n}-{role}" for n in range(ACCOUNTS) for role in ("gateway", "order-state", "risk", "venue")
        }
        return wanted <= deployments

    async def _objects(self, kind: str) -> Sequence[Json]:
        return await self.api.objects(kind, self.namespace)

    async def is_still(self, for_s: float, within_s: float) -> None:
        """Wait until nothing was written for a while."""

        async def still() -> bool:
            return not self.writes(time.time() - for_s)

        await until(f"nothing is written for {for_s} s", still, within_s=within_s)


def _is_reported(item: Json) -> bool:
    status = item.get("status") or {}
    return bool(status.get("conditions")) and status.get("observedGeneration") == item["metadata"]["generation"]


@pytest_asyncio.fixture
async def fleet(control_cluster: Cluster, control_api: Api) -> AsyncIterator[Fleet]:
    """A namespace with the operator's rights and no object yet."""
    define(control_cluster)
    release = Release(f"fleet-{secrets.token_hex(3)}")
    async with control_api.namespace(release.namespace):
        await release.install(control_api)
        yield Fleet(control_cluster, control_api, release)
        await let_go(control_api, release.namespace)


async def test_two_hundred_makers_cost_little_and_at_rest_nothing(
    fleet: Fleet, tmp_path: Path, measured: Measure
) -> None:
    kubeconfig = await fleet.release.kubeconfig(fleet.api, fleet.cluster, tmp_path / "kubeconfig")
    with operator_process(fleet.release.settings, kubeconfig, tmp_path) as operator:
        await operator.said("operator.started")
        measured("operator's memory with no object", f"{operator.rss_mb:.0f} MB")
        await _all_are_reconciled(fleet, operator, measured)
        await _nothing_is_written_at_rest(fleet, operator, measured)
        await _a_change_of_one_is_not_slowed_by_the_rest(fleet, measured)
        measured(f"operator's memory with {MAKERS} makers ({RSS_BUDGET_MB} MB)", f"{operator.rss_mb:.0f} MB")
        assert operator.rss_mb < RSS_BUDGET_MB
        assert operator.stop() < 30
        assert "Traceback" not in operator.log
    with operator_process(fleet.release.settings, kubeconfig, tmp_path, "restarted") as operator:
        await _a_restart_writes_to_no_child(fleet, operator, measured)
        assert operator.rss_mb < RSS_BUDGET_MB
        assert "Traceback" not in operator.log


async def _all_are_reconciled(fleet: Fleet, operator: OperatorProcess, measured: Measure) -> None:
    began, cpu_s = time.time(), operator.cpu_s
    await fleet.create()
    created_s = time.time() - began
    await until("every object is reconciled", fleet.is_reconciled, within_s=START_S)
    took_s = time.time() - began
    measured(f"{MAKERS} makers on {ACCOUNTS} accounts created in", f"{created_s:.1f} s")
    measured(f"{MAKERS} makers on {ACCOUNTS} accounts reconciled in", f"{took_s:.1f} s")
    await fleet.is_still(for_s=5, within_s=START_S)
    used_s = operator.cpu_s - cpu_s
    asked = fleet.asked(began)
    objects = ACCOUNTS + MAKERS
    verbs = Counter(request.verb for request in asked)
    told = ", ".join(f"{verb} {count / objects:.1f}" for verb, count in verbs.most_common())
    measured("API calls per account or maker to get there", f"{len(asked) / objects:.1f} ({told})")
    measured("of them patches", _told(request for request in asked if request.verb == "patch"))
    measured("of them refused", _told(request for request in asked if request.code >= 400 and request.verb != "get"))
    measured("operator's processor time to get there", f"{used_s:.1f} s")
    measured("operator's memory then", f"{operator.rss_mb:.0f} MB")


async def _nothing_is_written_at_rest(fleet: Fleet, operator: OperatorProcess, measured: Measure) -> None:
    began, cpu_s = time.time(), operator.cpu_s
    # The audit log keeps all of it, so nothing is missed by looking at the end.
    await passed(QUIET_S)
    used_s, asked, writes = operator.cpu_s - cpu_s, fleet.asked(began), fleet.writes(began)
    measured("writes in a minute at rest, peering apart (0)", f"{len(writes)} (all calls: {_told(asked)})")
    measured("operator's processor at rest", f"{100 * used_s / QUIET_S:.1f} % of a core")
    assert writes == []


async def _a_change_of_one_is_not_slowed_by_the_rest(fleet: Fleet, measured: Measure) -> None:
    began, written = time.monotonic(), time.time()
    await fleet.api.merge("MarketMaker", "m7", {"spec": {"quoting": {"orderNotional": "321"}}}, fleet.namespace)

    async def there() -> bool:
        config = await fleet.api.read("ConfigMap", "m7-quoter-config", fleet.namespace)
        return "321" in config["data"][names.PART_FILE]

    await until("the change is in the ConfigMap", there, within_s=20)
    measured(f"change of one of {MAKERS} makers to its ConfigMap (1 s)", f"{time.monotonic() - began:.2f} s")
    await fleet.is_still(for_s=5, within_s=60)
    touched = {request.name for request in fleet.writes(written) if request.resource == "configmaps"}
    assert touched <= {"m7-quoter-config", "a7-risk-config", "a7-order-state-config", "a7-gateway-config"}


async def _a_restart_writes_to_no_child(fleet: Fleet, operator: OperatorProcess, measured: Measure) -> None:
    began = time.time()
    await operator.said("operator.started")
    # A resync later everything was looked at.
    await passed(fleet.release.settings["resync_seconds"] + 5)
    writes = fleet.writes(began)
    to_children = [request for request in writes if not request.resource.endswith("/status")]
    measured("writes to children after a restart of the operator (0)", f"{len(to_children)}")
    measured("writes to status after a restart of the operator", f"{len(writes) - len(to_children)}")
    measured("operator's memory after a restart", f"{operator.rss_mb:.0f} MB")
    assert to_children == []


def _told(asked: Iterable[Request]) -> str:
    return ", ".join(f"{count} {what}" for what, count in audit.by_verb(asked).most_common()) or "none"
