"""The whole operator, decisions included, on an API server without nodes: what it makes, that it rests, how it goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.support.api import account_document, changed, maker_document
from tests.support.kube import bench as benches
from tests.support.kube.bench import Bench
from tests.support.kube.operator import settings_for
from tests.support.waiting import until

from perpmaker.operator.interfaces import Ref
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.resources import DEPLOYMENT, MARKET_MAKER, SERVICE, STATEFUL_SET, TRADING_ACCOUNT
from perpmaker.operator.metrics import KUBE_REQUESTS
from perpmaker.operator.reconcile import build
from perpmaker.operator.runtime.engine import Engine

DEPLOYMENTS = {"eth-quoter", "main-gateway", "main-order-state", "main-risk", "main-venue"}


@pytest.fixture(params=["fake", "real"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with benches.bench(request.param) as found:
        yield found


@contextlib.asynccontextmanager
async def operator(bench: Bench) -> AsyncIterator[Engine]:
    """The operator as it is shipped."""
    who = bench.as_operator() if bench.fake is not None else bench.credentials
    async with ApiServer(who, request_timeout_s=5.0) as api:
        engine = Engine(settings_for(bench, resync_s=2.0), who, api, build, instance="op")
        stop = asyncio.Event()
        task = asyncio.create_task(engine.run(stop))
        try:
            yield engine
        finally:
            stop.set()
            await asyncio.wait((task,), timeout=20)
            task.result()


async def reason(bench: Bench, ref: Ref, type_: str) -> str:
    found = await bench.get(ref) or {}
    listed = (found.get("status") or {}).get("conditions") or ()
    return next((item["reason"] for item in listed if item["type"] == type_), "")


def writes() -> float:
    """Requests that change something, so far."""
    (family,) = KUBE_REQUESTS.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["verb"] not in ("get", "list", "watch")
    )


async def test_children_are_made_then_nothing_is_written_and_all_goes_in_order(bench: Bench) -> None:
    space = {"metadata.namespace": bench.namespace}
    account, maker = bench.ref(TRADING_ACCOUNT, "main"), bench.ref(MARKET_MAKER, "eth")
    async with operator(bench):
        await bench.create(changed(account_document("main"), space))
        await bench.create(changed(maker_document("eth", "ETH"), space))

        async def all_made() -> bool:
            return set(await bench.names(DEPLOYMENT)) == DEPLOYMENTS

        await until("all Deployments", all_made, within_s=15)
        assert set(await bench.names(STATEFUL_SET)) == {"main-store"}
        quoter = await bench.get(bench.ref(DEPLOYMENT, "eth-quoter"))
        assert quoter is not None
        assert quoter["spec"]["replicas"] == 0

        async def told() -> bool:
            return await reason(bench, maker, "Ready") == "AccountNotReady"

        await until("the maker waits for its account", told, within_s=10)

        quiet: list[float] = []

        async def at_rest() -> bool:
            quiet.append(writes())
            # A resync is every two seconds, a probe every twentieth of one.
            return len(quiet) > 100 and quiet[-1] == quiet[-100]

        await until("no more writes over two resyncs", at_rest, within_s=30)

        await bench.delete(bench.ref(SERVICE, "main-gateway"))

        async def repaired() -> bool:
            return "main-gateway" in await bench.names(SERVICE)

        await until("the Service is back", repaired, within_s=5)

        await bench.delete(account)

        async def in_use() -> bool:
            return await reason(bench, account, "Stalled") == "InUse"

        await until("the account is in use", in_use, within_s=10)
        await bench.delete(maker)

        async def all_gone() -> bool:
            return await bench.get(maker) is None and await bench.get(account) is None

        await until("both are gone", all_gone, within_s=20)
