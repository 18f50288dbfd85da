"""Kinds that go while the operator runs: told once, waited for, and looked after again when they are back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.operator import Running, Scripted, operator, settings_for
from tests.support.kube.server import FakeApiServer
from tests.support.waiting import until

from perpmaker.operator.interfaces import Kube, Manifest, World
from perpmaker.operator.kube.resources import (
    CERTIFICATE,
    DEPLOYMENT,
    KOPF_PEERING,
    MARKET_MAKER,
    TRADING_ACCOUNT,
    Resource,
)
from perpmaker.operator.runtime.engine import GONE_FIRST_PAUSE_S, GONE_MAX_PAUSE_S, gone_pause_s
from perpmaker.operator.runtime.health import Health
from perpmaker.operator.settings import IssuerRef, TlsMode, TlsSettings

Log = list[MutableMapping[str, Any]]

HANG_S = 60.0
"""Ends a test that hangs; nothing takes so long."""
ASKED_PER_TRY = 4
"""Most requests for one try to find out whether kinds are back: discovery of each owner and of peering, its object."""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        await found.allow_peering()
        yield found


@pytest.fixture
def server(bench: Bench) -> FakeApiServer:
    assert bench.fake is not None
    return bench.fake


@pytest.fixture
def log() -> Iterator[Log]:
    with capture_logs() as lines:
        yield lines


def said(log: Log, event: str) -> list[str]:
    return [line.get("reason", "") for line in log if line["event"] == event]


async def told(log: Log, event: str) -> str:
    async def is_told() -> bool:
        return bool(said(log, event))

    await until(f"the log says {event}", is_told, within_s=HANG_S)
    return said(log, event)[0]


async def looked_at(running: Running, name: str = "eth", times: int = 1) -> None:
    async def enough() -> bool:
        return running.makers.looks[name] >= times

    await until(f"{times} looks at {name}", enough, within_s=HANG_S)


async def served(running: Running) -> None:
    async def is_synced() -> bool:
        return running.engine.store.is_synced

    await until("everything to be listed", is_synced, within_s=HANG_S)


@pytest.mark.parametrize("gone", [MARKET_MAKER, TRADING_ACCOUNT, KOPF_PEERING], ids=lambda kind: kind.plural)
async def test_a_kind_that_goes_is_told_once_and_its_return_makes_the_operator_look_again(
    bench: Bench, server: FakeApiServer, log: Log, gone: Resource
) -> None:
    async with operator(bench, settings=settings_for(bench, peering=True)) as running:
        await bench.create(objects.account())
        await bench.create(objects.maker())
        await looked_at(running)
        server.remove_kind(gone.plural)
        reason = await told(log, "operator.kind_is_gone")
        before, looks = server.requests["operator"], running.makers.looks["eth"]

        async def asked_again() -> bool:
            return server.requests["operator"] >= before + ASKED_PER_TRY

        began = asyncio.get_running_loop().time()
        await until("it to ask again and again", asked_again, within_s=HANG_S)
        assert asyncio.get_running_loop().time() - began >= GONE_FIRST_PAUSE_S, "with pauses"
        assert running.makers.looks["eth"] == looks
        server.cluster.hidden.clear()
        await told(log, "operator.kind_is_back")
        await looked_at(running, times=looks + 1)
        assert gone.kind in reason
        assert len(said(log, "operator.kind_is_gone")) == 1
        await bench.create(objects.maker("sol"))
        await looked_at(running, "sol")
        assert not running.task.done()


async def test_the_remedy_is_told_with_the_name_of_every_kind_that_is_gone(
    bench: Bench, server: FakeApiServer, log: Log
) -> None:
    async with operator(bench) as running:
        await served(running)
        server.cluster.hidden.add(TRADING_ACCOUNT.plural)
        server.remove_kind(MARKET_MAKER.plural)
        reason = await told(log, "operator.kind_is_gone")
    assert "does not know TradingAccount and MarketMaker" in reason
    assert "kubectl apply --server-side -f charts/perpmaker/crds" in reason


async def test_it_lives_and_is_not_ready_while_a_kind_is_gone(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench) as running, aiohttp.ClientSession() as session:
        await bench.create(objects.maker())
        await looked_at(running)
        # So impatient that a worker that is still there would be late.
        health = Health(running.engine.pulse, lambda: running.engine.store.is_synced, resync_s=0.01)
        port = await health.serve("127.0.0.1", 0)

        async def code(path: str) -> int:
            async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                return answer.status

        async def is_unready() -> bool:
            return await code("readyz") == 503

        async def is_ready() -> bool:
            return await code("readyz") == 200

        await until("it to be ready", is_ready, within_s=HANG_S)
        server.remove_kind(MARKET_MAKER.plural)
        await until("it to be unready", is_unready, within_s=HANG_S)
        assert await code("healthz") == 200
        server.cluster.hidden.clear()
        await until("it to be ready again", is_ready, within_s=HANG_S)
        await health.close()


async def test_a_child_that_changed_meanwhile_is_put_right_when_the_kind_is_back(
    bench: Bench, server: FakeApiServer, log: Log
) -> None:
    async def keep(body: Manifest, kube: Kube, world: World) -> None:
        live = next(iter(world.list(DEPLOYMENT, bench.namespace, objects.labels(maker="eth"))), None)
        if live is None or live["spec"]["replicas"] != 1:
            await kube.apply(objects.owned_by(objects.deployment(), body))

    ref = bench.ref(DEPLOYMENT, "eth-quoter")

    async def is_right() -> bool:
        live = await bench.get(ref)
        return live is not None and live["spec"]["replicas"] == 1

    async with operator(bench, makers=Scripted(keep)):
        await bench.create(objects.maker())
        await until("the child to be there", is_right, within_s=HANG_S)
        server.remove_kind(MARKET_MAKER.plural)
        await told(log, "operator.kind_is_gone")
        await bench.patch(ref, {"spec": {"replicas": 3}})
        server.cluster.hidden.clear()
        await until("the child to be right again", is_right, within_s=HANG_S)


async def test_an_operator_that_waits_for_a_kind_can_be_stopped(bench: Bench, server: FakeApiServer, log: Log) -> None:
    async with operator(bench) as running:
        await served(running)
        server.remove_kind(MARKET_MAKER.plural)
        await told(log, "operator.kind_is_gone")
        async with asyncio.timeout(HANG_S):
            await running.end()
    assert not said(log, "operator.kind_is_back")


async def test_a_server_that_goes_while_a_kind_is_waited_for_is_waited_for_as_well(
    bench: Bench, server: FakeApiServer, log: Log
) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        server.remove_kind(MARKET_MAKER.plural)
        await told(log, "operator.kind_is_gone")
        looks = running.makers.looks["eth"]
        await server.stop()
        await told(log, "operator.kinds_are_unknown")
        server.cluster.hidden.clear()
        await server.start()
        await looked_at(running, times=looks + 1)


async def test_a_kind_that_comes_and_goes_is_asked_for_at_a_growing_distance(
    bench: Bench, server: FakeApiServer, log: Log
) -> None:
    """Discovery tells of the kind and its address answers 404, as with one API server of several that is behind."""
    async with operator(bench) as running:
        await served(running)
        server.fail(404, "list", MARKET_MAKER.plural, times=10_000, user="operator")
        at: list[float] = []
        server.drop_watches()
        server.expire()
        for number in range(1, 4):

            async def back(number: int = number) -> bool:
                return len(said(log, "operator.kind_is_back")) >= number

            await until(f"attempt {number}", back, within_s=HANG_S)
            at.append(asyncio.get_running_loop().time())
        assert at[2] - at[1] > GONE_FIRST_PAUSE_S * 2
        server.faults.clear()
        await bench.create(objects.maker())
        await looked_at(running)


def test_pauses_double_up_to_a_limit() -> None:
    pauses = [gone_pause_s(tries) for tries in range(8)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (GONE_FIRST_PAUSE_S, 2 * GONE_FIRST_PAUSE_S, GONE_MAX_PAUSE_S)


async def test_without_certificates_everything_is_looked_after_and_their_arrival_is_noticed(
    bench: Bench, server: FakeApiServer
) -> None:
    tls = TlsSettings(mode=TlsMode.CERT_MANAGER, issuer=IssuerRef(name="ca"))
    settings = settings_for(bench, resync_s=3600).model_copy(update={"tls": tls})
    server.cluster.hidden.add(CERTIFICATE.plural)
    async with operator(bench, settings=settings) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        assert await bench.events("ReconcileError") == []
        looks = running.makers.looks["eth"]
        server.cluster.hidden.clear()
        await looked_at(running, times=looks + 1)


async def test_certificates_go_with_their_kind(bench: Bench, server: FakeApiServer) -> None:
    tls = TlsSettings(mode=TlsMode.CERT_MANAGER, issuer=IssuerRef(name="ca"))
    certificate = {"apiVersion": CERTIFICATE.api_version, "kind": CERTIFICATE.kind, "metadata": {"name": "main-risk"}}
    certificate["metadata"]["labels"] = objects.labels()  # type: ignore[index]
    ref = bench.ref(CERTIFICATE, "main-risk")
    async with operator(bench, settings=settings_for(bench).model_copy(update={"tls": tls})) as running:
        await bench.create(certificate)

        async def known() -> bool:
            return running.engine.store.get(ref) is not None

        async def unknown() -> bool:
            return running.engine.store.get(ref) is None

        await until("it to be known", known, within_s=HANG_S)
        server.remove_kind(CERTIFICATE.plural)
        await until("it to be gone", unknown, within_s=HANG_S)
        assert running.engine.store.is_synced
        server.cluster.hidden.clear()
        await until("it to be known again", known, within_s=HANG_S)
