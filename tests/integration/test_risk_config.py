"""Markets and limits of a running risk service: changed at once, while the other permissions go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from tests.support.risk import BTC, ETH, MARK_E8, market_limits, standing
from tests.support.risk_house import RiskHouse, Watched, risk_house
from tests.support.waiting import HANG_S, until

from perpmaker.common.decimals import E8
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.risk.feed import VALID_FOR_MS


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RiskHouse]:
    async with risk_house(tmp_path) as running:
        yield running


async def apply(house: RiskHouse, revision: int, **changes: Any) -> int:
    """Offer the house's part with changes; returns the revision in force."""
    part = house.part.model_copy(update={"revision": revision, **changes})
    request = risk.ApplyConfigRequest(revision=revision, part_json=part.model_dump_json())
    return int((await house.stub.ApplyConfig(request, timeout=HANG_S)).applied_revision)


async def applied_limit(house: RiskHouse, revision: int, max_notional_e8: int) -> int:
    limits = market_limits(BTC).model_copy(update={"max_notional_e8": max_notional_e8})
    return await apply(house, revision, markets=(limits, market_limits(ETH)))


async def test_a_tightened_limit_is_in_the_next_permission_and_nothing_else_changes(house: RiskHouse) -> None:
    before = await house.open_permission(BTC)
    other = await house.open_permission(ETH)
    reader = Watched(house.stub, BTC)
    assert await applied_limit(house, 2, market_limits(BTC).max_notional_e8 // 2) == 2
    tightened = await reader.wait(
        "a smaller range", lambda p: p.max_position_e8 <= before.max_position_e8 // 2, among=4
    )
    assert not tightened.reasons
    state = await house.state()
    assert state.applied_revision == 2
    assert {m.market: m.permission.max_position_e8 for m in state.markets}[ETH] == other.max_position_e8
    await reader.close()


async def test_a_limit_tightened_below_the_position_lets_it_only_shrink(house: RiskHouse) -> None:
    await house.open_permission(BTC)
    held_e8 = market_limits(BTC).max_notional_e8 * E8 // MARK_E8 * 3 // 4
    house.orders.now(BTC, standing(position_e8=held_e8))
    await applied_limit(house, 2, market_limits(BTC).max_notional_e8 // 2)
    permission = await house.watched.wait("reduce-only", lambda p: p.reduce_only, among=8)
    assert "position_limit" in permission.reasons


async def test_account_limits_change_without_a_restart(house: RiskHouse) -> None:
    await house.open_permission(BTC)
    account = house.account_part.model_copy(update={"min_equity_e8": house.gateway.equity_e8 + 1, "on_breach": "Halt"})
    await apply(house, 2, limits=account)
    killed = await house.watched.wait("a kill", lambda p: p.killed, among=12)
    assert killed.trip_id


async def test_a_market_comes_and_goes_without_a_gap_in_the_others_permissions(house: RiskHouse) -> None:
    await house.open_permission(ETH)
    await asyncio.gather(
        house.watched.wait("ETH is closed at once", lambda p: p.closed and "removed" in p.reasons, market=ETH),
        apply(house, 2, markets=(market_limits(BTC),)),
    )
    await house.open_permission(BTC)
    reader = Watched(house.stub, BTC)
    await reader.wait("a first permission", lambda p: not p.reasons)
    await apply(house, 3, markets=(market_limits(BTC), market_limits(ETH)))
    await house.open_permission(ETH)
    await apply(house, 4, markets=(market_limits(BTC),))
    await reader.wait("a last permission", lambda p: not p.reasons)
    validity = [(message.permission.valid_until_ms, message.permission.reasons) for message in reader.seen]
    assert not [reasons for _, reasons in validity if reasons]
    assert all(after - before <= VALID_FOR_MS for (before, _), (after, _) in pairwise(validity))
    await reader.close()


async def test_latches_closed_doors_and_the_days_loss_outlive_the_market(house: RiskHouse) -> None:
    await house.open_permission(ETH)
    house.orders.now(ETH, standing(ETH, cash_e8=-70 * E8, fills=1))
    await house.watched.wait("the loss is seen", lambda p: True, market=ETH)
    trip = await house.stub.Trip(risk.TripRequest(market=ETH, reason="test"), timeout=HANG_S)
    await apply(house, 2, markets=(market_limits(BTC),))
    state = await house.state()
    assert [t.trip_id for t in state.trips] == [trip.trip_id]
    assert state.day_pnl_quote_e8 == -70 * E8
    assert (await house.stub.Rearm(risk.RearmRequest(trip_id=trip.trip_id), timeout=HANG_S)).released
    assert (await house.state()).last_rearmed_trip_id == trip.trip_id
    await house.stub.CloseMarket(risk.CloseMarketRequest(market=BTC, drain_id="pause"), timeout=HANG_S)
    await apply(house, 3, markets=(market_limits(ETH),))
    await apply(house, 4, markets=(market_limits(BTC), market_limits(ETH)))
    closed = await house.watched.wait("BTC is as it was left", lambda p: "closed" in p.reasons)
    assert closed.closed
    await house.open_permission(ETH)


async def test_the_last_acknowledged_trip_is_told_after_a_restart(house: RiskHouse) -> None:
    await house.open_permission(BTC)
    trip = await house.stub.Trip(risk.TripRequest(market=BTC, reason="test"), timeout=HANG_S)
    await house.trip_is_executed(trip.trip_id)
    await house.stub.Rearm(risk.RearmRequest(trip_id=trip.trip_id), timeout=HANG_S)
    await house.stop_risk()
    await house.start_risk()
    await house.open_permission(BTC)
    assert (await house.state()).last_rearmed_trip_id == trip.trip_id


async def test_without_markets_risk_is_ready_trips_and_learns_its_first(tmp_path: Path) -> None:
    made = RiskHouse(tmp_path, markets=(BTC,))
    made.market_parts = {}
    made.store.start()
    try:
        await made.open_gateway()
        await made.open_orders()
        await made.start_risk()

        async def ready() -> bool:
            return (await made.state()).ready

        await until("risk is ready without markets", ready)
        trip = await made.stub.Trip(risk.TripRequest(reason="test"), timeout=HANG_S)
        await made.trip_is_executed(trip.trip_id)
        await made.stub.Rearm(risk.RearmRequest(trip_id=trip.trip_id), timeout=HANG_S)
        assert await apply(made, 2, markets=(market_limits(BTC),)) == 2
        await made.open_permission(BTC)
        await until("risk is ready with one", ready)
    finally:
        await made.close()


async def test_state_tells_margin_and_gross_notional(house: RiskHouse) -> None:
    await house.open_permission(BTC)
    house.orders.now(BTC, standing(position_e8=E8 // 100))

    async def told() -> risk.GetStateResponse | None:
        state = await house.state()
        return state if state.gross_notional_quote_e8 else None

    state = await until("a notional", told)
    assert state.gross_notional_quote_e8 == MARK_E8 // 100
    assert state.margin_usage_ppm == 100  # 1 of 10,000


@pytest.mark.parametrize(
    ("revision", "changes", "code", "text"),
    [
        (4, {}, grpc.StatusCode.FAILED_PRECONDITION, "older than 5"),
        (5, {"markets": ()}, grpc.StatusCode.FAILED_PRECONDITION, "another markets"),
        (6, {"redis_url": "x", "gateway_target": "y"}, grpc.StatusCode.INVALID_ARGUMENT, "redis_url, gateway_target"),
        (6, {"markets": (market_limits(BTC), market_limits(BTC))}, grpc.StatusCode.INVALID_ARGUMENT, "more than one"),
    ],
)
async def test_a_document_that_cannot_be_taken_changes_nothing(
    house: RiskHouse, revision: int, changes: dict[str, Any], code: grpc.StatusCode, text: str
) -> None:
    await apply(house, 5)
    assert await apply(house, 5) == 5
    with pytest.raises(aio.AioRpcError, match=text) as refused:
        await apply(house, revision, **changes)
    assert refused.value.code() is code
    state = await house.state()
    assert state.applied_revision == 5
    assert {market.market for market in state.markets} == {BTC, ETH}
