"""Markets, leverage and budgets of a running gateway: changed over the open connections, while the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from tests.support.gateway import Heard, TestGateway, running_gateway
from tests.support.venue import TestVenue, running
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import DeadMansSwitchPart, LeveragePart
from perpmaker.common.reconfigure import REFUSED_LEVERAGE_KEY, REFUSED_MARKETS_KEY
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

SOONER_S = 20
"""Less than a refresh of the dead man's switch that is due anyway."""


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with running(seed=3) as house:
        yield house


@pytest.fixture
async def gateway(venue: TestVenue, tmp_path: Path) -> AsyncIterator[TestGateway]:
    """Configured with BTC only."""
    async with running_gateway(venue, tmp_path) as opened:
        yield opened


async def apply(gateway: TestGateway, revision: int, **changes: Any) -> int:
    """Offer the gateway's part with changes; returns the revision in force."""
    part = gateway.part.model_copy(update={"revision": revision, **changes})
    request = pb.ApplyConfigRequest(revision=revision, part_json=part.model_dump_json())
    return int((await gateway.reference.ApplyConfig(request, timeout=HANG_S)).applied_revision)


async def status(gateway: TestGateway) -> pb.GetStatusResponse:
    return await gateway.reference.GetStatus(pb.GetStatusRequest(), timeout=HANG_S)


async def served(gateway: TestGateway) -> list[str]:
    answer = await gateway.reference.ListInstruments(pb.ListInstrumentsRequest(), timeout=HANG_S)
    return [instrument.market for instrument in answer.instruments]


async def is_live(stream: Heard[pb.MarketDataServiceSubscribeResponse]) -> None:
    await stream.until(lambda message: message.HasField("feed") and message.feed.live)
    await stream.until(lambda message: message.HasField("bbo"))


async def test_an_added_market_streams_and_trades_over_the_open_connections(gateway: TestGateway) -> None:
    account = gateway.account_stream()
    await account.until(lambda message: message.HasField("gap_closed"))
    btc = gateway.market_stream("BTC")
    await is_live(btc)
    before = len(btc.messages)
    assert await apply(gateway, 2, markets=("BTC", "ETH")) == 2
    assert (await status(gateway)).ready
    assert await served(gateway) == ["BTC", "ETH"]
    await is_live(gateway.market_stream("ETH"))
    cloid = gateway.cloid(1)
    told = await gateway.execute("ETH", places=[gateway.order(cloid, px="1000", sz="0.1")])
    assert told.outcome_of(cloid).HasField("resting")
    await account.until(lambda message: message.trace.market == "ETH" and message.HasField("trade_limits"))
    assert not [message for message in btc.messages[before:] if message.HasField("feed")]
    assert sum(message.HasField("gap_opened") for message in account.messages) == 1


async def test_a_removed_market_takes_no_orders_but_every_cancel(gateway: TestGateway) -> None:
    await apply(gateway, 2, markets=("BTC", "ETH"))
    eth = gateway.market_stream("ETH")
    await is_live(eth)
    stays = gateway.cloid(1)
    await gateway.execute("ETH", places=[gateway.order(stays, px="1000", sz="0.1")])
    assert await apply(gateway, 3, markets=("BTC",)) == 3
    await eth.until(lambda message: message.HasField("feed") and message.feed.reason == "removed")
    refused = gateway.cloid(2)
    told = await gateway.execute("ETH", places=[gateway.order(refused, px="1000", sz="0.1")])
    assert told.outcome_of(refused).not_sent.reason == "unknown_market"
    told = await gateway.execute("ETH", cancels=[pb.CancelOrder(cloid=stays)])
    assert told.outcome_of(stays).HasField("cancelled")
    assert await served(gateway) == ["BTC"]
    assert (await status(gateway)).ready
    late = gateway.market_stream("ETH")
    with pytest.raises(aio.AioRpcError, match="not configured here"):
        await gateway.readers()[-1]
    assert not late.messages


async def test_a_market_that_returns_streams_again(gateway: TestGateway) -> None:
    for revision, markets in ((2, ("BTC", "ETH")), (3, ("BTC",)), (4, ("BTC", "ETH"))):
        await apply(gateway, revision, markets=markets)
    await is_live(gateway.market_stream("ETH"))


