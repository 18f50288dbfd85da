"""The kill switch and the end of makers and account: the book is empty, stays empty, and nobody else notices."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from tests.e2e import deeds
from tests.e2e.api import Json, condition_of
from tests.e2e.desk import Desk
from tests.e2e.house import ACCOUNT, START_S, House, maker
from tests.e2e.measure import Measure
from tests.e2e.watching import UNDISTURBED_S, holds, watched

from perpmaker.operator.children.workloads import GRACE_S
from perpmaker.operator.names import Role

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ABANDONED_S = 17.0
SMALLEST_ORDER = 10
PODS_END_S = GRACE_S[Role.GATEWAY] / 2
"""Well before they would be killed."""


async def test_a_kill_empties_the_book_and_outlives_the_processes_that_keep_it(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    began = time.monotonic()
    await house.patch("MarketMaker", "eth", killSwitch={"engaged": True})
    await house.empty("eth")
    measured("kill switch of a maker to an empty book (1 s)", f"{time.monotonic() - began:.2f} s")
    trip = await deeds.trip_of(house, "MarketMaker", "eth")
    assert (trip["scope"], trip["reason"]) == ("Market", "ManualEngaged")
    await house.condition("MarketMaker", "eth", "KillSwitchTripped", "True", "ManualEngaged")

    async def stays_empty() -> bool:
        return (await house.resting("eth")).is_empty

    risk, quoter = await house.pod(f"{ACCOUNT}-risk"), await house.pod("eth-quoter")
    async with watched(house) as seen:
        await deeds.sigkill(house, f"{ACCOUNT}-risk")
        await deeds.sigkill(house, "eth-quoter")
        await deeds.back(house, f"{ACCOUNT}-risk", risk)
        await house.until("the quoter runs again", lambda: _runs_again(house, quoter), within_s=START_S)
        await house.two_sided("btc", within_s=START_S)
        await holds("the book of a killed maker is empty", stays_empty, 2)
    assert not list(seen.sessions("eth"))
    assert (await deeds.trip_of(house, "MarketMaker", "eth"))["tripID"] == trip["tripID"]

    await house.patch("MarketMaker", "eth", killSwitch={"engaged": False, "acknowledgedTrip": "t-0-another"})
    await holds("an acknowledgement of another trip does nothing", stays_empty, 3)
    assert (await deeds.trip_of(house, "MarketMaker", "eth"))["tripID"] == trip["tripID"]
    began = time.monotonic()
    await house.patch("MarketMaker", "eth", killSwitch={"engaged": False, "acknowledgedTrip": trip["tripID"]})
    await house.two_sided("eth")
    measured("re-arm to two-sided quotes", f"{time.monotonic() - began:.2f} s")
    await _told_once(house, "KillSwitchTripped", "eth", trip["tripID"])
    await _told_once(house, "Rearmed", "eth", trip["tripID"])


async def test_a_kill_of_the_account_stops_every_market_until_that_trip_is_acknowledged(
    house: House, measured: Measure
) -> None:
    await house.quoting("eth", "btc")
    began = time.monotonic()
    await house.patch("TradingAccount", ACCOUNT, killSwitch={"engaged": True})
    await house.empty("eth")
    await house.empty("btc")
    measured("kill switch of the account to an empty book (1 s)", f"{time.monotonic() - began:.2f} s")
    trip = await deeds.trip_of(house, "TradingAccount", ACCOUNT)
    assert trip["scope"] == "Account"
    for name in ("eth", "btc"):
        await house.condition("MarketMaker", name, "KillSwitchTripped", "True", "AccountTripped")
    # The trip is the account's: a maker cannot acknowledge it.
    await house.patch("MarketMaker", "eth", killSwitch={"engaged": False, "acknowledgedTrip": trip["tripID"]})

    async def stays_empty() -> bool:
        return not await house.venue.open_orders(await house.address())

    await holds("the book of a killed account is empty", stays_empty, 3)
    await house.patch("TradingAccount", ACCOUNT, killSwitch={"engaged": False, "acknowledgedTrip": trip["tripID"]})
    await house.two_sided("eth")
    await house.two_sided("btc")
    await _told_once(house, "KillSwitchTripped", ACCOUNT, trip["tripID"])
    await _told_once(house, "Rearmed", ACCOUNT, trip["tripID"])


async def test_a_loss_over_the_limit_trips_and_trips_again_while_it_lasts(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    held = await deeds.hold_something(house, "eth")
    await house.patch("MarketMaker", "eth", risk={"maxDailyLoss": "1"})
    mids: Json = await house.venue.info("allMids")
    # A mark that moves against the position by as much as makes three dollars of loss.
    against = Decimal(mids["ETH"]) - Decimal(3) / held
    began = time.monotonic()
    await house.venue.control("set_mark", coin="ETH", px=str(against.quantize(Decimal("0.1"))))
    await house.empty("eth")
    measured("loss over the limit to an empty book", f"{time.monotonic() - began:.2f} s")
    first = await deeds.trip_of(house, "MarketMaker", "eth")
    assert first["reason"] == "DailyLoss"
    await house.condition("MarketMaker", "eth", "KillSwitchTripped", "True", "DailyLoss")
    await house.two_sided("btc", within_s=UNDISTURBED_S)
    await house.patch("MarketMaker", "eth", killSwitch={"engaged": False, "acknowledgedTrip": first["tripID"]})

    async def tripped_again() -> bool:
        return (await deeds.trip_of(house, "MarketMaker", "eth"))["tripID"] != first["tripID"]

    async with watched(house) as seen:
        await house.until("it trips again", tripped_again, within_s=30)
    assert not list(seen.sessions("eth"))
    second = await deeds.trip_of(house, "MarketMaker", "eth")
    await house.venue.control("set_mark", coin="ETH", px=None)
    await house.patch(
        "MarketMaker",
        "eth",
        risk={"maxDailyLoss": "1000"},
        killSwitch={"engaged": False, "acknowledgedTrip": second["tripID"]},
    )
    await house.two_sided("eth")


async def test_a_maker_goes_without_orders_and_without_disturbing_another(house: House, measured: Measure) -> None:
    address = await house.quoting("eth", "btc")
    await deeds.hold_something(house, "eth")
    async with watched(house) as seen:
        await _deleted(house, "eth", measured, "delete")
    gap_s = seen.longest_gap_s("btc")
    measured("delete, longest gap of the other maker", f"{gap_s:.2f} s")
    assert gap_s < UNDISTURBED_S
    held = await deeds.position(house, "ETH")
    assert held
    await house.apply(maker("eth"))
    await house.two_sided("eth", within_s=START_S)

    async def knows_it() -> bool:
        found = await house.api.read("MarketMaker", "eth", house.namespace)
        told = ((found.get("status") or {}).get("summary") or {}).get("positionBase")
        return told is not None and Decimal(told) == await deeds.position(house, "ETH")

    await house.until("the maker that is back tells its old position", knows_it, within_s=30)
    assert not [one for one in await house.venue.open_orders(address) if one["coin"] not in ("ETH", "BTC")]


async def test_flatten_closes_the_position_before_the_maker_goes(house: House, measured: Measure) -> None:
    await house.quoting("eth", "btc")
    await deeds.hold_something(house, "eth")
    await house.patch("MarketMaker", "eth", deletionPolicy="Flatten")
    began = time.monotonic()
    await house.delete("MarketMaker", "eth")
    await house.api.until_gone("MarketMaker", "eth", house.namespace, within_s=150)
    measured("delete with Flatten until the object is gone", f"{time.monotonic() - began:.1f} s")
    mids: Json = await house.venue.info("allMids")
    # The exchange takes no order for less than its smallest, so such a rest is as flat as it gets.
    assert abs(await deeds.position(house, "ETH")) * Decimal(mids["ETH"]) < SMALLEST_ORDER
    assert (await house.resting("eth")).is_empty
    await house.two_sided("btc", within_s=UNDISTURBED_S)


async def test_orphan_leaves_orders_and_position_for_whoever_comes_next(house: House) -> None:
    address = await house.quoting("sol", "btc")
    assert await deeds.hold_something(house, "sol")
    await house.patch("MarketMaker", "sol", deletionPolicy="Orphan")
    await house.ready("sol")
    await house.two_sided("sol")
    await house.delete("MarketMaker", "sol")
    await house.api.until_gone("MarketMaker", "sol", house.namespace, within_s=60)

    desk = Desk(house, "sol", address)
    left = await desk.oids()
    assert left

    async def left_alone() -> bool:
        return all(life.status in {"open", "filled"} for life in await desk.history() if life.oid in left)

    # Longer than anybody waits for a quoter that stays away.
    await holds("orders of an orphaned maker", left_alone, ABANDONED_S)
    await house.two_sided("btc", within_s=UNDISTURBED_S)
    await house.apply(maker("sol", deletionPolicy="CancelOrders"))
    await house.two_sided("sol", within_s=START_S)
    await house.ready("sol")
    await house.delete("MarketMaker", "sol")
    await house.api.until_gone("MarketMaker", "sol", house.namespace, within_s=60)
    assert (await house.resting("sol")).is_empty


async def test_an_account_stays_while_makers_need_it_and_goes_after_them(house: House, measured: Measure) -> None:
    address = await house.quoting("eth", "btc")
    await house.delete("TradingAccount", ACCOUNT)
    await house.condition("TradingAccount", ACCOUNT, "Stalled", "True", "InUse")

    async def is_told() -> bool:
        return bool(await house.events("InUse", ACCOUNT))

    await house.until("Event InUse", is_told, within_s=20)

    async def trades_on() -> bool:
        state = (await house.venue.control("dump_state"))["accounts"][address.lower()]
        return bool(state["openOrders"]) and state["scheduledCancel"] is not None

    async with watched(house) as seen:
        await holds("makers quote and the dead man's switch is armed", trades_on, 5)
    assert max(seen.longest_gap_s("eth"), seen.longest_gap_s("btc")) < UNDISTURBED_S
    began = time.monotonic()
    for name in ("eth", "btc"):
        await house.delete("MarketMaker", name)
    for name in ("eth", "btc"):
        await house.empty(name)
        await house.api.until_gone("MarketMaker", name, house.namespace, within_s=60)
    await house.api.until_gone("TradingAccount", ACCOUNT, house.namespace, within_s=60)
    measured("account gone after its makers' deletion", f"{time.monotonic() - began:.1f} s")

    async def pods() -> list[Json]:
        return list(await house.api.objects("Pod", house.namespace, label=f"perpmaker.io/account={ACCOUNT}"))

    async def are_ending() -> bool:
        return all("deletionTimestamp" in pod["metadata"] for pod in await pods())

    async def are_gone() -> bool:
        return not await pods()

    # Kubernetes collects what belonged to the account when it comes to it.
    await house.until("every pod of the account is told to end", are_ending, within_s=START_S)
    began = time.monotonic()
    await house.until("no pod of the account is left", are_gone, within_s=PODS_END_S)
    measured("an account's pods told to end until they are gone", f"{time.monotonic() - began:.1f} s")


async def _deleted(house: House, name: str, measured: Measure, what: str) -> None:
    began = time.monotonic()
    await house.delete("MarketMaker", name)
    await house.empty(name)
    measured(f"{what} to zero orders (5 s)", f"{time.monotonic() - began:.2f} s")
    await house.api.until_gone("MarketMaker", name, house.namespace, within_s=60)
    measured(f"{what} until the object is gone (20 s)", f"{time.monotonic() - began:.1f} s")
    assert (await house.resting(name)).is_empty


async def _told_once(house: House, reason: str, name: str, trip_id: str) -> None:
    async def told() -> bool:
        return any(trip_id in event["message"] for event in await house.events(reason, name))

    await house.until(f"Event {reason}", told, within_s=20)
    assert sum(trip_id in event["message"] for event in await house.events(reason, name)) == 1


async def _runs_again(house: House, before: Json) -> bool:
    pod = await house.pod("eth-quoter")
    status = pod["status"]["containerStatuses"][0]
    is_other = status["containerID"] != before["status"]["containerStatuses"][0]["containerID"]
    return is_other and "running" in status["state"] and condition_of(pod, "PodScheduled").get("status") == "True"
