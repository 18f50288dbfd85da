"""The venue over real HTTP and WebSocket, driven by a client that signs with somebody else's code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.support import venue as support
from tests.support.venue import TestVenue, key_of, order_wire, orders_action

CLOID = "0x1234567890abcdef1234567890abcdef"


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with support.running(markets=("BTC", "ETH")) as running:
        yield running


async def test_a_new_address_is_funded_and_its_order_rests(venue: TestVenue) -> None:
    alice = venue.client()
    status = await alice.place("BTC", is_buy=True, px="63000", sz="0.01", cloid=CLOID)
    assert status["resting"]["cloid"] == CLOID
    opened = await alice.mine("openOrders")
    assert [(o["oid"], o["limitPx"], o["sz"]) for o in opened] == [(status["resting"]["oid"], "63000.0", "0.01")]
    assert (await alice.mine("clearinghouseState"))["marginSummary"]["accountValue"] == "100000.0"


async def test_a_cancel_empties_the_book_and_the_record_says_so(venue: TestVenue) -> None:
    alice = venue.client()
    oid = (await alice.place("BTC", is_buy=True, px="63000", sz="0.01"))["resting"]["oid"]
    assert await alice.cancel("BTC", oid) == "success"
    assert await alice.mine("openOrders") == []
    assert (await alice.mine("orderStatus", oid=oid))["order"]["status"] == "canceled"
    gone = "Order was never placed, already canceled, or filled. asset=0"
    assert await alice.cancel("BTC", oid) == {"error": gone}


async def test_an_unknown_signer_is_refused_without_a_faucet() -> None:
    async with support.running(faucet_usdc=0) as venue:
        alice = venue.client()
        answer = await alice.exchange({"type": "noop"})
        # The venue may read the signature for either network; the home one names the true signer.
        assert answer == {"status": "err", "response": f"User or API Wallet {alice.address} does not exist."}
        approval = await alice.approve_agent(key_of(9))
        text = f"Must deposit before performing actions. User: {alice.address}"
        assert approval == {"status": "err", "response": text}


async def test_a_client_that_signs_for_mainnet_is_known_once_it_asked_about_itself(venue: TestVenue) -> None:
    alice = venue.client(source="a")
    await alice.mine("openOrders")
    await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    assert len(await alice.mine("openOrders")) == 1


async def test_an_agent_trades_for_its_master_until_it_is_replaced(venue: TestVenue) -> None:
    alice = venue.client()
    first = venue.client(2, account=alice.address)
    assert (await alice.approve_agent(first.key))["status"] == "ok"
    assert await alice.info("userRole", user=first.key.address) == {
        "role": "agent",
        "data": {"user": alice.address},
    }
    await first.place("BTC", is_buy=True, px="63000", sz="0.01")
    assert len(await alice.mine("openOrders")) == 1
    await alice.approve_agent(key_of(3))
    text = f"Must deposit before performing actions. User: {alice.address}"
    assert await first.exchange({"type": "noop"}) == {"status": "err", "response": text}


async def test_a_named_agent_is_listed_and_cannot_approve_others(venue: TestVenue) -> None:
    alice, agent = venue.client(), venue.client(2)
    await alice.approve_agent(agent.key, "mm1")
    listed = await alice.mine("extraAgents")
    assert [(a["name"], a["address"]) for a in listed] == [("mm1", agent.address)]
    text = f"Must deposit before performing actions. User: {agent.address}"
    assert await agent.approve_agent(key_of(3)) == {"status": "err", "response": text}


async def test_both_sides_of_a_trade_hear_of_it_on_their_streams(venue: TestVenue) -> None:
    alice, bob = venue.client(1), venue.client(2)
    async with alice.socket() as ears:
        for kind in ("orderUpdates", "userFills", "userEvents", "openOrders", "clearinghouseState"):
            await ears.subscribe(type=kind, user=alice.address)
        oid = (await alice.place("BTC", is_buy=True, px="64000", sz="0.01"))["resting"]["oid"]
        filled = (await bob.place("BTC", is_buy=False, px="64000", sz="0.01", tif="Ioc"))["filled"]
        assert (filled["totalSz"], filled["avgPx"]) == ("0.01", "64000.0")
        fills = await ears.wait(lambda m: m["channel"] == "userFills" and "isSnapshot" not in m["data"])
        (fill,) = fills["data"]["fills"]
        assert (fill["oid"], fill["crossed"], fill["fee"], fill["dir"]) == (oid, False, "0.096", "Open Long")
        await ears.wait(lambda m: m["channel"] == "user" and "fills" in m["data"])
        await ears.wait(lambda m: m["channel"] == "openOrders" and m["data"]["orders"] == [])
        statuses = [update["status"] for data in ears.on("orderUpdates") for update in data]
        assert statuses == ["open", "filled"]
    state = await alice.mine("clearinghouseState")
    assert state["assetPositions"][0]["position"]["szi"] == "0.01"
    assert (await venue.control("dump_state"))["violations"] == []


async def test_market_streams_follow_the_book(venue: TestVenue) -> None:
    alice, bob = venue.client(1), venue.client(2)
    async with alice.socket() as ears:
        assert await ears.subscribe(type="l2Book", coin="BTC", fast=True) == {
            "type": "l2Book",
            "coin": "BTC",
            "nSigFigs": None,
            "mantissa": None,
            "fast": True,
        }
        await ears.subscribe(type="bbo", coin="BTC")
        await ears.subscribe(type="trades", coin="BTC")
        await ears.subscribe(type="allMids")
        await ears.subscribe(type="activeAssetCtx", coin="BTC")
        await alice.place("BTC", is_buy=True, px="63990", sz="0.01")
        await bob.place("BTC", is_buy=False, px="64010", sz="0.02")
        top = [{"px": "63990.0", "sz": "0.01", "n": 1}, {"px": "64010.0", "sz": "0.02", "n": 1}]
        await ears.wait(lambda m: m["channel"] == "bbo" and m["data"]["bbo"] == top)
        await ears.wait(lambda m: m["channel"] == "l2Book" and m["data"]["levels"] == [[top[0]], [top[1]]])
        await venue.control("trade", coin="BTC", side="B", sz="0.005")
        traded = await ears.wait(lambda m: m["channel"] == "trades")
        assert (traded["data"][0]["px"], traded["data"][0]["side"]) == ("64010.0", "B")
        assert ears.on("activeAssetCtx")[0]["ctx"]["markPx"] == "64000.0"


async def test_a_quiet_fast_book_is_repeated(venue: TestVenue) -> None:
    async with venue.client().socket() as ears:
        await ears.subscribe(type="l2Book", coin="BTC", fast=True)
        await ears.wait(lambda m: len(ears.on("l2Book")) >= 3)
        times = [book["time"] for book in ears.on("l2Book")]
        assert times == sorted(set(times))


async def test_books_are_served_plain_and_merged(venue: TestVenue) -> None:
    alice = venue.client()
    for px in ("63990", "63985", "63010"):
        await alice.place("BTC", is_buy=True, px=px, sz="0.01")
    merged = await alice.info("l2Book", coin="BTC", nSigFigs=3)
    assert merged["levels"][0] == [
        {"px": "63900.0", "sz": "0.02", "n": 2},
        {"px": "63000.0", "sz": "0.01", "n": 1},
    ]
    async with alice.socket() as ears:
        plain = await ears.subscribe(type="l2Book", coin="BTC")
        assert plain == {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None}
        book = await ears.wait(lambda m: m["channel"] == "l2Book")
        assert [level["px"] for level in book["data"]["levels"][0]] == ["63990.0", "63985.0", "63010.0"]


async def test_fills_are_listed_newest_first_and_paged_oldest_first(venue: TestVenue) -> None:
    alice, bob = venue.client(1), venue.client(2)
    for px in ("64000", "64001", "64002"):
        await alice.place("BTC", is_buy=True, px=px, sz="0.01")
        await bob.place("BTC", is_buy=False, px=px, sz="0.01", tif="Ioc")
    newest = await alice.mine("userFills")
    paged = await alice.mine("userFillsByTime", startTime=newest[1]["time"])
    assert [fill["px"] for fill in newest] == ["64002.0", "64001.0", "64000.0"]
    assert [fill["px"] for fill in paged] == ["64001.0", "64002.0"]


async def test_a_socket_answers_pings_posts_and_nonsense(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as line:
        await line.send({"method": "ping"})
        await line.wait(lambda m: m == {"channel": "pong"})
        order = order_wire(0, is_buy=True, px="63000", sz="0.01")
        placed = await line.post("action", alice.envelope(orders_action(order)))
        assert placed["type"] == "action" and placed["payload"]["status"] == "ok"
        book = await line.post("info", {"type": "l2Book", "coin": "BTC"})
        assert book["payload"]["type"] == "l2Book"
        assert book["payload"]["data"]["levels"][0][0]["px"] == "63000.0"
        bad = await line.post("info", {"type": "nothing"})
        assert bad["type"] == "error" and bad["payload"].startswith("422 Failed to deserialize")
        await line.subscribe(type="bbo", coin="BTC")
        await line.send({"method": "subscribe", "subscription": {"type": "bbo", "coin": "BTC"}})
        await line.send({"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "ETH"}})
        await line.send({"method": "subscribe", "subscription": {"type": "bbo", "coin": "NOPE"}})
        await line.send({"hello": 1})
        await line.wait(lambda m: m["channel"] == "error" and "websocket request" in m["data"])
        assert line.on("error") == [
            'Already subscribed: {"type":"bbo","coin":"BTC"}',
            'Already unsubscribed: {"type":"bbo","coin":"ETH"}',
            'Invalid subscription {"type":"bbo","coin":"NOPE"}',
            'Error parsing JSON into valid websocket request: {"hello": 1}',
        ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/info", "{", 400),
        ("/exchange", "{", 400),
        ("/info", '{"type":"nothing"}', 422),
        ("/info", '{"type":"openOrders"}', 422),
        ("/info", '{"type":"openOrders","user":"0x12"}', 422),
        ("/exchange", '{"action":{"type":"noop"},"nonce":1,"signature":{"r":"0x1","s":"0x1","v":27},"x":1}', 422),
        ("/info", '{"type":"l2Book","coin":"BTC","nSigFigs":7}', 500),
        ("/info", '{"type":"l2Book","coin":"NOPE"}', 200),
    ],
)
async def test_unreadable_requests_get_the_exchanges_status(
    venue: TestVenue, path: str, body: str, status: int
) -> None:
    headers = {"content-type": "application/json"}
    async with venue.session.post(venue.api_url + path, data=body, headers=headers) as response:
        assert response.status == status


async def test_another_content_type_is_refused(venue: TestVenue) -> None:
    async with venue.session.post(venue.api_url + "/info", data='{"type":"meta"}') as response:
        assert response.status == 415


async def test_every_info_request_of_a_start_up_answers(venue: TestVenue) -> None:
    alice = venue.client()
    await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
    meta, contexts = await alice.info("metaAndAssetCtxs")
    assert [m["name"] for m in meta["universe"]] == ["BTC", "ETH"]
    assert contexts[0]["markPx"] == "64000.0" and contexts[0]["midPx"] is None
    assert await alice.info("allPerpMetas") == [meta]
    assert await alice.info("perpDexs") == [None]
    assert [pair["name"] for pair in (await alice.info("spotMeta"))["universe"]] == ["PURR/USDC"]
    assert await alice.info("allMids") == {"BTC": "64000.0", "ETH": "2450.0"}
    assert (await alice.info("exchangeStatus"))["specialStatuses"] is None
    assert (await alice.mine("userRateLimit"))["nRequestsUsed"] == 1
    assert (await alice.mine("userFees"))["userCrossRate"] == "0.00045"
    assert (await alice.mine("activeAssetData", coin="BTC"))["leverage"] == {"type": "cross", "value": 20}
    for kind in ("userFunding", "userNonFundingLedgerUpdates", "userFillsByTime"):
        assert isinstance(await alice.mine(kind, startTime=0), list)
    for kind in ("frontendOpenOrders", "historicalOrders", "userFills"):
        assert isinstance(await alice.mine(kind), list)


async def test_a_swallowed_answer_leaves_the_order_in_the_book(venue: TestVenue) -> None:
    alice = venue.client()
    await alice.exchange({"type": "noop"})
    await venue.control("drop_after_commit", n=1, address=alice.address)
    with pytest.raises(aiohttp.ClientError):
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01", cloid=CLOID)
    record = await alice.mine("orderStatus", oid=CLOID)
    assert record["order"]["status"] == "open"


async def test_a_swallowed_request_never_reaches_the_book(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("drop_before_commit", n=1)
    with pytest.raises(aiohttp.ClientError):
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01", cloid=CLOID)
    assert await alice.mine("orderStatus", oid=CLOID) == {"status": "unknownOid"}


async def test_a_socket_post_whose_answer_is_lost_stays_silent_while_the_next_is_answered(
    venue: TestVenue,
) -> None:
    alice = venue.client()
    await venue.control("drop_after_commit", n=1)
    async with alice.socket() as line:
        lost = await line.post_only("action", alice.envelope({"type": "noop"}))
        answered = await line.post("action", alice.envelope({"type": "noop"}))
        assert answered["payload"] == {"status": "ok", "response": {"type": "default"}}
        assert lost not in [data["id"] for data in line.on("post")]


async def test_a_disconnect_cuts_the_listener_and_refuses_newcomers_for_a_while(venue: TestVenue) -> None:
    alice = venue.client()
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        cut = await venue.control("disconnect", address=alice.address, for_ms=60_000, rest=True)
        assert cut["disconnected"] == 1
        await ears.closed()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await alice.session.ws_connect(venue.ws_url)
    with pytest.raises(aiohttp.ClientError):
        await alice.post("/info", {"type": "meta"})


async def test_a_disconnect_with_a_code_says_goodbye(venue: TestVenue) -> None:
    async with venue.client().socket() as ears:
        await venue.control("disconnect", all=True, code=1000)
        assert await ears.closed() == 1000


async def test_a_delayed_channel_arrives_after_the_others(venue: TestVenue) -> None:
    alice = venue.client()
    await venue.control("delay", channel="orderUpdates", ms=100)
    async with alice.socket() as ears:
        await ears.subscribe(type="orderUpdates", user=alice.address)
        await ears.subscribe(type="openOrders", user=alice.address)
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01")
        await ears.wait(lambda m: m["channel"] == "orderUpdates")
        shown = [m["channel"] for m in ears.received if m["channel"] in ("orderUpdates", "openOrders")]
        assert shown == ["openOrders", "openOrders", "orderUpdates"]


async def test_the_control_port_funds_pins_marks_and_explains_itself(venue: TestVenue) -> None:
    bob = venue.client(5)
    assert (await venue.control("fund", address=bob.address, usdc="250.5"))["rawUsd"] == "250.5"
    await venue.control("set_mark", coin="BTC", px=65000)
    assert (await bob.info("metaAndAssetCtxs"))[1][0]["markPx"] == "65000.0"
    assert (await venue.control("set_mark", coin="BTC", px=None))["pinned"] is False
    described = (await venue.control("help"))["ops"]
    assert described["fund"]["schema"]["required"] == ["op", "address", "usdc"]


@pytest.mark.parametrize(
    "body",
    [
        {"op": "explode"},
        {"op": "fund", "address": "0x1", "usdc": 1},
        {"op": "fund", "address": "0x" + "1" * 40, "usdc": -1},
        {"op": "trade", "coin": "NOPE", "side": "B", "sz": 1},
        {"op": "delay", "channel": "ack", "ms": 1, "extra": 1},
        {"op": "disconnect"},
        [],
    ],
)
async def test_a_senseless_control_operation_is_refused_with_a_reason(venue: TestVenue, body: object) -> None:
    answer = await venue.control_raw(body)
    assert answer["ok"] is False and answer["error"]


async def test_funding_is_paid_each_interval_and_told_to_the_holder() -> None:
    async with support.running(funding_interval_ms=50) as venue:
        alice, bob = venue.client(1), venue.client(2)
        async with alice.socket() as ears:
            await ears.subscribe(type="userFundings", user=alice.address)
            await alice.place("BTC", is_buy=True, px="64000", sz="0.1")
            await bob.place("BTC", is_buy=False, px="64000", sz="0.1", tif="Ioc")
            told = await ears.wait(lambda m: m["channel"] == "userFundings" and m["data"]["fundings"] != [])
            assert told["data"]["fundings"][0]["usdc"].startswith("-")
        assert (await venue.control("dump_state"))["violations"] == []
