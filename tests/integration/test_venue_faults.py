"""Every switch does what it says, on a venue with real sockets: what clients see, and what is true all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.support import venue as support
from tests.support.venue import TestVenue, VenueClient

CLOID = "0x" + "1" * 32


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with support.running(latencies="", limits="off") as running:
        yield running


async def asked(client: VenueClient, kind: str, **fields: Any) -> Any:
    """An info request at the exchange's own door, where faults act."""
    status, answer = await client.post("/info", {"type": kind, "user": client.address} | fields)
    assert status == 200, answer
    return answer


async def struck(venue: TestVenue, name: str) -> int:
    return int((await venue.control("faults"))["struck"].get(name, 0))


@pytest.mark.parametrize(
    ("kind", "body"), [("422", "Failed"), ("429", None), ("500", None), ("502", "<html>"), ("503", "<html>")]
)
async def test_refuse_answers_with_the_status_and_executes_nothing(
    venue: TestVenue, kind: str, body: str | None
) -> None:
    alice = venue.client()
    await venue.control("refuse", kind=kind, channel="rest_exchange", n=1)
    status, said = await alice.post("/exchange", alice.envelope({"type": "noop"}))
    assert status == int(kind)
    assert said is None if body is None else said.startswith(body)
    assert (await alice.exchange({"type": "noop"}))["status"] == "ok"


@pytest.mark.parametrize(("broken", "whole"), [("rest_info", "rest_exchange"), ("rest_exchange", "rest_info")])
async def test_refuse_of_one_channel_is_a_partial_outage(venue: TestVenue, broken: str, whole: str) -> None:
    alice = venue.client()
    await venue.control("refuse", kind="502", channel=broken, for_ms=60_000)
    statuses = {
        "rest_info": (await alice.post("/info", {"type": "meta"}))[0],
        "rest_exchange": (await alice.post("/exchange", alice.envelope({"type": "noop"})))[0],
    }
    assert (statuses[broken], statuses[whole]) == (502, 200)


