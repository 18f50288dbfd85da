"""The operator ends in the middle of everything it does: what was begun is finished when it is back, and trading goes
on meanwhile. A second copy of it changes nothing; and when nothing happens it writes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.e2e import audit, deeds
from tests.e2e.api import Json, condition_of
from tests.e2e.deeds import OPERATOR, Killing
from tests.e2e.house import ACCOUNT, START_S, House, maker
from tests.e2e.measure import Measure
from tests.e2e.watching import REPLACED_S, UNDISTURBED_S, Watched, holds, watched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

END = pytest.mark.parametrize("end", [deeds.sigkill, deeds.force_delete], ids=["sigkill", "force-delete"])
"""In turn, all through this file: a container that ends again and again is started ever later."""

Deed = Callable[[], Awaitable[object]]


@asynccontextmanager
async def _interrupted(house: House, end: Killing, deed: Deed) -> AsyncIterator[Watched]:
    """Ask for something, end the operator, and watch until it is back and the block is through."""
    before = await house.pod(OPERATOR)
    async with watched(house) as seen:
        await deed()
        await end(house, OPERATOR)
        await deeds.back(house, OPERATOR, before)
        yield seen
    assert seen.longest_gap_s("btc") < UNDISTURBED_S


@END
async def test_a_hot_change_is_made_when_the_operator_is_back(house: House, end: Killing) -> None:
    address = await house.quoting("eth", "btc")
    pods = await deeds.uids(house, "eth-quoter", "btc-quoter")
    levels = 4 if end is deeds.sigkill else 2

    async def all_levels() -> bool:
        resting = await house.venue.resting(address, "ETH")
        return resting.bids == resting.asks == levels

    async with _interrupted(house, end, lambda: house.patch("MarketMaker", "eth", quoting={"levels": levels})) as seen:
        await house.until("the new number of levels", all_levels, within_s=START_S)
    assert seen.longest_gap_s("eth") < UNDISTURBED_S
    generation = (await house.api.read("MarketMaker", "eth", house.namespace))["metadata"]["generation"]
    await house.applied("eth", generation)
    assert await deeds.uids(house, "eth-quoter", "btc-quoter") == pods


@END
async def test_cold_changes_are_still_made_one_after_the_other(house: House, end: Killing) -> None:
    await house.quoting("eth", "btc")
    before = {name: await house.pod(f"{name}-quoter") for name in ("eth", "btc")}

    async def ready() -> dict[str, str]:
        pods = await house.api.objects("Pod", house.namespace, label="app.kubernetes.io/component=quoter")
        return {
            pod["metadata"]["labels"]["perpmaker.io/marketmaker"]: pod["metadata"]["uid"]
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"] and condition_of(pod, "Ready").get("status") == "True"
        }

    async def one_is_away() -> bool:
        pods = (await ready()).values()
        return any(old["metadata"]["uid"] not in pods for old in before.values())

    async def replaced() -> bool:
        pods = await ready()
        return len(pods) == 2 and all(uid != before[name]["metadata"]["uid"] for name, uid in pods.items())

    operator = await house.pod(OPERATOR)
    async with watched(house) as seen:
        for name in before:
            await house.patch("MarketMaker", name, pod={"annotations": {"example.com/c": end.__name__}})
        await house.until("the first replacement is under way", one_is_away, within_s=20)
        await end(house, OPERATOR)
        await house.until("both are replaced", replaced, within_s=START_S)
        await deeds.back(house, OPERATOR, operator)
        await house.two_sided("eth")
        await house.two_sided("btc")
    assert seen.longest_empty_s("eth", "btc") < REPLACED_S
    for name in before:
        order = [min(epochs) for epochs in seen.sessions(name) if len(epochs) == 1]
        assert len(order) == len(list(seen.sessions(name)))
        assert order == sorted(order)


async def test_a_pause_and_its_end_are_carried_out_when_the_operator_is_back(house: House) -> None:
    await house.quoting("eth", "btc")
    async with _interrupted(house, deeds.sigkill, lambda: house.patch("MarketMaker", "eth", mode="Paused")):
        await house.empty("eth", within_s=START_S)
        await house.condition("MarketMaker", "eth", "Ready", "False", "Paused", within_s=START_S)
    assert len(await house.events("Paused", "eth")) <= 1
    await house.patch("MarketMaker", "eth", mode="Active")
    await house.two_sided("eth")


async def test_a_trip_and_a_rearm_happen_once(house: House) -> None:
    await house.quoting("eth", "btc")

    async def engage() -> None:
        await house.patch("MarketMaker", "eth", killSwitch={"engaged": True})

    trips = await deeds.metric(house, f"{ACCOUNT}-risk", "mm_risk_trips_total") or 0
    async with _interrupted(house, deeds.force_delete, engage):
        await house.empty("eth", within_s=START_S)
        trip = await deeds.trip_of(house, "MarketMaker", "eth")
    assert await deeds.metric(house, f"{ACCOUNT}-risk", "mm_risk_trips_total") == trips + 1
    released = {"engaged": False, "acknowledgedTrip": trip["tripID"]}
    async with _interrupted(house, deeds.sigkill, lambda: house.patch("MarketMaker", "eth", killSwitch=released)):
        await house.two_sided("eth", within_s=START_S)
    assert await deeds.metric(house, f"{ACCOUNT}-risk", "mm_risk_trips_total") == trips + 1
    for reason in ("KillSwitchTripped", "Rearmed"):
        told = [event for event in await house.events(reason, "eth") if trip["tripID"] in event["message"]]
        assert len(told) <= 1, [event["message"] for event in told]


@pytest.mark.parametrize(
    ("step", "end"),
    [(None, deeds.force_delete), ("CancellingOrders", deeds.sigkill), ("DeletingWorkload", deeds.force_delete)],
    ids=["at once", "CancellingOrders", "DeletingWorkload"],
)
async def test_a_teardown_goes_on_where_it_was(house: House, step: str | None, end: Killing) -> None:
    await house.quoting("eth", "btc")

    async def reached() -> bool:
        found = await house.api.get("MarketMaker", "eth", house.namespace)
        return found is None or ((found.get("status") or {}).get("teardown") or {}).get("step") == step

    async def delete() -> None:
        await house.delete("MarketMaker", "eth")
        if step is not None:
            await house.until(f"teardown is at {step}", reached, within_s=20)

    async with _interrupted(house, end, delete):
        await house.api.until_gone("MarketMaker", "eth", house.namespace, within_s=START_S)
        assert (await house.resting("eth")).is_empty
    assert await house.api.get("Deployment", "eth-quoter", house.namespace) is None


async def test_two_copies_do_not_fight(house: House) -> None:
    await house.quoting("eth", "btc")
    first = (await house.pod(OPERATOR))["metadata"]["name"]
    began = time.time()
    await _scale(house, 2)
    (second,) = {pod["metadata"]["name"] for pod in await _operators(house)} - {first}

    async def second_leads() -> bool:
        return [await deeds.metric_of(house, name, "mm_operator_leader") for name in (first, second)] == [0.0, 1.0]

    # The second is ready before it is entered among the copies, and until then the first works.
    await house.until("the later one of two copies works", second_leads, within_s=60)
    children = await _versions(house)

    async def nothing_moves() -> bool:
        return await _versions(house) == children

    await asyncio.gather(
        holds("children as they were", nothing_moves, 8), holds("the later copy works alone", second_leads, 8)
    )
    assert not _children_written(house, began)
    began = time.time()
    await house.api.merge("ConfigMap", "eth-quoter-config", {"data": {"part.json": "{}"}}, house.namespace)

    async def repaired() -> bool:
        return bool(_children_written(house, began))

    await house.until("somebody repairs it", repaired, within_s=30)
    await holds("the later copy works alone", second_leads, 3)
    assert _children_written(house, began) == ["patch configmaps eth-quoter-config"]
    generation = await house.patch("MarketMaker", "eth", quoting={"orderNotional": "110"})
    await house.applied("eth", generation)
    await _scale(house, 1)
    await house.applied("eth", await house.patch("MarketMaker", "eth", quoting={"orderNotional": "100"}), START_S)


async def test_when_nothing_happens_the_operator_writes_nothing(house: House, measured: Measure) -> None:
    """Counted is every create, update, patch and delete by the operator, status included. Not counted are Events and
    the peering entry with which copies of the operator know each other. The makers are paused and have never quoted,
    and marks stand still: a figure that moves is written, here every 5 s instead of 30, and that is no steady state."""
    await house.quoting()
    for name in ("eth", "btc"):
        await house.delete("MarketMaker", name)
        await house.api.until_gone("MarketMaker", name, house.namespace, within_s=60)
    mids: Json = await house.venue.info("allMids")
    for market in ("BTC", "ETH", "SOL", "HYPE"):
        await house.venue.control("set_mark", coin=market, px=mids[market])
    await house.apply(maker("sol", mode="Paused"), maker("hype", mode="Paused"))
    for name in ("sol", "hype"):
        await house.condition("MarketMaker", name, "Ready", "False", "Paused", within_s=START_S)
        await house.condition("MarketMaker", name, "Reconciling", "False", within_s=START_S)
    shown = house.cluster.kubectl("get", "mm", "sol", "-n", house.namespace).splitlines()
    assert shown[1].split()[1:4] == ["Paused", "SOL", "Paused"]
    quiet_since = time.time()

    async def settled() -> bool:
        # Figures of request budgets look a minute back.
        return time.time() - quiet_since > 65 and not _written(house, time.time() - 15)

    await house.until("it has come to rest", settled, within_s=180)
    began = time.time()
    while time.time() - began < 60:
        await holds("paused makers have no orders", lambda: _no_orders(house), 5)
    wrote = _written(house, began)
    measured("writes of the operator in a quiet minute (0)", str(len(wrote)))
    assert not wrote


async def _no_orders(house: House) -> bool:
    return not await house.venue.open_orders(await house.address())


def _written(house: House, since_s: float) -> list[str]:
    user = f"system:serviceaccount:{house.namespace}:{OPERATOR}"
    asked = audit.requests(house.cluster, user, since_s)
    return [
        f"{one.verb} {one.resource} {one.name}"
        for one in asked
        if one.is_write and one.resource not in {"events", "kopfpeerings"}
    ]


def _children_written(house: House, since_s: float) -> list[str]:
    return [line for line in _written(house, since_s) if "/status" not in line]


async def _versions(house: House) -> dict[str, str]:
    kinds = ("Deployment", "Service", "ConfigMap", "ServiceAccount", "NetworkPolicy")
    children = [one for kind in kinds for one in await house.api.objects(kind, house.namespace)]
    # A generation counts changes of what is wanted, and not of what Kubernetes sees of it.
    return {one["metadata"]["uid"]: str(one["metadata"].get("generation", _version(one))) for one in children}


def _version(one: Json) -> str:
    return str(one["metadata"]["resourceVersion"])


async def _operators(house: House) -> list[Json]:
    pods = await house.api.objects("Pod", house.namespace)
    return [
        pod
        for pod in pods
        if pod["metadata"]["name"].startswith(f"{OPERATOR}-") and "deletionTimestamp" not in pod["metadata"]
    ]


async def _scale(house: House, replicas: int) -> None:
    await house.api.merge("Deployment", OPERATOR, {"spec": {"replicas": replicas}}, house.namespace)

    async def there() -> bool:
        pods = await _operators(house)
        ready = [pod for pod in pods if condition_of(pod, "Ready").get("status") == "True"]
        return len(pods) == len(ready) == replicas

    await house.until(f"{replicas} copies of the operator", there, within_s=START_S)
