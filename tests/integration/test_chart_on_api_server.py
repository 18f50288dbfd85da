"""The chart on a real API server: installed, upgraded and removed by Helm, with the policies of the house in force.

Needs PERPMAKER_TEST_KUBECONFIG; no pod has to run.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import helm_python
import pytest
from tests.support.api import account_document, changed, maker_document
from tests.support.chart import CHART
from tests.support.kube.bench import REAL, Bench, real_bench
from tests.support.waiting import until

from perpmaker.operator.kube.client import path_of
from perpmaker.operator.kube.resources import MARKET_MAKER, TRADING_ACCOUNT, ref_of

LEFT_ALONE = {"uninstall": {"enabled": False}}
"""Without the hook, which needs a node to run on."""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with real_bench() as found:
        yield found


@contextmanager
def _installed(bench: Bench, values: dict[str, Any]) -> Iterator[helm_python.Config]:
    """A release named like its namespace, so that nothing cluster-wide is shared with another."""
    config = helm_python.Config(kubeconfig_path=os.environ[REAL], namespace=bench.namespace)
    config.install(CHART, bench.namespace, {**LEFT_ALONE, **values}, namespace=bench.namespace, timeout=60)
    try:
        yield config
    finally:
        config.uninstall(bench.namespace, timeout=60)


async def _created(bench: Bench, document: dict[str, Any]) -> None:
    assert await _create(bench, document) == (201, "")


async def _create(bench: Bench, document: dict[str, Any], *, dry: bool = False) -> tuple[int, str]:
    document = changed(document, {"metadata.namespace": bench.namespace})
    ref = ref_of(document)
    query = "?dryRun=All" if dry else ""
    code, found = await bench.ask("POST", path_of(ref.resource, bench.namespace) + query, document)
    return code, found.get("message", "")


async def _patch(bench: Bench, path: str, patch: dict[str, Any], user: str | None = None) -> tuple[int, str]:
    """A merge patch, as somebody else where one is named."""
    headers = {
        "Authorization": f"Bearer {bench.credentials.token.read()}",
        "Content-Type": "application/merge-patch+json",
        **({"Impersonate-User": user} if user else {}),
    }
    tls = bench.credentials.ssl_context() or True
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.patch(bench.credentials.server + path, json=patch, ssl=tls) as answer,
    ):
        return answer.status, (await answer.json()).get("message", "")


async def _bind(bench: Bench, role: str, user: str) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{bench.namespace}/rolebindings"
    code, found = await bench.ask("POST", path, binding)
    assert code == 201, found


async def test_an_upgrade_keeps_the_stores_passwords_and_removal_leaves_the_kinds(bench: Bench) -> None:
    secret = f"/api/v1/namespaces/{bench.namespace}/secrets/perpmaker-store"
    with _installed(bench, {"nameOverride": "chart"}) as config:
        _, before = await bench.ask("GET", secret)
        config.upgrade(
            CHART,
            bench.namespace,
            {**LEFT_ALONE, "nameOverride": "chart", "operator": {"logLevel": "debug"}},
            namespace=bench.namespace,
            timeout=60,
        )
        _, after = await bench.ask("GET", secret)
        _, operator = await bench.ask(
            "GET", f"/api/v1/namespaces/{bench.namespace}/configmaps/{bench.namespace}-chart-operator"
        )
        assert '"log_level": "debug"' in operator["data"]["operator.json"]
        assert set(before["data"]) == {"users.acl", "order-state-password", "risk-password"}
        assert after["data"] == before["data"]
    assert (await bench.ask("GET", secret))[0] == 404
    assert await bench.names(MARKET_MAKER) == []


async def test_objects_made_with_the_release_survive_its_upgrade(bench: Bench) -> None:
    values = {
        "account": {"create": True, "spec": account_document()["spec"]},
        "marketMakers": {"eth": maker_document()["spec"]},
    }
    with _installed(bench, values) as config:
        before = await bench.get(bench.ref(MARKET_MAKER, "eth"))
        config.upgrade(CHART, bench.namespace, {**LEFT_ALONE, **values}, namespace=bench.namespace, timeout=60)
        after = await bench.get(bench.ref(MARKET_MAKER, "eth"))
        assert before is not None
        assert after is not None
        assert (after["metadata"]["uid"], after["metadata"]["generation"]) == (before["metadata"]["uid"], 1)
        assert await bench.names(TRADING_ACCOUNT) == ["main"]


async def test_an_account_on_mainnet_needs_a_labelled_namespace(bench: Bench) -> None:
    mainnet = changed(
        account_document(),
        {
            "spec.network": "Mainnet",
            "spec.address": "0x" + "ab" * 20,
            "spec.apiWallet": {"secretRef": {"name": "wallet"}},
        },
    )
    label = {"metadata": {"labels": {"perpmaker.io/mainnet": "allowed"}}}
    with _installed(bench, {"admission": {"mainnet": {"enabled": True}}}):

        async def refused() -> bool:
            code, message = await _create(bench, mainnet, dry=True)
            return code == 403 and "namespaces labelled perpmaker.io/mainnet=allowed" in message

        await until("the policy to be in force", refused)
        await _created(bench, account_document("simulated"))
        assert await _patch(bench, f"/api/v1/namespaces/{bench.namespace}", label) == (200, "")

        async def allowed() -> bool:
            return (await _create(bench, mainnet, dry=True))[0] == 201

        await until("the label to count", allowed)


async def test_a_ceiling_holds_for_what_rises_above_it_and_never_for_pausing(bench: Bench) -> None:
    maker = path_of(MARKET_MAKER, bench.namespace, "eth")
    ceilings = {"enabled": True, "values": {"maxOrderNotional": "200", "maxGrossNotional": "60000"}}
    await _created(bench, maker_document())
    with _installed(bench, {"admission": {"ceilings": ceilings}}):

        async def refused() -> bool:
            code, message = await _patch(bench, maker + "?dryRun=All", {"spec": {"quoting": {"orderNotional": "251"}}})
            return code == 422 and "spec.quoting.orderNotional is above the ceiling of this namespace, 200" in message

        await until("the policy to be in force", refused)
        assert await _patch(bench, maker, {"spec": {"mode": "Paused"}}) == (200, "")
        assert await _patch(bench, maker, {"spec": {"quoting": {"orderNotional": "220"}}}) == (200, "")
        await _created(bench, account_document())
        code, message = await _create(bench, changed(account_document("big"), {"spec.risk.maxGrossNotional": "60001"}))
        assert (code, "maxGrossNotional" in message) == (422, True)
        own = {"metadata": {"annotations": {"perpmaker.io/max-gross-notional": "70000"}}}
        assert await _patch(bench, f"/api/v1/namespaces/{bench.namespace}", own) == (200, "")

        async def allowed() -> bool:
            big = changed(account_document("big"), {"spec.risk.maxGrossNotional": "60001"})
            return (await _create(bench, big, dry=True))[0] == 201

        await until("the namespace's own ceiling to count", allowed)


async def test_only_an_account_admin_acknowledges_a_trip(bench: Bench) -> None:
    maker = path_of(MARKET_MAKER, bench.namespace, "eth")
    acknowledge = {"spec": {"killSwitch": {"acknowledgedTrip": "trip-1"}}}
    await _created(bench, maker_document())
    with _installed(bench, {"admission": {"rearm": {"enabled": True}}}):
        prefix = f"{bench.namespace}-perpmaker"
        await _bind(bench, f"{prefix}-trader", "tina")
        await _bind(bench, f"{prefix}-account-admin", "ada")

        async def refused() -> bool:
            code, message = await _patch(bench, maker + "?dryRun=All", acknowledge, "tina")
            return code == 403 and "needs the verb rearm" in message

        await until("the policy to be in force", refused)
        assert await _patch(bench, maker, {"spec": {"mode": "Paused"}}, "tina") == (200, "")
        assert await _patch(bench, maker, acknowledge, "ada") == (200, "")
        # What was acknowledged stays acknowledged, whoever writes the object next.
        assert await _patch(bench, maker, {"spec": {"mode": "Active"}}, "tina") == (200, "")
        code, _ = await _patch(bench, path_of(TRADING_ACCOUNT, bench.namespace, "main"), acknowledge, "tina")
        assert code == 403
