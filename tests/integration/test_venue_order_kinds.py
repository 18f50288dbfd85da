"""Kinds of order beyond the plain limit, signed and sent as clients do, and what is said of them afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support import venue as support
from tests.support.venue import TestVenue, VenueClient, order_wire, orders_action

CLOIDS = ["0x" + digit * 32 for digit in "123"]


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with support.running(markets=("BTC", "ETH")) as running:
        yield running


def trigger_wire(at: str, px: str, cloid: str, *, tpsl: str = "sl", is_market: bool = True) -> dict[str, Any]:
    terms = {"trigger": {"isMarket": is_market, "triggerPx": at, "tpsl": tpsl}}
    return {"a": 0, "b": False, "p": px, "s": "0.01", "r": True, "t": terms, "c": cloid}


async def statuses(client: VenueClient, action: dict[str, Any]) -> Any:
    answer = await client.exchange(action)
    assert answer["status"] == "ok", answer
    return answer["response"]["data"]["statuses"]


async def with_position(venue: TestVenue) -> VenueClient:
    alice, bob = venue.client(1), venue.client(2)
    await bob.place("BTC", is_buy=False, px="64000", sz="0.01", tif="Gtc")
    await alice.place("BTC", is_buy=True, px="64000", sz="0.01", tif="Ioc")
    return alice


async def test_a_trigger_order_is_found_by_its_client_id_and_fires_on_the_mark(venue: TestVenue) -> None:
    alice = await with_position(venue)
    await venue.client(2).place("BTC", is_buy=True, px="61000", sz="0.01", tif="Gtc")
    action = orders_action(trigger_wire("62000", "60000", CLOIDS[0]))
    assert await statuses(alice, action) == ["waitingForTrigger"]
    (shown,) = await alice.mine("frontendOpenOrders")
    assert (shown["isTrigger"], shown["orderType"], shown["triggerCondition"], shown["tif"]) == (
        True,
        "Stop Market",
        "Price below 62000",
        None,
    )
    async with alice.socket() as socket:
        await socket.subscribe(type="orderUpdates", user=alice.address)
        await venue.control("set_mark", coin="BTC", px="61500")
        await socket.wait(lambda m: m["channel"] == "orderUpdates" and m["data"][-1]["status"] == "filled")
        told = [update["status"] for message in socket.on("orderUpdates") for update in message]
    assert told == ["triggered", "filled"]
    assert (await alice.mine("orderStatus", oid=CLOIDS[0]))["order"]["status"] == "filled"


async def test_children_are_answered_bare_and_listed_under_their_parent(venue: TestVenue) -> None:
    alice = venue.client()
    parent = order_wire(0, is_buy=True, px="63000", sz="0.01", tif="Gtc", cloid=CLOIDS[0])
    stop = trigger_wire("60000", "58000", CLOIDS[1])
    profit = trigger_wire("70000", "69000", CLOIDS[2], tpsl="tp")
    action = {"type": "order", "orders": [parent, stop, profit], "grouping": "normalTpsl"}
    placed = await statuses(alice, action)
    assert placed[1:] == ["waitingForFill", "waitingForFill"]
    shown = await alice.mine("frontendOpenOrders")
    (listed,) = [order for order in shown if order["oid"] == placed[0]["resting"]["oid"]]
    assert [child["cloid"] for child in listed["children"]] == CLOIDS[1:]


async def test_a_fast_cancel_is_signed_with_its_flag_and_spares_trigger_orders(venue: TestVenue) -> None:
    alice = await with_position(venue)
    oid = (await alice.place("BTC", is_buy=True, px="63000", sz="0.01"))["resting"]["oid"]
    await statuses(alice, orders_action(trigger_wire("62000", "60000", CLOIDS[0])))
    assert await statuses(alice, {"type": "cancel", "cancels": [{"a": 0, "o": oid}], "f": True}) == ["success"]
    named = {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOIDS[0]}], "f": True}
    assert await statuses(alice, named) == [{"error": "Cannot fast cancel trigger order asset=0"}]


async def test_a_priority_grouping_is_accepted_for_post_only_orders(venue: TestVenue) -> None:
    order = order_wire(0, is_buy=True, px="63000", sz="0.01")
    action = {"type": "order", "orders": [order], "grouping": {"p": 80_000}}
    assert "resting" in (await statuses(venue.client(), action))[0]


async def test_an_unapproved_builder_is_refused(venue: TestVenue) -> None:
    order = order_wire(0, is_buy=True, px="63000", sz="0.01")
    action = orders_action(order) | {"builder": {"b": "0x" + "b" * 40, "f": 10}}
    assert await statuses(venue.client(), action) == [{"error": "Builder fee has not been approved."}]


async def test_a_twap_order_runs_is_told_and_is_cancelled_once(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.client(2).place("BTC", is_buy=False, px="64000", sz="0.1", tif="Gtc")
    twap = {"a": 0, "b": True, "s": "0.1", "r": False, "m": 5, "t": False}
    started = await alice.exchange({"type": "twapOrder", "twap": twap})
    number = started["response"]["data"]["status"]["running"]["twapId"]
    (slice_fill,) = await alice.mine("userTwapSliceFills")
    assert (slice_fill["twapId"], slice_fill["fill"]["hash"]) == (number, "0x" + "0" * 64)
    stop = {"type": "twapCancel", "a": 0, "t": number}
    answers = [(await alice.exchange(stop))["response"]["data"]["status"] for _ in range(2)]
    assert answers == ["success", {"error": "TWAP was never placed, already canceled, or filled."}]
    (shown,) = await alice.mine("twapHistory")
    assert (shown["twapId"], shown["status"], shown["state"]["executedSz"]) == (
        number,
        {"status": "terminated"},
        slice_fill["fill"]["sz"],
    )
