"""Two copies of the operator: the newer one works, the older one waits and takes over when it has to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import KOPF_PEERING, Bench
from tests.support.kube.operator import Running, operator, settings_for
from tests.support.waiting import until

from perpmaker.operator.runtime import kopf_settings
from perpmaker.operator.runtime.peers import Standing


@pytest.fixture(params=["fake", "real"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with benches.bench(request.param) as found:
        await found.allow_peering()
        yield found


async def works(running: Running, within_s: float = 15) -> None:
    """The copy looks at objects from now on."""
    before = running.makers.looks["eth"]

    async def looked() -> bool:
        return running.makers.looks["eth"] > before + 2

    await until("the copy to work", looked, within_s=within_s)


async def pauses(running: Running) -> None:
    """The copy has no worker."""

    async def idle() -> bool:
        return running.engine.pulse.oldest() is None

    await until("the copy to pause", idle, within_s=15)


async def test_the_newer_copy_takes_over_and_hands_back(bench: Bench) -> None:
    settings = settings_for(bench, peering=True, resync_s=0.2)
    async with operator(bench, settings=settings, instance="old") as old:
        await bench.create(objects.maker())
        await works(old)
        async with operator(bench, settings=settings, instance="new") as new:
            await works(new)
            await pauses(old)
            looks = old.makers.looks["eth"]
            await works(new)
            assert old.makers.looks["eth"] == looks
        await works(old)


async def test_a_copy_begins_only_when_the_others_can_know_of_it() -> None:
    async with benches.fake_bench() as bench:
        server = bench.fake
        assert server is not None
        await bench.allow_peering()
        settings = settings_for(bench, peering=True, resync_s=0.2)
        async with operator(bench, settings=settings, instance="old") as old:
            await bench.create(objects.maker())
            await works(old)
            unheard = server.fail(503, verb="patch", plural="kopfpeerings", times=10_000)
            async with operator(bench, settings=settings, instance="new") as new:

                async def is_held_up() -> bool:
                    tried = any(one.plural == "kopfpeerings" and one.code == 503 for one in server.asked)
                    return tried and new.engine.store.is_synced and new.engine.pulse.oldest() is not None

                await until("the new copy to know everything but itself entered", is_held_up, within_s=10)
                await works(old)
                assert new.engine.standing() is Standing.JOINING
                assert not new.makers.looks
                server.faults.remove(unheard)
                await works(new)
                await pauses(old)


async def test_the_older_copy_takes_over_from_one_that_was_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kopf_settings, "PEERING_LIFETIME_S", 3)
    settings = settings_for(bench, peering=True, resync_s=0.2)
    async with operator(bench, settings=settings, instance="old") as old:
        await bench.create(objects.maker())
        await works(old)
        async with operator(bench, settings=settings, instance="new") as new:
            await works(new)
            await pauses(old)
            await _vanish(bench, new)
            await works(old, within_s=20)


async def test_copies_of_another_program_do_not_count(bench: Bench) -> None:
    await bench.create(
        {"apiVersion": KOPF_PEERING.api_version, "kind": KOPF_PEERING.kind, "metadata": {"name": "another"}}
    )
    rival = {"priority": 2**53, "lifetime": 3600, "lastseen": datetime.now(UTC).isoformat()}
    await bench.patch(bench.ref(KOPF_PEERING, "another"), {"status": {"rival": rival}})
    async with operator(bench, settings=settings_for(bench, peering=True, resync_s=0.2)) as running:
        await bench.create(objects.maker())
        await works(running)


async def _vanish(bench: Bench, running: Running) -> None:
    """End a copy and leave its entry behind, as a killed process does."""
    before = await bench.get(bench.ref(KOPF_PEERING, "perpmaker"))
    assert before is not None
    entry = before["status"][running.engine.identity]
    await running.end()
    await bench.patch(bench.ref(KOPF_PEERING, "perpmaker"), {"status": {running.engine.identity: entry}})
