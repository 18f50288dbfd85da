"""Pods are deleted by force, frozen, cut off, killed: at most one quoter trades, nothing is left, books agree."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from tests.e2e.desk import Desk, desk_of
from tests.e2e.house import ACCOUNT, START_S, House
from tests.e2e.measure import Measure
from tests.e2e.watching import holds

from perpmaker.operator.children.workloads import GRACE_S
from perpmaker.operator.names import Role

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SWITCH_S = 10.0
"""The dead man's timeout of the account."""
PERMISSION_S = 2.0
"""How long risk's word is good."""
LIMIT = Decimal(5000)
SERVICES = ("main-gateway", "main-order-state", "main-risk", "eth-quoter")
ORDER_LIFE_S = 5.0
"""An action signed before a fault may still be accepted this long after it."""


@contextmanager
def frozen(house: House, *pods: str) -> Iterator[None]:
    """Pods that do not move for as long as the block lasts."""
    stopped = [pid for pod in pods for pid in house.cluster.faults.pause(house.namespace, pod)]
    try:
        yield
    finally:
        house.cluster.faults.resume(stopped)


@contextmanager
def cut(house: House, pod: str) -> Iterator[None]:
    """A pod that nobody reaches and that reaches nobody for as long as the block lasts."""
    ip = house.cluster.faults.cut(house.namespace, pod)
    try:
        yield
    finally:
        house.cluster.faults.heal(ip)


async def _name(house: House, workload: str) -> str:
    return str((await house.pod(workload))["metadata"]["name"])


async def _replaced(house: House, *pods: str) -> None:
    """Delete pods by force; return when the former processes are gone and others run."""
    former = {pod: house.living_pid_of(pod) for pod in pods}
    for pod in pods:
        await house.api.delete("Pod", await _name(house, pod), house.namespace, grace_s=0)
    for pod, pid in former.items():

        async def succeeded(pod: str = pod, pid: int = pid) -> bool:
            return house.living_pid_of(pod) != pid

        await house.until(f"another {pod} runs", succeeded, within_s=START_S)


async def _restarts(house: House, workload: str) -> int:
    return int((await house.pod(workload))["status"]["containerStatuses"][0]["restartCount"])


async def _is_sound(house: House, desk: Desk) -> None:
    await house.ready("eth")
    await house.ready(ACCOUNT, "TradingAccount")
    await desk.is_sound()
    assert await desk.notional() <= LIMIT


async def _places_nothing(desk: Desk, for_s: float) -> None:
    newest = await desk.newest()

    async def nothing_new() -> bool:
        return await desk.newest() == newest

    await holds("no new order", nothing_new, for_s)


@pytest.mark.parametrize("workload", ["eth-quoter", "main-order-state", "main-gateway", "main-risk"])
async def test_a_pod_deleted_by_force_in_mid_requote_leaves_no_orphan(
    house: House, measured: Measure, workload: str
) -> None:
    desk = await desk_of(house, "eth")
    await desk.requote()
    began = time.monotonic()
    await _replaced(house, workload)
    await desk.placed_after(await desk.newest())
    measured(f"{workload} deleted by force to two-sided quotes of new orders", f"{time.monotonic() - began:.1f} s")
    await _is_sound(house, desk)


async def test_quoters_deleted_while_they_start_leave_the_market_to_the_last(house: House, measured: Measure) -> None:
    """A process that is told to end while it is loaded must not come up, let alone trade, after its successor."""
    desk = await desk_of(house, "eth")
    deleted = set()
    for _ in range(5):
        pid, name = house.living_pid_of("eth-quoter"), await _name(house, "eth-quoter")
        await house.api.delete("Pod", name, house.namespace)
        deleted.add(name)

        async def another_starts(pid: int = pid) -> bool:
            return house.living_pid_of("eth-quoter") != pid

        await house.until("another process starts", another_starts, within_s=START_S)
    began = time.monotonic()
    await desk.placed_after(await desk.newest())
    measured("quoters deleted while they start to two-sided quotes of the last", f"{time.monotonic() - began:.1f} s")

    async def are_gone() -> bool:
        return not deleted & {pod["metadata"]["name"] for pod in await house.api.objects("Pod", house.namespace)}

    await house.until("they end long before they would be killed", are_gone, within_s=GRACE_S[Role.QUOTER] / 2)
    await _is_sound(house, desk)


async def test_a_frozen_account_is_emptied_by_the_switch_and_trades_once_when_it_thaws(
    house: House, measured: Measure
) -> None:
    desk = await desk_of(house, "eth")
    pods = [await _name(house, workload) for workload in SERVICES]
    with frozen(house, *pods):
        took_s = await desk.empty(within_s=3 * SWITCH_S)
        measured("everything frozen to a book emptied by the dead man's switch (10 s)", f"{took_s:.1f} s")
        newest = await desk.newest()
        await _places_nothing(desk, 3.0)
    took_s = await desk.placed_after(newest)
    measured("thaw of everything to two-sided quotes", f"{took_s:.1f} s")
    await _is_sound(house, desk)


