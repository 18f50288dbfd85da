"""Markets come and go in a running order-state: the others do not notice, and no order gets out of sight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from tests.support import waiting
from tests.support.order_state import MARKET, e8
from tests.support.order_state_stack import Quoter, RedisProcess, Stack, redis_kinds, redis_server, stack, until
from tests.support.waiting import HANG_S

from perpmaker.api.parts import OrderStatePart
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_

ETH = "ETH"


@pytest.fixture(params=redis_kinds())
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisProcess]:
    folder = tmp_path / "store"
    folder.mkdir()
    with redis_server(request.param, folder) as running:
        yield running


@pytest.fixture
async def house(server: RedisProcess, tmp_path: Path) -> AsyncIterator[Stack]:
    """Configured with BTC only; the gateway and risk know ETH as well."""
    async with stack(tmp_path, server.url) as running:
        running.exchange.markets = (MARKET, ETH)
        running.risk.markets.append(ETH)
        yield running


async def apply(house: Stack, revision: int, *markets: str, **changes: Any) -> int:
    """Offer a changed part; returns the revision in force."""
    part: OrderStatePart = house.part.model_copy(update={"revision": revision, "markets": markets, **changes})
    async with house.asking() as stub:
        request = os_.ApplyConfigRequest(revision=revision, part_json=part.model_dump_json())
        return int((await stub.ApplyConfig(request, timeout=HANG_S)).applied_revision)


async def summary(house: Stack) -> os_.GetSummaryResponse:
    async with house.asking() as stub:
        answer: os_.GetSummaryResponse = await stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
        return answer


async def accepted(quoter: Quoter, **order: Any) -> str:
    """Place an order as soon as nothing is held; returns its cloid."""
    await until(lambda: not quoter.hold.held, f"{quoter.market} is released")

    async def placed() -> str | None:
        offered = quoter.order(**order)
        return offered.cloid if await quoter.submit(places=[offered]) == ["ACCEPTED"] else None

    return await waiting.until(f"an order of {quoter.market} is accepted", placed)


async def test_an_added_market_trades_while_the_others_go_on(house: Stack) -> None:
    btc = await house.quoter()
    resting = await accepted(btc)
    await btc.reaches(resting, "RESTING")
    seen = len(btc.events)
    assert await apply(house, 2, MARKET, ETH) == 2
    eth = await house.quoter(ETH)
    await eth.reaches(await accepted(eth), "RESTING")
    assert btc.state(resting) == "RESTING"
    assert not [event for event in btc.events[seen:] if event.WhichOneof("event") == "hold"]


async def test_a_market_that_the_gateway_does_not_serve_yet_is_held_alone(house: Stack) -> None:
    house.exchange.markets = (MARKET,)
    await apply(house, 2, MARKET, ETH)
    eth = await house.quoter(ETH)
    assert list(eth.hold.reasons) == ["opening"]
    btc = await house.quoter()
    assert not btc.hold.held
    house.exchange.markets = (MARKET, ETH)
    await eth.reaches(await accepted(eth), "RESTING")


async def test_orders_are_judged_by_rules_that_change_while_the_market_is_open(house: Stack) -> None:
    btc = await house.quoter()
    assert await btc.submit(places=[btc.order(sz="1.5")]) == ["ACCEPTED"]
    house.exchange.sz_decimals = 0

    async def refused() -> bool:
        house.clock.skip(1_000)
        return await btc.submit(places=[btc.order(sz="1.5", level=1)]) == ["INVALID"]

    await waiting.until("a size off the new lot is refused", refused)
    assert await btc.submit(places=[btc.order(sz="2", level=2)]) == ["ACCEPTED"]


async def test_orders_of_a_removed_market_are_cancelled_and_tracked_until_they_are_over(house: Stack) -> None:
    await apply(house, 2, MARKET, ETH)
    btc, eth = await house.quoter(), await house.quoter(ETH)
    stays, goes = await accepted(btc), await accepted(eth)
    await eth.reaches(goes, "RESTING")
    await btc.reaches(stays, "RESTING")
    house.exchange.on_cancel = lambda _cloid: "unknown"
    assert await apply(house, 3, MARKET) == 3
    await eth.reaches(goes, "CANCEL_PENDING")
    assert await eth.submit(places=[eth.order()]) == ["HELD"]
    with pytest.raises(aio.AioRpcError, match="not configured"):
        await eth.acquire()
    house.exchange.on_cancel = lambda _cloid: "cancel"
    house.clock.skip(2_000)
    await until(lambda: not house.exchange.orders[goes].is_open, "the cancel is repeated")

    async def is_let_go() -> bool:
        async with house.asking() as stub:
            try:
                await stub.ListOrders(os_.ListOrdersRequest(market=ETH), timeout=HANG_S)
            except aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.INVALID_ARGUMENT
            return False

    await waiting.until("ETH is let go", is_let_go)
    assert house.exchange.orders[stays].is_open


async def test_orders_of_a_market_that_is_left_alone_stay_whoever_goes_until_it_is_served_again(house: Stack) -> None:
    await apply(house, 2, MARKET, ETH)
    btc, eth = await house.quoter(), await house.quoter(ETH)
    goes, left = await accepted(btc), await accepted(eth)
    await btc.reaches(goes, "RESTING")
    await eth.reaches(left, "RESTING")
    await apply(house, 3, MARKET, ETH, left_alone=(ETH,))
    await eth.hang_up()
    await btc.hang_up()
    house.clock.skip(20_000)
    await until(lambda: not house.exchange.orders[goes].is_open, "the quoter of BTC stays away")
    assert house.exchange.orders[left].is_open
    await apply(house, 4, MARKET, left_alone=(ETH,))
    house.clock.skip(60_000)
    await house.ready()
    assert house.exchange.orders[left].is_open
    await apply(house, 5, MARKET, ETH)
    await until(lambda: not house.exchange.orders[left].is_open, "nobody quotes ETH, and it is not left alone any more")


async def test_a_market_that_returns_continues_its_ledger_and_its_sessions(house: Stack) -> None:
    await apply(house, 2, MARKET, ETH)
    eth = await house.quoter(ETH)
    cloid = await accepted(eth)
    await eth.reaches(cloid, "RESTING")
    house.exchange.fill(cloid, "1")
    await eth.reaches(cloid, "FILLED")
    await apply(house, 3, MARKET)
    await house.crash()
    await house.start()
    await house.ready()
    await apply(house, 4, MARKET, ETH)
    back = await house.quoter(ETH)
    assert back.epoch > eth.epoch
    assert back.standing.position.sz_e8 == e8("1")
    assert back.standing.position.fills == 1


async def test_fills_of_a_removed_market_still_enter_its_ledger(house: Stack) -> None:
    await apply(house, 2, MARKET, ETH)
    eth = await house.quoter(ETH)
    cloid = await accepted(eth, sz="2")
    await eth.reaches(cloid, "RESTING")
    house.exchange.fill(cloid, "1")
    await until(lambda: eth.standing.position.fills == 1, "the first fill")
    await apply(house, 3, MARKET)
    await until(lambda: not house.exchange.orders[cloid].is_open, "the rest is cancelled")
    house.exchange.fill(cloid, "0.5")

    async def recorded() -> bool:
        (market,) = [market for market in (await summary(house)).markets if market.market == ETH]
        return market.standing.position.sz_e8 == e8("1.5")

    await waiting.until("the late fill is in the ledger", recorded)


async def test_whoever_watches_all_markets_hears_of_those_that_come(house: Stack) -> None:
    async with house.asking() as stub:
        call = stub.Watch(os_.WatchRequest())
        first = await call.read()
        assert (first.trace.market, first.WhichOneof("event")) == (MARKET, "snapshot")
        await apply(house, 2, MARKET, ETH)

        async def heard() -> bool:
            message = await call.read()
            return bool(message.trace.market == ETH and message.WhichOneof("event") == "snapshot")

        await waiting.until("a snapshot of ETH", heard)
        call.cancel()


async def test_an_account_without_markets_is_ready_and_learns_its_first(server: RedisProcess, tmp_path: Path) -> None:
    made = Stack(tmp_path, server.url, ())
    await made.start_gateway()
    await made.start_risk()
    await made.start()
    try:
        runtime = made.runtime
        assert runtime is not None
        await until(lambda: runtime.is_ready, "readiness without markets")
        assert (await summary(made)).ready
        made.exchange.markets = (MARKET,)
        made.risk.markets.append(MARKET)
        await apply(made, 2, MARKET)
        quoter = await made.quoter()
        await quoter.reaches(await accepted(quoter), "RESTING")
        assert (await summary(made)).applied_revision == 2
    finally:
        await made.stop()


@pytest.mark.parametrize(
    ("revision", "changes", "code", "text"),
    [
        (4, {}, grpc.StatusCode.FAILED_PRECONDITION, "older than 5"),
        (5, {"markets": (MARKET,)}, grpc.StatusCode.FAILED_PRECONDITION, "another markets"),
        (6, {"account": "x", "redis_url": "y"}, grpc.StatusCode.INVALID_ARGUMENT, "account, redis_url"),
    ],
)
async def test_a_document_that_cannot_be_taken_changes_nothing(
    house: Stack, revision: int, changes: dict[str, Any], code: grpc.StatusCode, text: str
) -> None:
    await apply(house, 5, MARKET, ETH)
    assert await apply(house, 5, MARKET, ETH) == 5
    with pytest.raises(aio.AioRpcError, match=text) as refused:
        others = {name: value for name, value in changes.items() if name != "markets"}
        await apply(house, revision, *changes.get("markets", (MARKET, ETH)), **others)
    assert refused.value.code() is code
    assert (await summary(house)).applied_revision == 5
    assert {market.market for market in (await summary(house)).markets} == {MARKET, ETH}
