"""A maker's life, from a change of its numbers to its end; every scenario is judged by what rests at the exchange."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from tests.e2e import deeds
from tests.e2e.api import Json, condition_of
from tests.e2e.desk import desk_of
from tests.e2e.house import ACCOUNT, START_S, House
from tests.e2e.measure import Measure
from tests.e2e.watching import REPLACED_S, UNDISTURBED_S, holds, watched

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SERVICES = (f"{ACCOUNT}-gateway", f"{ACCOUNT}-order-state", f"{ACCOUNT}-risk")


async def test_a_hot_change_is_at_the_exchange_within_a_second_and_restarts_nothing(
    house: House, measured: Measure
) -> None:
    address = await house.quoting("eth", "btc")
    before = await deeds.uids(house, "eth-quoter", *SERVICES)
    began = time.monotonic()
    generation = await house.patch("MarketMaker", "eth", quoting={"levels": 3, "orderNotional": "300"})

    async def is_there() -> bool:
        orders = await house.venue.open_orders(address, "ETH")
        sides = [one["side"] for one in orders if Decimal(one["limitPx"]) * Decimal(one["origSz"]) > 200]
        return sides.count("B") == sides.count("A") == 3 and len(orders) == 6

    took_s = await deeds.since(began, house, "three levels of the new size", is_there, within_s=20)
    measured("hot change at the exchange (1 s)", f"{took_s:.2f} s")
    await house.applied("eth", generation)
    measured("hot change acknowledged in status", f"{time.monotonic() - began:.2f} s")
    assert await deeds.uids(house, "eth-quoter", *SERVICES) == before
    await house.patch("MarketMaker", "eth", quoting={"levels": 2, "orderNotional": "100"})


async def test_a_limit_is_in_force_at_risk_before_the_quoter_may_use_it(house: House) -> None:
    await house.quoting("eth")
    generation = await house.patch("MarketMaker", "eth", inventory={"maxNotional": "6000"})
    await house.applied("eth", generation)

    async def is_written() -> bool:
        part = await deeds.document(house, f"{ACCOUNT}-risk-config")
        return [one["max_notional_e8"] for one in part["markets"] if one["market"] == "ETH"] == [6000_00000000]

    await house.until("risk's document has the limit", is_written, within_s=20)
    revision = await deeds.revision_of(house, "risk")
    at_risk = deeds.logged_at(house, f"{ACCOUNT}-risk", "config.applied", revision=revision)
    at_quoter = deeds.logged_at(house, "eth-quoter", "config.applied", generation=generation)
    assert at_risk < at_quoter
    await house.patch("MarketMaker", "eth", inventory={"maxNotional": "5000"})


async def test_a_limit_of_the_account_is_hot_and_binds_every_market(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    before = await deeds.uids(house, "eth-quoter", "btc-quoter", *SERVICES)
    began = time.monotonic()
    await house.patch("TradingAccount", ACCOUNT, risk={"maxGrossNotional": "1"})

    async def nothing_grows() -> bool:
        # What shrinks a position may rest, so one side at most.
        return not any([(await house.resting(name)).is_two_sided for name in ("eth", "btc")])

    took_s = await deeds.since(began, house, "no market grows", nothing_grows, within_s=20)
    measured("limit of the account in force at the exchange (1 s)", f"{took_s:.2f} s")
    await holds("no market grows", nothing_grows, 2)
    await house.patch("TradingAccount", ACCOUNT, risk={"maxGrossNotional": "50000"})
    await house.two_sided("eth")
    await house.two_sided("btc")
    assert await deeds.uids(house, "eth-quoter", "btc-quoter", *SERVICES) == before


async def test_a_cold_change_replaces_one_quoter_after_its_orders_are_cancelled(
    house: House, measured: Measure
) -> None:
    await house.quoting("eth", "btc")
    before = await house.pod("eth-quoter")
    async with watched(house) as seen:
        began = time.monotonic()
        generation = await house.patch("MarketMaker", "eth", pod={"annotations": {"example.com/a": "1"}})
        pod = await deeds.back(house, "eth-quoter", before)
        await house.two_sided("eth")
        measured("cold change, until it quotes again", f"{time.monotonic() - began:.1f} s")
        await house.applied("eth", generation)
    assert pod["metadata"]["uid"] != before["metadata"]["uid"]
    assert pod["metadata"]["annotations"]["example.com/a"] == "1"
    _one_session_after_the_other(list(seen.sessions("eth")))
    assert seen.longest_empty_s("eth") > 0
    gap_s = seen.longest_gap_s("btc")
    measured("cold change, longest gap of the other maker", f"{gap_s:.2f} s")
    assert gap_s < UNDISTURBED_S


async def test_two_makers_that_are_changed_together_are_replaced_one_after_the_other(house: House) -> None:
    await house.quoting("eth", "btc")
    before = {name: await house.pod(f"{name}-quoter") for name in ("eth", "btc")}
    async with watched(house) as seen:
        for name in before:
            await house.patch("MarketMaker", name, pod={"annotations": {"example.com/b": "1"}})

        async def replaced() -> bool:
            pods = await house.api.objects("Pod", house.namespace, label="app.kubernetes.io/component=quoter")
            ready: dict[str, str] = {}
            for name in before:
                own = [pod for pod in pods if pod["metadata"]["labels"]["perpmaker.io/marketmaker"] == name]
                assert sum(pod["status"].get("phase") == "Running" for pod in own) <= 1, "two quoters at a time"
                for pod in own:
                    if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod):
                        ready[name] = pod["metadata"]["uid"]
            return len(ready) == 2 and all(uid != before[name]["metadata"]["uid"] for name, uid in ready.items())

        await house.until("both are replaced", replaced, within_s=START_S)
        await house.two_sided("eth")
        await house.two_sided("btc")
    assert seen.longest_empty_s("eth", "btc") < REPLACED_S
    for name in before:
        _one_session_after_the_other(list(seen.sessions(name)))


async def test_pause_empties_the_book_keeps_the_position_and_ends(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    await deeds.hold_something(house, "eth")
    began = time.monotonic()
    await house.patch("MarketMaker", "eth", mode="Paused")
    await house.empty("eth")
    measured("pause to an empty book (1 s)", f"{time.monotonic() - began:.2f} s")
    held = await deeds.position(house, "ETH")
    assert held
    await house.condition("MarketMaker", "eth", "Ready", "False", "Paused")

    async def rests() -> bool:
        return (await house.resting("eth")).is_empty and await deeds.position(house, "ETH") == held

    await holds("the book is empty and the position kept", rests, 2)
    await house.two_sided("btc", within_s=UNDISTURBED_S)
    began = time.monotonic()
    await house.patch("MarketMaker", "eth", mode="Active")
    await house.two_sided("eth")
    measured("end of a pause to two-sided quotes", f"{time.monotonic() - began:.2f} s")
    assert len(await house.events("Paused", "eth")) == 1
    assert len(await house.events("Resumed", "eth")) == 1


async def test_reduce_only_leaves_only_what_shrinks_the_position(house: House) -> None:
    address = await house.quoting("eth")
    await deeds.hold_something(house, "eth")
    await house.patch("MarketMaker", "eth", mode="ReduceOnly")

    async def shrinks() -> bool:
        held = await deeds.position(house, "ETH")
        orders = await house.venue.open_orders(address, "ETH")
        growing = "B" if held > 0 else "A"
        worst = sum((Decimal(one["sz"]) for one in orders), Decimal(0))
        return all(one["side"] != growing for one in orders) and worst <= abs(held)

    await house.until("no order that adds to the position", shrinks, within_s=20)
    await holds("no order that adds to the position", shrinks, 2)
    await house.patch("MarketMaker", "eth", mode="Active")
    await house.two_sided("eth")


async def test_a_shadow_computes_quotes_and_sends_none(house: House) -> None:
    await house.quoting("eth")
    await house.patch("MarketMaker", "eth", mode="Shadow")
    await house.empty("eth")
    await house.condition("MarketMaker", "eth", "Ready", "True", "Shadowing")

    async def is_silent() -> bool:
        return (await house.resting("eth")).is_empty

    cycles = await deeds.metric(house, "eth-quoter", "mm_quoter_cycle_seconds_count")
    await holds("no order of a shadow", is_silent, 2)
    assert (await deeds.metric(house, "eth-quoter", "mm_quoter_cycle_seconds_count") or 0) > (cycles or 0)
    assert (await deeds.metric(house, "eth-quoter", "mm_quoter_half_spread_bps") or 0) > 0
    await house.patch("MarketMaker", "eth", mode="Active")
    await house.two_sided("eth")


async def test_drift_is_repaired_within_a_second_and_others_marks_survive(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    api, here = house.api, house.namespace
    mark = {"metadata": {"labels": {"team": "blue"}, "annotations": {"example.com/seen": "yes"}}}
    for kind, name in (("Deployment", "eth-quoter"), ("ConfigMap", "eth-quoter-config"), ("Service", "eth-quoter")):
        await api.merge(kind, name, mark, here)
    risk = f"{ACCOUNT}-risk"
    was = await deeds.document(house, f"{risk}-config")
    quoters = await deeds.document(house, "eth-quoter-config")
    pods = await deeds.uids(house, "eth-quoter", "btc-quoter", *SERVICES)

    async def risks_is_back() -> bool:
        return await deeds.document(house, f"{risk}-config") == was

    async def quoters_is_back() -> bool:
        return await deeds.document(house, "eth-quoter-config") == quoters

    async def service_is_back() -> bool:
        return await api.get("Service", risk, here) is not None

    async with watched(house) as seen:
        for name, is_back in ((f"{risk}-config", risks_is_back), ("eth-quoter-config", quoters_is_back)):
            began = time.monotonic()
            await api.merge("ConfigMap", name, {"data": {"part.json": "{}"}}, here)
            took_s = await deeds.since(began, house, "the document is back", is_back, within_s=20)
            measured(f"drift repaired: {name} edited (1 s)", f"{took_s:.2f} s")
        began = time.monotonic()
        await api.delete("Service", risk, here)
        took_s = await deeds.since(began, house, "the Service is back", service_is_back, within_s=20)
        measured("drift repaired: Service deleted (1 s)", f"{took_s:.2f} s")
        await house.applied(
            "btc", await house.patch("MarketMaker", "btc", quoting={"levels": 2, "orderNotional": "120"})
        )
    assert max(seen.longest_gap_s("eth"), seen.longest_gap_s("btc")) < UNDISTURBED_S
    assert await deeds.uids(house, "eth-quoter", "btc-quoter", *SERVICES) == pods
    await _drift_of_deployment(house, measured)
    for kind, name in (("ConfigMap", "eth-quoter-config"), ("Service", "eth-quoter")):
        meta = (await api.read(kind, name, here))["metadata"]
        assert meta["labels"]["team"] == "blue"
        assert meta["annotations"]["example.com/seen"] == "yes"

    wanted = ("ConfigMap eth", f"Service {risk}", "Deployment eth")

    async def all_told() -> bool:
        told = [event["message"] for event in await house.events("DriftRepaired")]
        return all(any(what in text for text in told) for what in wanted)

    await house.until("DriftRepaired for each", all_told, within_s=20)


async def _drift_of_deployment(house: House, measured: Measure) -> None:
    api, here = house.api, house.namespace
    wanted = (await api.read("Deployment", "eth-quoter", here))["spec"]["template"]["spec"]["containers"][0]["image"]

    async def is_as_wanted() -> bool:
        found = await api.get("Deployment", "eth-quoter", here)
        if found is None or "deletionTimestamp" in found["metadata"]:
            return False
        spec = found["spec"]
        return spec["replicas"] == 1 and spec["template"]["spec"]["containers"][0]["image"] == wanted

    async def no_replicas() -> None:
        await api.merge("Deployment", "eth-quoter", {"spec": {"replicas": 0}}, here)

    async def other_image() -> None:
        container = {"name": "quoter", "image": "localhost/other:1"}
        change = {"spec": {"template": {"spec": {"containers": [container]}}}}
        resource = await api.resource("Deployment")
        await api.request(
            "PATCH",
            resource.path(here, "eth-quoter"),
            change,
            content_type="application/strategic-merge-patch+json",
        )

    async def deleted() -> None:
        await api.delete("Deployment", "eth-quoter", here)

    for what, do in (("replicas 0", no_replicas), ("image changed", other_image), ("Deployment deleted", deleted)):
        meta = (await api.read("Deployment", "eth-quoter", here))["metadata"]
        async with watched(house) as seen:
            began = time.monotonic()
            await do()
            took_s = await deeds.since(began, house, f"{what} is repaired", is_as_wanted, within_s=30)
            measured(f"drift repaired: {what} (1 s)", f"{took_s:.2f} s")
            await house.ready("eth")
            await house.two_sided("eth", within_s=START_S)
        assert seen.longest_gap_s("btc") < UNDISTURBED_S
        if do is not deleted:
            now = (await api.read("Deployment", "eth-quoter", here))["metadata"]
            assert (now["uid"], now["labels"]["team"]) == (meta["uid"], "blue")
    # The pod that goes and the one that comes may meet, as nobody waits for the end of what somebody else began.
    await (await desk_of(house, "eth")).had_one_writer()


def _is_ready(pod: Json) -> bool:
    return bool(condition_of(pod, "Ready").get("status") == "True")


def _one_session_after_the_other(sessions: list[set[int]]) -> None:
    assert all(len(epochs) == 1 for epochs in sessions), "orders of two quoters in the book at once"
    order = [next(iter(epochs)) for epochs in sessions]
    assert order == sorted(order), "orders of a quoter that was replaced"
