"""The kill switch as an operator pulls it: the book is empty within a second and stays so until the trip is named."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import aio
from tests.support.stack import Stack, assert_books_agree, running
from tests.support.waiting import until

from perpmaker.common import rpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1 import risk_pb2_grpc

if TYPE_CHECKING:
    from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceAsyncStub

SEED = 14
EMPTY_WITHIN_S = 1.0
QUIET_MS = 5_000
QUOTING_AGAIN_S = 15.0


@contextlib.asynccontextmanager
async def risk_of(stack: Stack) -> AsyncIterator[RiskServiceAsyncStub]:
    """The risk service, as an operator calls it."""
    async with rpc.connect(stack.target("risk/demo")) as channel:
        yield risk_pb2_grpc.RiskServiceStub(channel)


async def trip(stack: Stack, market: str) -> tuple[str, float]:
    """Trip a market, or the account for the empty text; returns the trip's id and the seconds until the exchange's
    public list of open orders showed nothing of it."""

    async def is_empty() -> bool:
        return not await stack.open_orders(market)

    async with risk_of(stack) as stub:
        assert await stack.open_orders(market)
        began_s = time.monotonic()
        call = asyncio.ensure_future(stub.Trip(risk.TripRequest(market=market, reason="test"), timeout=5))
        await until("the book is empty", is_empty, within_s=EMPTY_WITHIN_S)
        empty_s = time.monotonic() - began_s
        answer = await call
    assert answer.verified_empty
    return answer.trip_id, empty_s


async def wait_executed(stack: Stack, trip_id: str) -> None:
    """Wait until risk tells, over a channel of its own, that it is halted by this trip and has seen the book empty."""

    async def executed() -> bool:
        async with risk_of(stack) as stub:
            state = await stub.GetState(risk.GetStateRequest(), timeout=rpc.READ_DEADLINE_S)
        assert [latched.trip_id for latched in state.trips] in ([trip_id], []), state
        return any(latched.executed for latched in state.trips)

    await until("the trip is executed", executed, within_s=15, ignoring=aio.AioRpcError)


async def placed_since(stack: Stack, ms: int) -> list[dict[str, Any]]:
    """Orders of the account that reached the exchange after a moment of its clock."""
    history = await stack.info(type="historicalOrders", user=stack.address)
    return [item["order"] for item in history if item["order"]["timestamp"] > ms]


async def test_a_tripped_account_stays_empty_across_a_restart_until_the_trip_is_named(
    tmp_path: Path, verdict: Callable[[str], None]
) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        await stack.wait_fills(3)
        trip_id, empty_s = await trip(stack, "")
        empty_ms = await stack.exchange_time_ms()
        await stack.wait_exchange_time(empty_ms + QUIET_MS, within_s=20)
        placed = await placed_since(stack, empty_ms)
        seen = len(stack.lines)
        stack.kill("risk/demo")
        seen = await stack.wait_event("restarted", after=seen, service="risk/demo", within_s=20)
        await stack.wait_event("ready", after=seen, service="risk/demo", within_s=30)
        back_ms = await stack.exchange_time_ms()
        await wait_executed(stack, trip_id)
        await stack.wait_exchange_time(back_ms + QUIET_MS, within_s=20)
        placed_after_restart = await placed_since(stack, empty_ms)
        async with risk_of(stack) as stub:
            with pytest.raises(aio.AioRpcError) as refused:
                await stub.Rearm(risk.RearmRequest(trip_id="trip-0-000000"), timeout=rpc.READ_DEADLINE_S)
            still_resting = await stack.open_orders()
            rearmed_s, rearmed_ms = time.monotonic(), await stack.exchange_time_ms()
            rearmed = await stub.Rearm(risk.RearmRequest(trip_id=trip_id), timeout=rpc.READ_DEADLINE_S)
        await stack.wait_quoted("BTC", "ETH", after_ms=rearmed_ms, within_s=QUOTING_AGAIN_S)
        again_s = time.monotonic() - rearmed_s
        summary = await stack.stop()
    verdict(
        f"seed {SEED}, account tripped: empty after {empty_s * 1000:.0f} ms, {len(placed)} orders in {QUIET_MS} ms,"
        f" {len(placed_after_restart)} after a restart of risk, quoting {again_s * 1000:.0f} ms after the rearm,"
        f" {summary['integrity']}"
    )
    assert placed == []
    assert placed_after_restart == []
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert still_resting == []
    assert rearmed.released
    assert_books_agree(summary)
    assert stack.process.returncode == 0


async def test_a_tripped_market_leaves_the_other_one_quoting(tmp_path: Path, verdict: Callable[[str], None]) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        await stack.wait_fills(3)
        _, empty_s = await trip(stack, "BTC")
        empty_ms = await stack.exchange_time_ms()
        await stack.wait_quoted("ETH", after_ms=empty_ms, within_s=QUOTING_AGAIN_S)
        await stack.wait_exchange_time(empty_ms + QUIET_MS, within_s=20)
        placed = await placed_since(stack, empty_ms)
        summary = await stack.stop()
    coins = [order["coin"] for order in placed]
    verdict(
        f"seed {SEED}, BTC tripped: empty after {empty_s * 1000:.0f} ms, placed in the {QUIET_MS} ms after it:"
        f" {coins.count('BTC')} BTC, {coins.count('ETH')} ETH, {summary['integrity']}"
    )
    assert "BTC" not in coins
    assert "ETH" in coins
    assert_books_agree(summary)
    assert stack.process.returncode == 0
