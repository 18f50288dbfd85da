"""A whole account changes its markets and limits while it trades: what was not changed does not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.account_stack import Account, Vigil, running_account
from tests.support.risk import BTC, ETH, market_limits
from tests.support.venue import TestVenue, running
from tests.support.waiting import HANG_S, until

from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2
from perpmaker.proto.risk.v1 import risk_pb2


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with running(seed=5, flow=True, block_ms=50) as house:
        yield house


async def revisions(account: Account) -> set[int]:
    return {
        (await account.gateway.GetStatus(gateway_pb2.GetStatusRequest(), timeout=HANG_S)).applied_revision,
        (await account.orders.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=HANG_S)).applied_revision,
        (await account.risk.GetState(risk_pb2.GetStateRequest(), timeout=HANG_S)).applied_revision,
    }


async def nothing_rests(account: Account, market: str) -> None:
    async def empty() -> bool:
        return not await account.resting(market)

    await until(f"nothing rests in {market}", empty)


async def test_a_market_comes_and_goes_while_another_is_quoted_without_a_gap(venue: TestVenue, tmp_path: Path) -> None:
    async with running_account(venue, tmp_path, BTC) as account:
        btc = await account.quote(BTC)
        async with Vigil(account, btc, BTC) as vigil:
            await account.apply(2, market_limits(BTC), market_limits(ETH))
            await account.quote(ETH)
            assert set(await account.resting(BTC)) == {"A", "B"}
            await account.close(ETH)
            closed = risk_pb2.CloseMarketRequest(market=ETH, drain_id="delete")
            assert (await account.risk.CloseMarket(closed, timeout=HANG_S)).verified_empty
            await account.apply(3, market_limits(BTC))
            assert await account.resting(ETH) == []
            await vigil.looks_on()
        assert vigil.seen == []
        assert await revisions(account) == {3}


async def test_a_market_removed_while_it_is_quoted_is_emptied_and_returns_with_its_position(
    venue: TestVenue, tmp_path: Path
) -> None:
    async with running_account(venue, tmp_path, BTC, ETH) as account:
        await account.quote(ETH)

        async def traded() -> bool:
            return await account.position_e8(ETH) != 0

        await until("ETH has traded", traded, within_s=60)
        await account.apply(2, market_limits(BTC))
        await nothing_rests(account, ETH)
        await account.close(ETH)
        held = await account.position_e8(ETH)
        await account.apply(3, market_limits(BTC), market_limits(ETH))
        await account.quote(ETH)
        assert held != 0
        state = await venue.client().info("clearinghouseState", user=account.address)
        assert "ETH" in {item["position"]["coin"] for item in state["assetPositions"]}


async def test_a_tightened_limit_shrinks_the_permission_and_the_book(venue: TestVenue, tmp_path: Path) -> None:
    async with running_account(venue, tmp_path, BTC) as account:
        await account.quote(BTC)
        before = await account.permission(BTC)
        await account.apply(2, market_limits(BTC, max_notional_e8=market_limits(BTC).max_notional_e8 // 100))
        after = await account.permission(BTC)
        assert 0 < after.max_position_e8 * 50 < before.max_position_e8


async def test_an_account_without_a_market_is_ready_and_quotes_its_first_without_a_restart(
    venue: TestVenue, tmp_path: Path
) -> None:
    async with running_account(venue, tmp_path) as account:
        await account.apply(2, market_limits(BTC))
        await account.quote(BTC)
        await account.ready("gateway", "orders", "risk", BTC)