async def test_a_gateway_that_hangs_until_the_kubelet_kills_it_is_replaced_by_one_that_quotes(
    house: House, measured: Measure
) -> None:
    desk = await desk_of(house, "eth")
    restarts = await _restarts(house, "main-gateway")
    newest = await desk.newest()
    began = time.monotonic()
    with frozen(house, await _name(house, "main-gateway")):
        await desk.empty(within_s=3 * SWITCH_S)

        async def restarted() -> bool:
            return await _restarts(house, "main-gateway") > restarts

        await house.until("the kubelet starts the gateway anew", restarted, within_s=150)
        measured("gateway frozen to its restart by the kubelet", f"{time.monotonic() - began:.0f} s")
        took_s = await desk.placed_after(newest)
        measured("that restart to two-sided quotes", f"{took_s:.1f} s")
    await _is_sound(house, desk)


async def test_a_gateway_cut_off_is_covered_by_the_switch(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    with cut(house, await _name(house, "main-gateway")):
        took_s = await desk.empty(within_s=3 * SWITCH_S)
        measured("gateway cut off to a book emptied by the dead man's switch (10 s)", f"{took_s:.1f} s")
        newest = await desk.newest()
        await _places_nothing(desk, 3.0)
    took_s = await desk.placed_after(newest)
    measured("gateway reconnected to two-sided quotes", f"{took_s:.1f} s")
    await _is_sound(house, desk)


@pytest.mark.parametrize("workload", ["main-order-state", "main-risk", "eth-quoter"])
async def test_a_service_cut_off_means_no_new_orders(house: House, measured: Measure, workload: str) -> None:
    desk = await desk_of(house, "eth")
    with cut(house, await _name(house, workload)):
        took_s = await desk.empty(within_s=4 * SWITCH_S)
        measured(f"{workload} cut off to an empty book", f"{took_s:.1f} s")
        newest = await desk.newest()
        await _places_nothing(desk, 4.0)
    took_s = await desk.placed_after(newest)
    measured(f"{workload} reconnected to two-sided quotes", f"{took_s:.1f} s")
    await _is_sound(house, desk)


@pytest.mark.parametrize("how", ["killed", "deleted"])
async def test_nothing_is_placed_without_a_store_and_nothing_is_forgotten(
    house: House, measured: Measure, how: str
) -> None:
    desk = await desk_of(house, "eth")
    epoch = await desk.epoch()
    await desk.requote()
    began = time.monotonic()
    if how == "killed":
        former = house.living_pid_of("main-store")
        os.kill(former, signal.SIGKILL)

        async def back() -> bool:
            return house.living_pid_of("main-store") != former

        await house.until("the store runs again", back, within_s=START_S)
    else:
        await _replaced(house, "main-store")
    await desk.placed_after(await desk.newest())
    measured(f"store {how} to two-sided quotes of new orders", f"{time.monotonic() - began:.1f} s")
    assert await desk.epoch() >= epoch
    await _is_sound(house, desk)


async def test_nothing_is_placed_while_the_store_is_away(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    with frozen(house, await _name(house, "main-store")):
        await house.until(
            "no order is placed for a second", lambda: _quiet_for_a_second(desk), within_s=SWITCH_S + ORDER_LIFE_S
        )
        await _places_nothing(desk, 3.0)
        newest = await desk.newest()
    measured("store back to two-sided quotes of new orders", f"{await desk.placed_after(newest):.1f} s")
    await _is_sound(house, desk)


async def _quiet_for_a_second(desk: Desk) -> bool:
    newest, began = await desk.newest(), time.monotonic()
    while time.monotonic() - began < 1.0:
        if await desk.newest() != newest:
            return False
    return True


async def test_a_kill_survives_the_store_and_risk(house: House) -> None:
    desk = await desk_of(house, "eth")
    told = await house.services.trip("to be remembered")
    await desk.empty()
    await _replaced(house, "main-store", "main-risk")

    async def latched() -> bool:
        return [trip.trip_id for trip in (await house.services.risk()).trips] == [told.trip_id]

    await house.until("risk remembers the trip", latched, within_s=START_S)
    await _places_nothing(desk, 3.0)
    assert (await house.venue.resting(desk.address, "ETH")).is_empty
    newest = await desk.newest()
    assert (await house.services.rearm(told.trip_id)).released
    await desk.placed_after(newest)
    await _is_sound(house, desk)


async def test_an_exchange_that_forgot_everything_is_quoted_again(house: House, measured: Measure) -> None:
    desk = await desk_of(house, "eth")
    began = time.monotonic()
    await _replaced(house, "main-venue")
    await desk.two_sided()
    measured("simulated exchange deleted to two-sided quotes at its successor", f"{time.monotonic() - began:.1f} s")
    await _is_sound(house, desk)