async def test_reset_ends_the_connection_without_an_answer(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("reset", channel="rest_info", n=1)
    with pytest.raises(aiohttp.ClientError):
        await asked(alice, "meta")
    assert await asked(alice, "meta")


@pytest.mark.parametrize("executes", [True, False])
async def test_hang_ends_without_an_answer_and_executes_as_told(venue: TestVenue, executes: bool) -> None:
    alice = venue.client()
    await venue.control("hang", ms=50, executes=executes, channel="rest_exchange", n=1)
    with pytest.raises(aiohttp.ClientError):
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01", cloid=CLOID)
    assert len(await alice.mine("openOrders")) == executes


async def test_wrong_network_names_an_address_nobody_knows(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("wrong_network", n=1)
    answer = await alice.exchange({"type": "noop"})
    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x") and alice.address not in answer["response"]


async def test_delay_action_lets_a_later_action_be_first(venue: TestVenue) -> None:
    alice = venue.client()
    await alice.exchange({"type": "noop"})
    await venue.control("delay_action", kind="alo", ms=200, n=1)
    async with alice.socket() as line:
        order = support.order_wire(alice.asset("BTC"), is_buy=True, px="63000", sz="0.01", tif="Alo")
        slow = await line.post_only("action", alice.envelope(support.orders_action(order)))
        await line.post("action", alice.envelope({"type": "noop"}))
        assert slow not in [data["id"] for data in line.on("post")]
        await line.wait(lambda m: m["channel"] == "post" and m["data"]["id"] == slow)
    assert len(await alice.mine("openOrders")) == 1


async def test_unknown_oid_hides_an_order_that_exists_until_it_is_old_enough(venue: TestVenue) -> None:
    alice = venue.client()
    placed = await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    oid = placed["resting"]["oid"]
    await venue.control("unknown_oid", younger_than_ms=60_000, n=1)
    assert await asked(alice, "orderStatus", oid=oid) == {"status": "unknownOid"}
    assert (await asked(alice, "orderStatus", oid=oid))["status"] == "order"
    await alice.exchange({"type": "noop"})  # a later block, in which the order is older than that
    await venue.control("unknown_oid", younger_than_ms=1)
    assert (await asked(alice, "orderStatus", oid=oid))["status"] == "order"


async def test_omit_orders_leaves_orders_out_of_the_snapshot(venue: TestVenue) -> None:
    alice = venue.client()
    for px in ("63000", "62000", "61000"):
        await alice.place("BTC", is_buy=True, px=px, sz="0.01")
    await venue.control("omit_orders", n=2)
    assert len(await asked(alice, "openOrders")) == 1
    assert len(await asked(alice, "openOrders")) == 3


async def test_stale_info_answers_as_of_the_moment_it_was_armed(venue: TestVenue) -> None:
    alice = venue.client()
    await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    await venue.control("stale_info", for_ms=60_000)
    await alice.place("BTC", is_buy=True, px="62000", sz="0.01")
    assert len(await asked(alice, "openOrders")) == 1
    await venue.control("clear", name="stale_info")
    assert len(await asked(alice, "openOrders")) == 2


async def test_fill_race_fills_the_order_before_its_cancel(venue: TestVenue) -> None:
    alice = venue.client()
    placed = await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    await venue.control("fill_race", n=1, address=alice.address)
    said = await alice.cancel("BTC", placed["resting"]["oid"])
    assert "never placed, already canceled, or filled" in said["error"]
    state = (await venue.control("dump_state"))["accounts"][alice.address]
    assert state["positions"] == {"BTC": "0.01"} and state["openOrders"] == []


async def test_dropped_messages_never_arrive(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await venue.control("drop_messages", channel="orderUpdates", n=1)
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
        await alice.place("BTC", is_buy=True, px="62000", sz="0.01")
        await ears.wait(lambda m: m["channel"] == "orderUpdates")
        (update,) = ears.on("orderUpdates")
        assert update[0]["order"]["limitPx"] == "62000.0"


async def test_duplicates_arrive_as_often_as_told(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await venue.control("duplicate", channel="ws_user", copies=2, n=1)
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
        await alice.place("BTC", is_buy=True, px="62000", sz="0.01")
        await ears.wait(lambda m: m["channel"] == "orderUpdates" and m["data"][0]["order"]["limitPx"] == "62000.0")
        shown = [update[0]["order"]["limitPx"] for update in ears.on("orderUpdates")]
        assert shown == ["63000.0"] * 3 + ["62000.0"]


async def test_a_freeze_holds_messages_and_releases_them_in_order(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await ears.subscribe(type="openOrders", user=alice.address)
        await venue.control("freeze", channel="orderUpdates")
        for px in ("63000", "62000"):
            await alice.place("BTC", is_buy=True, px=px, sz="0.01")
        await ears.wait(lambda m: m["channel"] == "openOrders" and len(m["data"]["orders"]) == 2)
        assert ears.on("orderUpdates") == []
        await venue.control("clear", name="freeze")
        await ears.wait(lambda m: m["channel"] == "orderUpdates" and m["data"][0]["order"]["limitPx"] == "62000.0")
        assert [u[0]["order"]["limitPx"] for u in ears.on("orderUpdates")] == ["63000.0", "62000.0"]


async def test_shuffle_reorders_what_one_stream_says(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await venue.control("shuffle", channel="orderUpdates", window_ms=400)
        prices = [f"{px}.0" for px in range(60_000, 60_012)]
        for px in prices:
            await alice.place("BTC", is_buy=True, px=px.removesuffix(".0"), sz="0.01")
        await ears.wait(lambda _: len(ears.on("orderUpdates")) == len(prices))
        shown = [u[0]["order"]["limitPx"] for u in ears.on("orderUpdates")]
        assert sorted(shown) == prices and shown != prices


async def test_a_garbled_frame_is_no_json(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.session.ws_connect(venue.ws_url) as raw:
        await venue.control("garble", channel="allMids", n=1)
        await raw.send_json({"method": "subscribe", "subscription": {"type": "allMids"}})
        await raw.receive_json()
        frame = await raw.receive_str()
        assert frame.startswith('{"channel":"allMids"') and not frame.endswith("}")


async def test_a_half_open_socket_neither_hears_nor_speaks_and_stays_open(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as line:
        await venue.control("half_open")
        await line.post_only("action", alice.envelope({"type": "noop"}))
        before = await struck(venue, "half_open")
        assert before == await struck(venue, "half_open")
        await venue.control("clear")
        await line.post("action", alice.envelope({"type": "noop"}))
        assert len(line.on("post")) == 1


async def test_a_withheld_pong_leaves_the_rest_alone(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.session.ws_connect(venue.ws_url) as raw:
        await venue.control("withhold_pong", n=1)
        await raw.send_json({"method": "ping"})
        await raw.send_json({"method": "subscribe", "subscription": {"type": "allMids"}})
        assert (await raw.receive_json())["channel"] == "subscriptionResponse"
        assert await struck(venue, "withhold_pong") == 1


async def test_a_slow_consumer_is_cut_when_too_much_waits_for_it(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await venue.control("slow_consumer", frames_per_block=0, most_waiting=2)
        for px in ("63000", "62000", "61000", "60000"):
            await alice.place("BTC", is_buy=True, px=px, sz="0.01")
        await ears.closed()


async def test_refused_connections_end_when_the_time_is_over(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("refuse_connect", n=1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await alice.session.ws_connect(venue.ws_url)
    assert refused.value.status == 503
    async with alice.session.ws_connect(venue.ws_url) as raw:
        await raw.send_json({"method": "ping"})
        assert await raw.receive_json() == {"channel": "pong"}


async def test_a_storm_refuses_post_only_orders_priced_from_an_older_book(venue: TestVenue) -> None:
    alice, bob = venue.client(1), venue.client(2)
    await bob.place("BTC", is_buy=True, px="63000", sz="0.01")
    await bob.place("BTC", is_buy=False, px="65000", sz="0.01")
    await venue.control("alo_storm", coin="BTC")
    refused = 0
    while not refused:
        for is_buy, px in ((True, "64999"), (False, "63001")):
            placed = await alice.place("BTC", is_buy=is_buy, px=px, sz="0.001", tif="Alo")
            refused += "Post only order would have immediately matched" in placed.get("error", "")
    assert (await venue.control("dump_state"))["violations"] == []


async def test_a_stall_builds_no_blocks(venue: TestVenue) -> None:
    alice = venue.client()
    await alice.exchange({"type": "noop"})
    await venue.control("stall", for_ms=60_000)
    height = (await venue.control("dump_state"))["height"]
    while await struck(venue, "stall") < 5:
        pass
    assert (await venue.control("dump_state"))["height"] == height
    await venue.control("clear")
    assert (await alice.exchange({"type": "noop"}))["status"] == "ok"


@pytest.mark.parametrize(
    "status", ["marginCanceled", "openInterestCapCanceled", "liquidatedCanceled", "delistedCanceled"]
)
async def test_the_exchange_cancels_by_itself_with_the_status_it_is_told(venue: TestVenue, status: str) -> None:
    alice = venue.client()
    placed = await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    oid = placed["resting"]["oid"]
    assert (await venue.control("cancel_orders", address=alice.address, status=status))["canceled"] == [oid]
    assert (await alice.mine("orderStatus", oid=oid))["order"]["status"] == status


async def test_reduce_only_orders_are_trimmed_to_what_is_told(venue: TestVenue) -> None:
    alice, bob = venue.client(1), venue.client(2)
    await bob.place("BTC", is_buy=False, px="64000", sz="0.03")
    await alice.place("BTC", is_buy=True, px="64000", sz="0.03", tif="Ioc")
    for px in ("66000", "67000"):
        await alice.place("BTC", is_buy=False, px=px, sz="0.015", reduce_only=True)
    left = await venue.control("trim_reduce_only", address=alice.address, coin="BTC", side="A", sz="0.01")
    assert list(left["left"].values()) == ["0.01"]


async def test_an_upgrade_lets_post_only_orders_pass_and_no_others(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("upgrade_gate", on=True)
    refused = await alice.place("BTC", is_buy=True, px="63000", sz="0.01", tif="Gtc")
    assert refused == {"error": "Only post-only orders allowed immediately after network upgrade"}
    assert "resting" in await alice.place("BTC", is_buy=True, px="63000", sz="0.01", tif="Alo")
    await venue.control("upgrade_gate", on=False)
    assert "resting" in await alice.place("BTC", is_buy=True, px="62000", sz="0.01", tif="Gtc")


async def test_a_halted_market_trades_again_when_it_is_resumed(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("halt", coin="BTC")
    assert "error" in await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    await venue.control("resume", coin="BTC")
    assert "resting" in await alice.place("BTC", is_buy=True, px="63000", sz="0.01")


async def test_an_expired_agent_signs_for_nobody(venue: TestVenue) -> None:
    owner, agent = venue.client(1), support.key_of(9)
    assert (await owner.approve_agent(agent))["status"] == "ok"
    by_agent = venue.client(9, account=owner.address)
    assert (await by_agent.exchange({"type": "noop"}))["status"] == "ok"
    await venue.control("expire_agent", address=agent.address)
    assert (await by_agent.exchange({"type": "noop"}))["status"] == "err"


@pytest.mark.parametrize(
    "fields",
    [
        {"op": "freeze", "channel": "nonsense"},
        {"op": "freeze", "probability": 0},
        {"op": "hang", "n": 0},
        {"op": "alo_storm", "coin": "NOPE"},
        {"op": "drop_messages", "address": "0x12"},
        {"op": "advance", "ms": 5},
        {"op": "clear", "name": "nonsense"},
        {"op": "schedule"},
        {"op": "schedule", "plan": {"faults": [{"do": {"op": "dump_state"}}]}},
        {"op": "schedule", "plan": {"faults": [{"do": {"op": "halt", "coin": "NOPE"}}]}},
        {"op": "schedule", "random": "random:x"},
        {"op": "cancel_orders", "address": "0x" + "5" * 40, "status": "canceled"},
        {"op": "expire_agent", "address": "0x" + "5" * 40},
    ],
)
async def test_a_fault_that_cannot_be_is_refused_with_a_reason(venue: TestVenue, fields: dict[str, object]) -> None:
    answer = await venue.control_raw(fields)
    assert answer["ok"] is False and answer["error"]


async def test_a_schedule_throws_its_faults_on_venue_time() -> None:
    async with support.running(virtual_time=True, start_ms=1_760_000_000_000, block_ms=70) as venue:
        plan = {"faults": [{"at_ms": 1_000, "every_ms": 1_000, "for_ms": 500, "do": {"op": "freeze"}}]}
        await venue.control("schedule", plan=plan)
        await venue.control("advance", ms=900)
        assert (await venue.control("faults"))["armed"] == []
        await venue.control("advance", ms=200)
        (armed,) = (await venue.control("faults"))["armed"]
        assert armed["switch"]["op"] == "freeze"
        await venue.control("advance", ms=600)
        assert (await venue.control("faults"))["armed"] == []


async def test_what_a_schedule_asks_for_in_vain_is_told_and_time_goes_on() -> None:
    stranger = "0x" + "ab" * 20
    plan = {"faults": [{"at_ms": 100, "do": {"op": "cancel_orders", "address": stranger, "status": "internalCancel"}}]}
    async with support.running(virtual_time=True, start_ms=1_760_000_000_000, block_ms=70) as venue:
        await venue.control("schedule", plan=plan)
        await venue.control("advance", ms=200)
        (refused,) = (await venue.control("faults"))["refused"]
        assert refused["do"]["op"] == "cancel_orders" and stranger in refused["error"]
        assert (await venue.control("advance", ms=700))["blocks"] == 10


async def test_under_virtual_time_nothing_moves_until_it_is_told_and_clients_stay_connected() -> None:
    async with support.running(virtual_time=True, latencies="ack=0-0") as venue:
        alice = venue.client()
        async with alice.socket() as line:
            await line.subscribe(type="allMids")
            asked = await line.post_only("action", alice.envelope({"type": "noop"}))
            before = (await venue.control("dump_state"))["time"]
            assert asked not in [data["id"] for data in line.on("post")]
            while not line.on("post"):
                await venue.control("advance", ms=70)
            mids = len(line.on("allMids"))
            now = (await venue.control("advance", ms=20_000))["time"]
            assert now > before + 20_000 - 1
            await line.wait(lambda _: len(line.on("allMids")) >= mids + 9)
