"""What the API server can do to the operator, and what comes of it: no stuck object, no storm, no noise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.kinds import KINDS
from tests.support.kube.operator import Running, Scripted, operator, settings_for
from tests.support.kube.server import FakeApiServer
from tests.support.waiting import until

from perpmaker.operator.interfaces import Again, Kube, KubeError, Manifest, Ref, TornDown, World
from perpmaker.operator.kube.resources import DEPLOYMENT, MARKET_MAKER, POD, TRADING_ACCOUNT
from perpmaker.operator.names import FINALIZER

SOON_S = 20.0
"""Ends a test that hangs, and is less than the resync, which would hide a wake-up that does not come."""
KIND = {kind.kind: kind for kind in KINDS}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        yield found


@pytest.fixture
def server(bench: Bench) -> FakeApiServer:
    assert bench.fake is not None
    return bench.fake


async def keep_deployment(body: Manifest, kube: Kube, world: World) -> Again | None:
    """One child per maker, applied when it is not as wanted."""
    name = f"{body['metadata']['name']}-quoter"
    live = world.get(Ref(DEPLOYMENT, body["metadata"]["namespace"], name))
    if live is None or live["spec"]["replicas"] != 1:
        wanted = objects.deployment(name)
        wanted["metadata"]["labels"] = objects.labels(maker=body["metadata"]["name"])
        await kube.apply(objects.owned_by(wanted, body))
    return None


async def child_is_right(bench: Bench, within_s: float, name: str = "eth") -> None:
    async def is_right() -> bool:
        live = await bench.get(bench.ref(DEPLOYMENT, f"{name}-quoter"))
        return live is not None and live["spec"]["replicas"] == 1

    await until("the child to be right", is_right, within_s=within_s)


async def looked_at(running: Running, name: str = "eth", times: int = 1, within_s: float = SOON_S) -> None:
    async def enough() -> bool:
        return running.makers.looks[name] >= times

    await until(f"{times} looks at {name}", enough, within_s=within_s)


async def gone(bench: Bench, ref: Ref, within_s: float = SOON_S) -> None:
    async def is_gone() -> bool:
        return await bench.get(ref) is None

    await until("the object to be gone", is_gone, within_s=within_s)


async def test_what_was_deleted_during_a_gap_in_the_watch_is_noticed(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        # In one go, before any watch can tell: the deletion, and the past in which it happened.
        first = await bench.get(bench.ref(DEPLOYMENT, "eth-quoter"))
        server.cluster.delete(KIND["Deployment"], (bench.namespace, "eth-quoter"), {})
        server.expire()

        async def another() -> bool:
            live = await bench.get(bench.ref(DEPLOYMENT, "eth-quoter"))
            assert first is not None
            return live is not None and live["metadata"]["uid"] != first["metadata"]["uid"]

        await until("another child", another, within_s=SOON_S)


async def test_an_owner_that_went_during_a_gap_is_not_brought_back(bench: Bench, server: FakeApiServer) -> None:
    key = (bench.namespace, "eth")
    async with operator(bench, settings=settings_for(bench, resync_s=0.2)) as running:
        await bench.create(objects.maker())
        await looked_at(running)

        def release(body: Manifest) -> Manifest:
            body["metadata"]["finalizers"] = []
            return body

        server.cluster.write(KIND["MarketMaker"], key, "", "someone", release)
        server.cluster.delete(KIND["MarketMaker"], key, {})
        server.expire()

        async def forgotten() -> bool:
            return running.engine.pulse.oldest() is None

        await until("the worker to notice", forgotten, within_s=SOON_S)


async def test_a_dropped_watch_misses_nothing(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        for _ in range(3):
            server.drop_watches()
            await bench.patch(bench.ref(DEPLOYMENT, "eth-quoter"), {"spec": {"replicas": 4}})
            await child_is_right(bench, SOON_S)


async def test_a_conflict_is_tried_again(bench: Bench, server: FakeApiServer) -> None:
    server.fail(409, "patch", "deployments", times=2)
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)


async def test_a_busy_server_is_waited_for_as_it_asks(bench: Bench, server: FakeApiServer) -> None:
    server.fail(429, "patch", "deployments", times=1, headers={"Retry-After": "1"})
    async with operator(bench, makers=Scripted(keep_deployment)) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        began = asyncio.get_running_loop().time()
        await child_is_right(bench, SOON_S)
    assert asyncio.get_running_loop().time() - began > 0.8
    # It was waited out within one look.
    assert running.makers.looks["eth"] <= 2


async def test_a_busy_server_stops_neither_listings_nor_finalizers(bench: Bench, server: FakeApiServer) -> None:
    for verb in ("list", "watch", "patch"):
        server.fail(429, verb, times=3, user="operator", headers={"Retry-After": "1"})
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running, within_s=SOON_S)


async def test_an_object_that_the_server_refuses_is_told_and_not_hammered(bench: Bench, server: FakeApiServer) -> None:
    server.fail(422, "patch", "deployments", times=1000)
    async with operator(bench, makers=Scripted(keep_deployment)) as running:
        await bench.create(objects.maker())
        await looked_at(running, times=4)

        async def told() -> bool:
            return bool(await bench.events("ReconcileError"))

        await until("the refusal to be told", told, within_s=SOON_S)
        (event,) = await bench.events("ReconcileError")
        server.faults.clear()
        await child_is_right(bench, SOON_S)
    assert "422 Invalid" in event["message"]


async def test_a_finalizer_is_put_on_although_another_keeps_writing(bench: Bench) -> None:
    ref = bench.ref(MARKET_MAKER, "eth")
    async with operator(bench) as running:
        await bench.create(objects.maker())
        for number in range(30):
            await bench.patch(ref, {"metadata": {"annotations": {"count": str(number)}}})
        await looked_at(running)
        found = await bench.get(ref)
    assert found is not None
    assert found["metadata"]["finalizers"] == [FINALIZER]


async def test_a_finalizer_whose_adding_met_a_conflict_is_added_all_the_same(
    bench: Bench, server: FakeApiServer
) -> None:
    server.fail(409, "patch", "marketmakers", user="operator")
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)


async def test_a_finalizer_whose_removal_met_conflicts_goes_all_the_same(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        server.fail(409, "patch", "marketmakers", user="operator", times=4)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))


async def test_a_slow_server_for_one_object_does_not_hold_up_another(bench: Bench, server: FakeApiServer) -> None:
    async def slow_for_eth(body: Manifest, kube: Kube, world: World) -> Again | None:
        while body["metadata"]["name"] == "eth":
            with contextlib.suppress(KubeError):
                await kube.get(bench.ref(POD, "any"))
        return await keep_deployment(body, kube, world)

    server.faults.append(_slow("get", "pods", 60.0, times=1000))
    async with operator(bench, makers=Scripted(slow_for_eth)) as running:
        await bench.create(objects.maker("eth"))
        await looked_at(running, "eth")
        await bench.create(objects.maker("sol"))
        await child_is_right(bench, SOON_S, "sol")


async def test_a_request_that_is_never_answered_ends_and_is_tried_again(bench: Bench, server: FakeApiServer) -> None:
    server.faults.append(_slow("patch", "deployments", 60.0))
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)


@pytest.mark.parametrize("skew", [timedelta(hours=-3), timedelta(hours=3)], ids=["behind", "ahead"])
async def test_a_server_whose_clock_is_off_changes_nothing(
    bench: Bench, server: FakeApiServer, skew: timedelta
) -> None:
    server.cluster.clock_skew = skew
    makers = Scripted(keep_deployment)

    async def two_steps(_body: Manifest, _kube: Kube, _world: World) -> TornDown:
        return TornDown(makers.steps["eth"] >= 2, again_after_s=0.2)

    makers.step = two_steps
    async with operator(bench, makers=makers):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await gone(bench, bench.ref(MARKET_MAKER, "eth"), within_s=SOON_S)


async def test_an_outage_is_survived_and_what_changed_meanwhile_is_put_right(
    bench: Bench, server: FakeApiServer
) -> None:
    async with operator(bench, makers=Scripted(keep_deployment), settings=settings_for(bench, resync_s=0.3)) as running:
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        await server.stop()
        looks = running.makers.looks["eth"]
        server.cluster.delete(KIND["Deployment"], (bench.namespace, "eth-quoter"), {})
        # Reconciliation goes on: nothing that a look needs is asked of the API server.
        await looked_at(running, times=looks + 5)
        await server.start()
        await child_is_right(bench, SOON_S)
        assert not running.task.done()


async def test_an_outage_in_mid_teardown_only_delays_it(bench: Bench, server: FakeApiServer) -> None:
    async def two_steps(_body: Manifest, _kube: Kube, _world: World) -> TornDown:
        return TornDown(makers.steps["eth"] >= 2, again_after_s=0.5)

    makers = Scripted(step=two_steps)
    async with operator(bench, makers=makers) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))

        async def begun() -> bool:
            return makers.steps["eth"] >= 1

        await until("the first step", begun, within_s=SOON_S)
        await server.stop()
        await asyncio.sleep(1.5)
        await server.start()
        await gone(bench, bench.ref(MARKET_MAKER, "eth"), within_s=30)


async def test_a_deletion_that_may_not_read_its_object_tells_people_so(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        server.denied.add(("get", "marketmakers"))
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))

        async def told() -> list[Manifest]:
            return await bench.events("ReconcileError")

        (event,) = await until("the missing right to be told", told, within_s=SOON_S)
        assert "cannot get resource" in event["message"]
        server.denied.clear()
        await gone(bench, bench.ref(MARKET_MAKER, "eth"), within_s=SOON_S)


async def test_who_may_list_and_not_watch_does_not_list_in_a_loop(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench, makers=Scripted(keep_deployment), settings=settings_for(bench, resync_s=0.5)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        server.denied.add(("watch", "pods"))
        server.drop_watches()

        async def told() -> list[Manifest]:
            return await bench.events("ReconcileError")

        (event,) = await until("the missing right to be told", told, within_s=SOON_S)
        assert "cannot list and watch pods" in event["message"]
        server.asked.clear()
        await asyncio.sleep(3)
        lists = [one for one in server.asked if one.plural == "pods" and one.verb == "list"]
        assert len(lists) <= 6, "each try waits longer than the one before"
        server.denied.clear()
        await bench.patch(bench.ref(DEPLOYMENT, "eth-quoter"), {"spec": {"replicas": 3}})
        await child_is_right(bench, SOON_S)


async def test_an_operator_can_be_stopped_while_the_server_is_away(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await server.stop()
        await asyncio.sleep(0.5)
        async with asyncio.timeout(15):
            await running.end()
        await server.start()


async def test_internal_errors_of_the_server_do_not_end_the_operator(bench: Bench, server: FakeApiServer) -> None:
    for verb in ("list", "watch"):
        server.fail(500, verb, times=5, user="operator")
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)


async def test_a_right_that_is_taken_away_is_told_and_not_looped_on(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        await child_is_right(bench, SOON_S)
        server.denied.add(("patch", "deployments"))
        server.asked.clear()
        await bench.patch(bench.ref(DEPLOYMENT, "eth-quoter"), {"spec": {"replicas": 3}})

        async def told() -> list[Manifest]:
            return await bench.events("ReconcileError")

        (event,) = await until("the missing right to be told", told, within_s=SOON_S)
        await asyncio.sleep(2)
        tries = [one for one in server.asked if one.code == 403 and one.plural == "deployments"]
        server.denied.clear()
        await child_is_right(bench, SOON_S)
    assert "cannot patch" in event["message"]
    assert "grant it in the operator's Role" in event["message"]
    assert len(tries) < 8


async def test_a_watch_that_is_refused_is_told_on_every_object(bench: Bench, server: FakeApiServer) -> None:
    server.denied.add(("list", "pods"))
    async with operator(bench) as running:
        await bench.create(objects.account())
        await bench.create(objects.maker())

        async def told() -> bool:
            kinds = {e["involvedObject"]["kind"] for e in await bench.events("ReconcileError")}
            return kinds == {"TradingAccount", "MarketMaker"}

        await until("the refusal to be told", told, within_s=SOON_S)
        assert running.makers.looks["eth"] == 0
        server.denied.clear()
        await looked_at(running, within_s=30)


async def test_noise_in_the_log_does_not_grow_with_the_length_of_a_fault(
    bench: Bench, server: FakeApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(_body: Manifest, _kube: Kube, _world: World) -> None:
        raise ZeroDivisionError("a bug")

    async with operator(bench, makers=Scripted(crash, step=lambda *_: _crash())) as running:
        await bench.create(objects.maker())
        with caplog.at_level(logging.INFO):
            await looked_at(running, times=6)
            await bench.delete(bench.ref(MARKET_MAKER, "eth"))

            async def stepped() -> bool:
                return running.makers.steps["eth"] >= 4

            await until("four steps", stepped, within_s=SOON_S)
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) <= 2


async def test_an_account_is_served_beside_its_makers_through_all_of_it(bench: Bench, server: FakeApiServer) -> None:
    async with operator(bench, settings=settings_for(bench, resync_s=0.5)) as running:
        await bench.create(objects.account())
        await bench.create(objects.maker())
        for _ in range(3):
            server.fail(409, "patch", times=1, user="operator")
            server.fail(500, "list", times=2, user="operator")
            server.expire()
            server.drop_watches()
            await asyncio.sleep(0.3)
        before = running.accounts.looks["main"]

        async def looked() -> bool:
            return running.accounts.looks["main"] > before + 2

        await until("the account to be looked at", looked, within_s=SOON_S)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await bench.delete(bench.ref(TRADING_ACCOUNT, "main"))
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))
        await gone(bench, bench.ref(TRADING_ACCOUNT, "main"))


def _slow(verb: str, plural: str, delay_s: float, times: int = 1):  # type: ignore[no-untyped-def]
    from tests.support.kube.server import Fault

    return Fault(verb, plural, times=times, delay_s=delay_s, user="operator")


async def _crash() -> TornDown:
    raise ZeroDivisionError("a bug in teardown")
