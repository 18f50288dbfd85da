"""The life of an object under the running operator: seen, looked at, put right, torn down."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.kinds import KINDS
from tests.support.kube.operator import Running, Scripted, operator, settings_for
from tests.support.waiting import until

from perpmaker.operator.interfaces import Again, Kube, Manifest, TornDown, World
from perpmaker.operator.kube.resources import CONFIG_MAP, DEPLOYMENT, MARKET_MAKER, TRADING_ACCOUNT
from perpmaker.operator.names import FINALIZER
from perpmaker.operator.runtime import troubles
from perpmaker.operator.runtime.troubles import pause_s

SOON_S = 20.0
"""Ends a test that hangs, and is less than the resync, which would hide a wake-up that does not come."""
DEPLOYMENT_KIND = next(kind for kind in KINDS if kind.kind == "Deployment")


@pytest.fixture(params=["fake", "real"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with benches.bench(request.param) as found:
        yield found


@pytest.fixture
async def fake() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        yield found


async def keep_deployment(body: Manifest, kube: Kube, world: World) -> Again | None:
    """The smallest reconciler there is: one child, applied when it is not as wanted."""
    wanted = objects.owned_by(objects.deployment(namespace=body["metadata"]["namespace"]), body)
    live = next(iter(world.list(DEPLOYMENT, body["metadata"]["namespace"], objects.labels(maker="eth"))), None)
    if live is None or live["spec"]["replicas"] != 1:
        await kube.apply(wanted)
    return None


async def looked_at(running: Running, name: str = "eth", times: int = 1) -> None:
    async def enough() -> bool:
        return running.makers.looks[name] >= times

    await until(f"{times} looks at {name}", enough, within_s=SOON_S)


async def gone(bench: Bench, ref: object) -> None:
    async def is_gone() -> bool:
        return await bench.get(ref) is None  # type: ignore[arg-type]

    await until("the object to be gone", is_gone, within_s=SOON_S)


async def test_an_object_gets_the_finalizer_before_it_is_looked_at(bench: Bench) -> None:
    seen: list[list[str]] = []

    async def note(body: Manifest, _kube: Kube, _world: World) -> None:
        seen.append(body["metadata"].get("finalizers", []))

    async with operator(bench, makers=Scripted(note)) as running:
        await bench.create(objects.maker())
        await looked_at(running)
    assert seen[0] == [FINALIZER]


async def test_nothing_is_left_on_the_object_but_the_finalizer(bench: Bench) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await bench.patch(bench.ref(MARKET_MAKER, "eth"), {"spec": {"mode": "Paused"}})
        await looked_at(running, times=2)
        found = await bench.get(bench.ref(MARKET_MAKER, "eth"))
    assert found is not None
    assert "annotations" not in found["metadata"]
    assert "status" not in found


async def test_a_changed_child_is_put_right_long_before_the_resync(bench: Bench) -> None:
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        ref = bench.ref(DEPLOYMENT, "eth-quoter")

        async def is_right() -> bool:
            live = await bench.get(ref)
            return live is not None and live["spec"]["replicas"] == 1

        await until("the child to be there", is_right, within_s=SOON_S)
        await bench.patch(ref, {"spec": {"replicas": 5}})
        await until("the child to be right again", is_right, within_s=SOON_S)


async def test_a_deleted_child_is_back_long_before_the_resync(bench: Bench) -> None:
    async with operator(bench, makers=Scripted(keep_deployment)):
        await bench.create(objects.maker())
        ref = bench.ref(DEPLOYMENT, "eth-quoter")

        async def there() -> Manifest | None:
            return await bench.get(ref)

        first = await until("the child to be there", there, within_s=SOON_S)
        await bench.delete(ref)

        async def again() -> bool:
            live = await there()
            return live is not None and live["metadata"]["uid"] != first["metadata"]["uid"]

        await until("another child to be there", again, within_s=SOON_S)


async def test_an_object_is_torn_down_in_steps_before_it_goes(bench: Bench) -> None:
    makers = Scripted()

    async def three_steps(_body: Manifest, _kube: Kube, _world: World) -> TornDown:
        return TornDown(makers.steps["eth"] >= 3, again_after_s=0.2)

    makers.step = three_steps
    async with operator(bench, makers=makers) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))
    assert makers.steps["eth"] == 3


async def test_a_step_sees_the_status_that_the_step_before_has_written(bench: Bench) -> None:
    seen: list[int] = []

    async def count(body: Manifest, kube: Kube, _world: World) -> TornDown:
        done = int(body.get("status", {}).get("observedGeneration", 0))
        seen.append(done)
        ref = bench.ref(MARKET_MAKER, "eth")
        await kube.apply_status(ref, {"observedGeneration": done + 1})
        return TornDown(done == 2, again_after_s=0.1)

    async with operator(bench, makers=Scripted(step=count)) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))
    assert seen == [0, 1, 2]


async def test_an_object_deleted_while_the_operator_was_down_is_torn_down_after_its_start(bench: Bench) -> None:
    async with operator(bench) as running:
        await bench.create(objects.maker())
        await looked_at(running)
    await bench.delete(bench.ref(MARKET_MAKER, "eth"))
    assert await bench.get(bench.ref(MARKET_MAKER, "eth")) is not None
    makers = Scripted()
    async with operator(bench, makers=makers):
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))
    assert makers.steps["eth"] == 1
    assert makers.looks["eth"] == 0


async def test_an_operator_killed_in_mid_teardown_is_succeeded_by_one_that_ends_it(bench: Bench) -> None:
    stuck = Scripted(step=lambda *_: _again(0.1))
    async with operator(bench, makers=stuck) as running:
        await bench.create(objects.maker())
        await looked_at(running)
        await bench.delete(bench.ref(MARKET_MAKER, "eth"))

        async def begun() -> bool:
            return stuck.steps["eth"] >= 2

        await until("the teardown to be under way", begun, within_s=SOON_S)
        await running.kill()
    assert await bench.get(bench.ref(MARKET_MAKER, "eth")) is not None
    async with operator(bench):
        await gone(bench, bench.ref(MARKET_MAKER, "eth"))


async def test_a_look_and_a_step_never_overlap(fake: Bench) -> None:
    entered = asyncio.Event()

    async def slow(_body: Manifest, _kube: Kube, _world: World) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            # A look that takes its time to leave, even when it is told to.
            await asyncio.sleep(0.3)

    makers = Scripted(slow)
    async with operator(fake, makers=makers):
        await fake.create(objects.maker())
        await entered.wait()
        await fake.delete(fake.ref(MARKET_MAKER, "eth"))
        await gone(fake, fake.ref(MARKET_MAKER, "eth"))
    assert makers.steps["eth"] >= 1
    assert not makers.overlapped


async def test_our_own_status_does_not_hurry_the_next_step(fake: Bench) -> None:
    async def write(_body: Manifest, kube: Kube, _world: World) -> TornDown:
        await kube.apply_status(fake.ref(MARKET_MAKER, "eth"), {"observedGeneration": makers.steps["eth"]})
        return TornDown(False, again_after_s=30)

    makers = Scripted(step=write)
    async with operator(fake, makers=makers) as running:
        await fake.create(objects.maker())
        await looked_at(running)
        await fake.delete(fake.ref(MARKET_MAKER, "eth"))
        await _steps(makers, 1)
        await fake.create(objects.maker("sol"))
        await looked_at(running, "sol")
        await asyncio.sleep(0.5)
        assert makers.steps["eth"] == 1


async def test_what_a_person_writes_on_a_dying_object_is_acted_on_at_once(fake: Bench) -> None:
    async def wait_for_word(body: Manifest, _kube: Kube, _world: World) -> TornDown:
        return TornDown("go" in body["metadata"].get("annotations", {}), again_after_s=30)

    makers = Scripted(step=wait_for_word)
    ref = fake.ref(MARKET_MAKER, "eth")
    async with operator(fake, makers=makers) as running:
        await fake.create(objects.maker())
        await looked_at(running)
        await fake.delete(ref)
        await _steps(makers, 1)
        await fake.patch(ref, {"metadata": {"annotations": {"go": "now"}}})
        await gone(fake, ref)


async def test_a_burst_of_changes_is_few_looks(fake: Bench) -> None:
    async with operator(fake) as running:
        await fake.create(objects.maker())
        await looked_at(running)
        before = running.makers.looks["eth"]
        assert fake.fake is not None
        for number in range(50):
            child = objects.deployment(f"d{number}")
            fake.fake.cluster.create(DEPLOYMENT_KIND, fake.namespace, child, "someone")

        async def known() -> bool:
            return len(running.engine.store.list(DEPLOYMENT, fake.namespace)) == 50

        await until("all children to be known", known, within_s=SOON_S)
        await _settled(running)
        assert 1 <= running.makers.looks["eth"] - before <= 15


async def test_a_change_of_the_account_wakes_its_makers_and_no_others(fake: Bench) -> None:
    async with operator(fake) as running:
        for manifest in (objects.account(), objects.maker("eth"), objects.maker("sol", of="other")):
            await fake.create(manifest)
        await looked_at(running, "eth")
        await looked_at(running, "sol")
        settled = await _settled(running)
        await fake.patch(fake.ref(TRADING_ACCOUNT, "main"), {"spec": {"killSwitch": {"engaged": True}}})
        await looked_at(running, "eth", times=settled["eth"] + 1)
        assert running.makers.looks["sol"] == settled["sol"]


async def test_a_condition_that_we_write_on_the_account_wakes_its_makers_but_not_the_account(fake: Bench) -> None:
    async def ready_when_told(body: Manifest, kube: Kube, _world: World) -> None:
        if body["spec"].get("ready"):
            condition = {"type": "Ready", "status": "True", "reason": "All", "message": ""}
            await kube.apply_status(fake.ref(TRADING_ACCOUNT, "main"), {"conditions": [condition]})

    async with operator(fake, accounts=Scripted(ready_when_told)) as running:
        await fake.create(objects.maker())
        await fake.create(objects.account())
        await looked_at(running)
        await _settled(running)
        makers, accounts = running.makers.looks["eth"], running.accounts.looks["main"]
        await fake.patch(fake.ref(TRADING_ACCOUNT, "main"), {"spec": {"ready": True}})
        # Once for the spec, once for the condition.
        await looked_at(running, times=makers + 2)
        assert running.accounts.looks["main"] == accounts + 1


async def test_a_steady_state_writes_nothing_and_asks_nothing(fake: Bench) -> None:
    assert fake.fake is not None
    async with operator(fake, makers=Scripted(keep_deployment), settings=settings_for(fake, resync_s=0.1)) as running:
        await fake.create(objects.account())
        await fake.create(objects.maker())
        await looked_at(running, times=5)
        fake.fake.asked.clear()
        await looked_at(running, times=running.makers.looks["eth"] + 10)
        asked = [one for one in fake.fake.asked if one.user == "operator" and one.verb != "watch"]
    assert asked == []


async def test_a_reconciler_that_crashes_does_not_hold_up_the_others(fake: Bench) -> None:
    async def crash_on_eth(body: Manifest, _kube: Kube, _world: World) -> None:
        if body["metadata"]["name"] == "eth":
            raise ZeroDivisionError("a bug")

    async with operator(fake, makers=Scripted(crash_on_eth), settings=settings_for(fake, resync_s=0.1)) as running:
        await fake.create(objects.maker("eth"))
        await fake.create(objects.maker("sol"))
        await looked_at(running, "eth", times=3)
        await looked_at(running, "sol", times=10)


async def test_an_error_that_repeats_is_told_once(fake: Bench) -> None:
    async def crash(_body: Manifest, _kube: Kube, _world: World) -> None:
        raise ZeroDivisionError(f"bug number {makers.looks['eth']}")

    makers = Scripted(crash)
    async with operator(fake, makers=makers) as running:
        await fake.create(objects.maker())
        await looked_at(running, times=4)

        async def told() -> bool:
            return bool(await fake.events("ReconcileError"))

        await until("the error to be told", told, within_s=SOON_S)
        await looked_at(running, times=5)
        (event,) = await fake.events("ReconcileError")
    assert event["message"].startswith("ZeroDivisionError: bug number 1;")


async def test_looks_after_errors_come_at_a_growing_distance(fake: Bench) -> None:
    at: list[float] = []

    async def crash(_body: Manifest, _kube: Kube, _world: World) -> None:
        at.append(asyncio.get_running_loop().time())
        raise ZeroDivisionError("a bug")

    async with operator(fake, makers=Scripted(crash)) as running:
        await fake.create(objects.maker())
        await looked_at(running, times=5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    # A busy machine makes pauses longer, never shorter.
    shortest = [pause_s(failures, lambda: 0.0) for failures in range(1, len(at))]
    assert all(pause >= least for pause, least in zip(pauses, shortest, strict=True)), (pauses, shortest)
    assert shortest[3] == 8 * shortest[0]


async def test_a_failed_look_is_repeated_without_waiting_when_the_spec_is_put_right(
    fake: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(troubles, "MAX_PAUSE_S", 3600.0)

    async def refuse(body: Manifest, _kube: Kube, _world: World) -> None:
        if body["spec"].get("mode") != "Paused":
            raise ValueError("not like this")

    makers = Scripted(refuse)
    async with operator(fake, makers=makers) as running:
        await fake.create(objects.maker())
        await looked_at(running)  # the next would be half an hour later
        await fake.patch(fake.ref(MARKET_MAKER, "eth"), {"spec": {"mode": "Paused"}})
        await looked_at(running, times=2)


async def test_a_namesake_is_another_object(fake: Bench) -> None:
    seen: set[str] = set()

    async def note(body: Manifest, _kube: Kube, _world: World) -> None:
        seen.add(body["metadata"]["uid"])

    ref = fake.ref(MARKET_MAKER, "eth")
    async with operator(fake, makers=Scripted(note)) as running:
        await fake.create(objects.maker())
        await looked_at(running)
        await fake.delete(ref)
        await gone(fake, ref)
        before = running.makers.looks["eth"]
        await fake.create(objects.maker())
        await looked_at(running, times=before + 1)
    assert len(seen) == 2


async def test_an_object_whose_finalizer_was_taken_away_leaves_no_worker_behind(fake: Bench) -> None:
    ref = fake.ref(MARKET_MAKER, "eth")
    async with operator(fake, makers=Scripted(step=lambda *_: _again(30))) as running:
        await fake.create(objects.maker())
        await looked_at(running)
        await fake.delete(ref)
        await _steps(running.makers, 1)
        await fake.patch(ref, {"metadata": {"finalizers": None}})
        await gone(fake, ref)

        async def forgotten() -> bool:
            return running.engine.pulse.oldest() is None

        await until("the worker to be gone", forgotten, within_s=SOON_S)


async def _again(after_s: float) -> TornDown:
    return TornDown(False, again_after_s=after_s)


async def _steps(makers: Scripted, count: int) -> None:
    async def enough() -> bool:
        return makers.steps["eth"] >= count

    await until(f"{count} steps", enough, within_s=SOON_S)


async def _settled(running: Running) -> dict[str, int]:
    """Looks so far, once nothing has been looked at for a moment."""
    while True:
        before = dict(running.makers.looks), dict(running.accounts.looks)
        await asyncio.sleep(1.0)
        if before == (dict(running.makers.looks), dict(running.accounts.looks)):
            return before[0]


async def test_a_child_of_a_stranger_is_not_seen(fake: Bench) -> None:
    stranger = objects.config_map("theirs")
    stranger["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    async with operator(fake) as running:
        await fake.create(stranger)
        await fake.create(objects.config_map("ours"))

        async def known() -> bool:
            return running.engine.store.get(fake.ref(CONFIG_MAP, "ours")) is not None

        await until("our child to be known", known, within_s=SOON_S)
        assert running.engine.store.get(fake.ref(CONFIG_MAP, "theirs")) is None
