"""What the API server must have said before an object that is being deleted is let go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.operator import Running, Scripted, operator
from tests.support.kube.server import FakeApiServer
from tests.support.waiting import until

from perpmaker.operator.interfaces import Kube, Manifest, Resource, TornDown, World
from perpmaker.operator.kube.resources import MARKET_MAKER, POD, TRADING_ACCOUNT
from perpmaker.operator.names import FINALIZER, FORCE_DELETE

SOON_S = 20.0
"""Ends a test that hangs."""
ALWAYS = 10_000


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        yield found


@pytest.fixture
def server(bench: Bench) -> FakeApiServer:
    assert bench.fake is not None
    return bench.fake


async def held(bench: Bench, resource: Resource, name: str) -> None:
    async def is_held() -> bool:
        live = await bench.get(bench.ref(resource, name))
        return live is not None and FINALIZER in (live["metadata"].get("finalizers") or ())

    await until("the object to be held", is_held, within_s=SOON_S)


async def let_go(bench: Bench, resource: Resource, name: str) -> None:
    async def is_gone() -> bool:
        return await bench.get(bench.ref(resource, name)) is None

    await until("the object to be let go", is_gone, within_s=SOON_S)


async def told(bench: Bench) -> str:
    async def is_told() -> list[Manifest]:
        return await bench.events("ReconcileError")

    return str((await until("an Event", is_told, within_s=SOON_S))[0]["message"])


@pytest.mark.parametrize(
    ("resource", "manifest", "name"),
    [(MARKET_MAKER, objects.maker(), "eth"), (TRADING_ACCOUNT, objects.account(), "main")],
    ids=["maker", "account"],
)
async def test_an_object_whose_kind_is_not_served_for_a_while_is_torn_down_all_the_same(
    bench: Bench, server: FakeApiServer, resource: Resource, manifest: Manifest, name: str
) -> None:
    makers, accounts = Scripted(), Scripted()
    async with operator(bench, makers=makers, accounts=accounts):
        await bench.create(manifest)
        await held(bench, resource, name)
        fault = server.fail(404, "get", resource.plural, times=ALWAYS, user="operator")
        await bench.delete(bench.ref(resource, name))
        text = await told(bench)
        assert f"does not serve {resource.plural}" in text
        await held(bench, resource, name)
        server.faults.remove(fault)
        await let_go(bench, resource, name)
    assert makers.steps[name] + accounts.steps[name] == 1


async def test_a_finalizer_is_not_taken_for_dropped_because_the_kind_is_not_served(
    bench: Bench, server: FakeApiServer
) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await held(bench, MARKET_MAKER, "eth")
        fault = server.fail(404, "patch", MARKET_MAKER.plural, times=ALWAYS, user="operator")
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await told(bench)
        await held(bench, MARKET_MAKER, "eth")
        server.faults.remove(fault)
        await let_go(bench, MARKET_MAKER, "eth")
        assert running.makers.steps["eth"] > 1, "the end is begun again"


async def blind(bench: Bench, server: FakeApiServer, makers: Scripted) -> None:
    """Leave behind a maker that is being deleted, and an API server that does not list pods."""
    async with operator(bench):
        await bench.create(objects.maker())
        await held(bench, MARKET_MAKER, "eth")
    server.denied.add(("list", POD.plural))
    await bench.delete(bench.ref(MARKET_MAKER, "eth"))
    assert not makers.steps


async def test_nothing_is_let_go_before_every_kind_has_been_listed(bench: Bench, server: FakeApiServer) -> None:
    listed: list[bool] = []

    async def step(_body: Manifest, _kube: Kube, world: World) -> TornDown:
        listed.append(world.is_synced)
        return TornDown(True)

    makers = Scripted(step=step)
    await blind(bench, server, makers)
    async with operator(bench, makers=makers):
        assert "cannot list and watch pods" in await told(bench)
        await held(bench, MARKET_MAKER, "eth")
        server.denied.clear()
        await let_go(bench, MARKET_MAKER, "eth")
    assert listed == [True]


async def test_force_lets_go_also_where_something_cannot_be_listed(bench: Bench, server: FakeApiServer) -> None:
    makers = Scripted()
    await blind(bench, server, makers)
    live = await bench.get(bench.ref(MARKET_MAKER, "eth"))
    assert live is not None
    forced = {"metadata": {"annotations": {FORCE_DELETE: live["metadata"]["uid"]}}}
    await bench.patch(bench.ref(MARKET_MAKER, "eth"), forced)
    async with operator(bench, makers=makers):
        await let_go(bench, MARKET_MAKER, "eth")


async def test_a_worker_stays_with_an_object_whose_kind_was_not_served_for_a_moment(
    bench: Bench, server: FakeApiServer
) -> None:
    """Once it has left it does not come back while the operator runs."""
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await held(bench, MARKET_MAKER, "eth")
        await looked_at(running, 1)
        fault = server.fail(404, "get", MARKET_MAKER.plural, times=ALWAYS, user="operator")
        running.engine.store.remove(_scope(running), {**await _live(bench), "kind": MARKET_MAKER.kind})
        running.engine.wakes.wake(bench.ref(MARKET_MAKER, "eth"), "test")
        await looked_for(server)
        server.faults.remove(fault)
        before = running.makers.looks["eth"]
        await bench.patch(bench.ref(MARKET_MAKER, "eth"), {"spec": {"mode": "Paused"}})
        await looked_at(running, before + 1)


async def _live(bench: Bench) -> Manifest:
    live = await bench.get(bench.ref(MARKET_MAKER, "eth"))
    assert live is not None
    return live


def _scope(running: Running):  # type: ignore[no-untyped-def]
    return next(scope for scope in running.engine.store.scopes if scope.resource == MARKET_MAKER)


async def looked_at(running: Running, times: int) -> None:
    async def enough() -> bool:
        return running.makers.looks["eth"] >= times

    await until(f"{times} looks", enough, within_s=SOON_S)


async def looked_for(server: FakeApiServer) -> None:
    async def asked() -> bool:
        return any(one.verb == "get" and one.code == 404 and one.user == "operator" for one in server.asked)

    await until("the object to be asked for", asked, within_s=SOON_S)