async def test_new_markets_are_followed_after_a_reconnect_as_well(gateway: TestGateway, venue: TestVenue) -> None:
    await apply(gateway, 2, markets=("ETH",))
    eth = gateway.market_stream("ETH")
    await is_live(eth)
    seen = len(eth.messages)
    await venue.control("disconnect", all=True)
    await eth.until(lambda message: message.HasField("feed") and not message.feed.live, after=seen)
    await eth.until(lambda message: message.HasField("feed") and message.feed.live, after=seen)


async def test_without_markets_a_gateway_is_ready_stays_so_and_learns_its_first(
    venue: TestVenue, tmp_path: Path
) -> None:
    async with running_gateway(venue, tmp_path, markets=(), feed_timeout_s=0.2) as gateway:
        assert await served(gateway) == []
        account = gateway.account_stream()
        await account.until(lambda message: message.HasField("gap_closed"))
        assert await apply(gateway, 2, markets=("BTC",), feed_timeout_s=0.2) == 2
        await is_live(gateway.market_stream("BTC"))
        assert (await status(gateway)).ready


async def test_markets_that_do_not_exist_are_refused_by_name_and_nothing_changes(gateway: TestGateway) -> None:
    with pytest.raises(aio.AioRpcError, match=r"'NOPE' does not exist.*'ETHH' does not exist.*ETH") as refused:
        await apply(gateway, 2, markets=("BTC", "NOPE", "ETH", "ETHH"), max_actions_per_minute=1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert dict(refused.value.trailing_metadata() or ())[REFUSED_MARKETS_KEY] == "NOPE,ETHH"
    assert await served(gateway) == ["BTC"]
    assert (await status(gateway)).applied_revision == 1


async def test_a_market_that_was_delisted_keeps_no_gateway_from_starting_with_the_others(
    venue: TestVenue, tmp_path: Path
) -> None:
    await venue.control("delist", coin="BTC")
    async with running_gateway(venue, tmp_path, markets=("BTC", "ETH"), feed_timeout_s=0.5) as gateway:
        assert await served(gateway) == ["ETH"]
        await is_live(gateway.market_stream("ETH"))
        assert (await status(gateway)).ready
        with pytest.raises(aio.AioRpcError, match="'BTC' is delisted") as refused:
            await apply(gateway, 2, markets=("BTC", "ETH"), max_actions_per_minute=7, feed_timeout_s=0.5)
        assert dict(refused.value.trailing_metadata() or ())[REFUSED_MARKETS_KEY] == "BTC"


async def test_a_cancel_goes_to_a_delisted_market(venue: TestVenue, tmp_path: Path) -> None:
    px = str(int(float((await venue.client().info("allMids"))["BTC"])) - 1000)
    async with running_gateway(venue, tmp_path) as gateway:
        old, new = gateway.cloid(1), gateway.cloid(2)
        placed = await gateway.execute(places=[gateway.order(old, px=px, sz="0.001")])
        assert placed.outcome_of(old).HasField("resting")
    await venue.control("delist", coin="BTC")
    async with running_gateway(venue, tmp_path, markets=("BTC", "ETH"), feed_timeout_s=0.5) as gateway:
        told = await gateway.execute(
            cancels=[pb.CancelOrder(cloid=old)], places=[gateway.order(new, px=px, sz="0.001")]
        )
        # The exchange took the order away when it delisted the market; its answer shows that the cancel was sent.
        assert getattr(told.outcome_of(old).rejected, "class") == pb.REJECTION_CLASS_ORDER_GONE
        assert told.outcome_of(new).not_sent.reason == "unknown_market"
        assert not await venue.client().info("openOrders", user=gateway.wallet.account.address)


async def limits(gateway: TestGateway, market: str) -> tuple[int, bool]:
    found = await gateway.service.parts.reads.trade_limits(market)
    return found.leverage, found.cross


async def test_leverage_is_in_force_at_the_exchange_when_the_answer_comes(gateway: TestGateway) -> None:
    wanted = (LeveragePart(market="BTC", value=5), LeveragePart(market="ETH", value=3))
    await apply(gateway, 2, markets=("BTC", "ETH"), leverage=wanted)
    assert (await limits(gateway, "BTC"), await limits(gateway, "ETH")) == ((5, True), (3, True))


async def test_leverage_over_the_exchanges_limit_is_refused_by_market(gateway: TestGateway) -> None:
    with pytest.raises(aio.AioRpcError, match="leverage 50 of market 'ETH' exceeds the exchange's limit") as refused:
        await apply(gateway, 2, markets=("BTC", "ETH"), leverage=(LeveragePart(market="ETH", value=50),))
    assert dict(refused.value.trailing_metadata() or ())[REFUSED_LEVERAGE_KEY] == "ETH"
    assert await served(gateway) == ["BTC"]


async def test_leverage_already_set_is_set_back_when_the_exchange_refuses_a_later_one(tmp_path: Path) -> None:
    isolated_only = "tst:OIL"
    async with running(seed=3, markets=("BTC", isolated_only)) as venue, running_gateway(venue, tmp_path) as gateway:
        before = await limits(gateway, "BTC")
        wanted = (LeveragePart(market="BTC", value=5), LeveragePart(market=isolated_only, value=3, cross=True))
        with pytest.raises(aio.AioRpcError, match="is refused: Cross margin is not allowed") as refused:
            await apply(gateway, 2, markets=("BTC", isolated_only), leverage=wanted)
        assert dict(refused.value.trailing_metadata() or ())[REFUSED_LEVERAGE_KEY] == isolated_only
        assert await limits(gateway, "BTC") == before
        assert await served(gateway) == ["BTC"]


async def test_a_lowered_ceiling_holds_for_the_next_orders_and_never_for_cancels(gateway: TestGateway) -> None:
    await apply(gateway, 2, max_actions_per_minute=1)
    first, second = gateway.cloid(1), gateway.cloid(2)
    await gateway.execute(places=[gateway.order(first, px="50000", sz="0.01")])
    told = await gateway.execute(places=[gateway.order(second, px="50000", sz="0.01")])
    assert told.outcome_of(second).not_sent.reason == "budget"
    await apply(gateway, 3, max_actions_per_minute=600)
    told = await gateway.execute(places=[gateway.order(second, px="50000", sz="0.01")])
    assert told.outcome_of(second).HasField("resting")


async def test_the_dead_mans_switch_is_armed_moved_and_withdrawn_at_once(gateway: TestGateway) -> None:
    assert (await status(gateway)).dead_man_deadline_ms == 0

    def armed_for(low_s: int, high_s: int) -> Any:
        async def probe() -> bool:
            told = await status(gateway)
            left_ms = told.dead_man_deadline_ms - gateway.service.parts.exchange_clock.now_ms()
            return told.dead_man_deadline_ms > 0 and low_s * 1000 < left_ms <= high_s * 1000

        return probe

    await apply(gateway, 2, dead_mans_switch=DeadMansSwitchPart(enabled=True, timeout_s=60, refresh_s=30))
    await until("the switch is armed", armed_for(50, 60), within_s=SOONER_S)
    await apply(gateway, 3, dead_mans_switch=DeadMansSwitchPart(enabled=True, timeout_s=300, refresh_s=30))
    await until("the deadline is the new one", armed_for(290, 300), within_s=SOONER_S)
    await apply(gateway, 4, dead_mans_switch=DeadMansSwitchPart(enabled=False))

    async def withdrawn() -> bool:
        return (await status(gateway)).dead_man_deadline_ms == 0

    await until("the switch is withdrawn", withdrawn, within_s=SOONER_S)


async def test_two_documents_at_once_end_with_the_newer_one(gateway: TestGateway) -> None:
    results = await asyncio.gather(
        apply(gateway, 2, markets=("BTC", "ETH")), apply(gateway, 3, markets=("BTC", "SOL")), return_exceptions=True
    )
    assert 3 in results
    assert await served(gateway) == ["BTC", "SOL"]


@pytest.mark.parametrize(
    ("revision", "changes", "code", "text"),
    [
        (4, {}, grpc.StatusCode.FAILED_PRECONDITION, "older than 5"),
        (5, {"markets": ()}, grpc.StatusCode.FAILED_PRECONDITION, "another markets"),
        (6, {"account": "x", "order_state_target": "y"}, grpc.StatusCode.INVALID_ARGUMENT, "order_state_target"),
    ],
)
async def test_a_document_that_cannot_be_taken_changes_nothing(
    gateway: TestGateway, revision: int, changes: dict[str, Any], code: grpc.StatusCode, text: str
) -> None:
    await apply(gateway, 5)
    assert await apply(gateway, 5) == 5
    with pytest.raises(aio.AioRpcError, match=text) as refused:
        await apply(gateway, revision, **changes)
    assert refused.value.code() is code
    assert (await status(gateway)).applied_revision == 5
    assert await served(gateway) == ["BTC"]
