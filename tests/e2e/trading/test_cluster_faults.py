"""Kubernetes itself fails, part by part: trading goes on without it, and it finds everything as it left it."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import pytest
from tests.e2e.api import condition_of
from tests.e2e.cluster.layout import NODE_NAME
from tests.e2e.cluster.names import Daemon
from tests.e2e.desk import Desk, desk_of
from tests.e2e.house import ACCOUNT, LEVELS, START_S, House
from tests.e2e.measure import Measure
from tests.e2e.watching import UNDISTURBED_S, holds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

API_OUTAGE_S = 60.0


async def _status_is_right(house: House, desk: Desk) -> None:
    """What the operator tells after an outage is what the exchange tells."""
    await house.ready("eth")
    await house.ready(ACCOUNT, "TradingAccount")
    await desk.is_sound()


async def test_quoting_goes_on_for_a_minute_without_an_api_server(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    # Whoever is asked below must be known before.
    await house.services.risk()
    await desk.books_agree()
    house.cluster.kill(Daemon.API_SERVER)
    began = time.monotonic()
    try:
        newest, fills = await desk.newest(), await desk.fills()
        gap_s = await desk.longest_gap(API_OUTAGE_S * 0.6)
        assert gap_s < UNDISTURBED_S
        assert await desk.newest() > newest
        await desk.books_agree()
        # People still reach risk.
        told = await house.services.trip("nobody else answers")
        assert told.verified_empty
        assert (await house.venue.resting(desk.address, "ETH")).is_empty
        assert (await house.services.rearm(told.trip_id)).released
        await desk.two_sided()
        await desk.longest_gap(max(0.0, began + API_OUTAGE_S - time.monotonic()))
        assert await desk.fills() > fills
    finally:
        house.cluster.start(Daemon.API_SERVER)
    measured("API server away for", f"{time.monotonic() - began:.0f} s")
    measured("longest time without two sides while it was away", f"{gap_s:.1f} s")
    back = time.monotonic()
    generation = await house.patch("MarketMaker", "eth", quoting={"levels": 3})
    await house.applied("eth", generation, within_s=START_S)
    measured("change made at the API server's return is in force after", f"{time.monotonic() - back:.1f} s")

    async def three_levels() -> bool:
        resting = await house.venue.resting(desk.address, "ETH")
        return resting.bids == resting.asks == 3

    await house.until("the exchange shows three levels", three_levels, within_s=START_S)
    await _status_is_right(house, desk)
    await house.applied("eth", await house.patch("MarketMaker", "eth", quoting={"levels": LEVELS}))


async def test_a_kill_made_during_the_outage_is_told_when_the_api_server_is_back(house: House) -> None:
    desk = await desk_of(house, "eth")
    await house.services.risk()
    house.cluster.kill(Daemon.API_SERVER)
    try:
        told = await house.services.trip("seen by a person", "ETH")
        await desk.empty()
    finally:
        house.cluster.start(Daemon.API_SERVER)

    async def mirrored() -> bool:
        found = await house.api.read("MarketMaker", "eth", house.namespace)
        return bool(((found.get("status") or {}).get("killSwitch") or {}).get("tripID") == told.trip_id)

    await house.until("status tells the trip", mirrored, within_s=START_S)
    assert (await house.venue.resting(desk.address, "ETH")).is_empty
    await house.patch("MarketMaker", "eth", killSwitch={"engaged": False, "acknowledgedTrip": told.trip_id})
    await desk.two_sided()
    await _status_is_right(house, desk)


async def test_a_node_whose_kubelet_is_gone_goes_on_quoting(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    before = await _containers(house)
    house.cluster.stop(Daemon.KUBELET)
    try:

        async def lost() -> bool:
            node = await house.api.read("Node", NODE_NAME)
            return condition_of(node, "Ready").get("status") != "True"

        watching = asyncio.create_task(desk.longest_gap(30.0))
        await house.until("the node is not ready", lost, within_s=150)
        newest = await desk.newest()
        gap_s = await watching
        assert gap_s < UNDISTURBED_S
        await desk.requote()
        assert await desk.newest() > newest
    finally:
        house.cluster.start(Daemon.KUBELET)
    began = time.monotonic()
    await house.api.until_condition("Node", NODE_NAME, None, "Ready", within_s=START_S)
    measured("longest time without two sides while the kubelet was away", f"{gap_s:.1f} s")
    measured("kubelet's start to a ready node", f"{time.monotonic() - began:.1f} s")
    await _status_is_right(house, desk)
    assert await _containers(house) == before


async def test_controllers_and_scheduler_that_return_mend_what_broke_meanwhile(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    house.cluster.kill(Daemon.CONTROLLER_MANAGER)
    house.cluster.kill(Daemon.SCHEDULER)
    try:
        assert await desk.longest_gap(3.0) < UNDISTURBED_S
        pod = await house.pod("eth-quoter")
        await house.api.delete("Pod", pod["metadata"]["name"], house.namespace, grace_s=0)
        # Nobody makes another one, so nobody may leave orders behind either.
        await desk.empty()

        async def still_empty() -> bool:
            return (await house.venue.resting(desk.address, "ETH")).is_empty

        await holds("no order without a quoter", still_empty, 3.0)
    finally:
        house.cluster.start(Daemon.CONTROLLER_MANAGER)
        house.cluster.start(Daemon.SCHEDULER)
    measured("controllers' return to two-sided quotes", f"{await desk.two_sided():.1f} s")
    await _status_is_right(house, desk)


async def test_an_etcd_that_is_killed_and_comes_back_is_nothing_to_traders(house: House) -> None:
    desk = await desk_of(house, "eth")
    house.cluster.kill(Daemon.ETCD)
    try:
        assert await desk.longest_gap(5.0) < UNDISTURBED_S
    finally:
        house.cluster.start(Daemon.ETCD)

    async def answers() -> bool:
        return bool(await house.api.read("MarketMaker", "eth", house.namespace))

    await house.until("the API server answers", answers, within_s=START_S)
    generation = await house.patch("MarketMaker", "eth", quoting={"levels": 1})
    await house.applied("eth", generation, within_s=START_S)
    await _status_is_right(house, desk)
    assert await desk.notional() <= Decimal(5000)


async def _containers(house: House) -> dict[str, tuple[str, int]]:
    """Identity and restarts of every pod of the account."""
    pods = await house.api.objects("Pod", house.namespace)
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(container["restartCount"] for container in pod["status"]["containerStatuses"]),
        )
        for pod in pods
    }
