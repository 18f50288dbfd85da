"""The service over real gRPC and a real store: permissions, kills from trip to empty book, closing, recovery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import redis
from grpc import aio
from tests.support.risk import BTC, ETH, MARK_E8, standing
from tests.support.risk_house import RiskHouse, Watched, risk_house
from tests.support.waiting import HANG_S, until

from perpmaker.common.decimals import E8
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.risk.v1 import risk_pb2 as risk

LIMIT_E8 = E8 // 5


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RiskHouse]:
    async with risk_house(tmp_path) as running:
        yield running


async def trip(house: RiskHouse, market: str = BTC) -> risk.TripResponse:
    answer: risk.TripResponse = await house.stub.Trip(risk.TripRequest(market=market, reason="test"), timeout=HANG_S)
    return answer


async def test_a_healthy_market_is_permitted_its_whole_range_and_risk_is_ready(house: RiskHouse) -> None:
    permission = await house.open_permission()
    assert (permission.min_position_e8, permission.max_position_e8) == (-LIMIT_E8, LIMIT_E8)
    assert not permission.reduce_only

    async def ready() -> bool:
        return house.runtime.is_ready

    await until("risk is ready", ready)


async def test_a_permission_is_renewed_before_it_runs_out_with_rising_sequence(house: RiskHouse) -> None:
    permission = await house.open_permission()
    for _ in range(6):
        renewed = await house.watched.wait("the next permission", lambda _: True)
        assert permission.valid_until_ms < renewed.valid_until_ms <= permission.valid_until_ms + 2_000
        permission = renewed
    sequences = [message.trace.sequence for message in house.watched.seen]
    assert sequences == sorted(set(sequences))


async def test_a_reader_of_one_market_hears_of_no_other(house: RiskHouse) -> None:
    reader = Watched(house.stub, ETH)
    await reader.wait("a permission", lambda _: True, market=ETH)
    await reader.wait("another permission", lambda _: True, market=ETH)
    assert {message.trace.market for message in reader.seen} == {ETH}
    await reader.close()


async def test_a_trip_disarms_empties_and_kills_on_the_stream_within_a_second(house: RiskHouse) -> None:
    """I24: a kill means no live order within a second and no placement until acknowledged."""
    await house.open_permission()
    house.orders.now(BTC, standing(open_orders=4, bid_e8=10, ask_e8=10))
    answer = await trip(house)
    assert answer.verified_empty
    killed = await house.watched.wait("a killed permission", lambda p: p.killed)
    assert (killed.trip_id, killed.size_factor_ppm) == (answer.trip_id, 0)
    assert (BTC, answer.trip_id) in house.orders.cancels
    assert house.gateway.disarmed == {BTC: "killed"}
    assert not any(market == ETH for market, _ in house.orders.cancels)
    state = await house.state()
    assert [(t.trip_id, t.executed, t.reason) for t in state.trips] == [(answer.trip_id, True, "test")]
    assert 0 < state.last_kill_latency_us < 1_000_000


async def test_a_trip_of_the_account_empties_every_market(house: RiskHouse) -> None:
    await house.open_permission(BTC)
    answer = await trip(house, "")
    assert answer.verified_empty
    assert {(BTC, answer.trip_id), (ETH, answer.trip_id)} <= set(house.orders.cancels)
    assert house.gateway.disarmed == {"": "killed"}
    for market in (BTC, ETH):
        await house.watched.wait("a killed permission", lambda p: p.killed, market=market)


async def test_emptying_is_repeated_until_the_exchange_shows_nothing(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.answers_empty.clear()
    house.orders.fails_next = 2
    house.gateway.refuses_arming = 2
    answer: risk.TripResponse = await house.stub.Trip(risk.TripRequest(market=BTC), timeout=0.6)
    assert not answer.verified_empty
    refused = await refusal(house.stub.Rearm(risk.RearmRequest(trip_id=answer.trip_id), timeout=HANG_S))
    assert refused is grpc.StatusCode.FAILED_PRECONDITION
    house.orders.answers_empty.set()
    await house.trip_is_executed(answer.trip_id)
    assert house.gateway.disarmed == {BTC: "killed"}


async def refusal(call: aio.UnaryUnaryCall[object, object]) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_only_the_latched_id_rearms_and_only_once(house: RiskHouse) -> None:
    await house.open_permission()
    answer = await trip(house)
    wrong = house.stub.Rearm(risk.RearmRequest(trip_id="trip-0-wrong"), timeout=HANG_S)
    assert await refusal(wrong) is grpc.StatusCode.NOT_FOUND
    assert (await house.state()).trips
    request = risk.RearmRequest(trip_id=answer.trip_id)
    assert (await house.stub.Rearm(request, timeout=HANG_S)).released
    await house.open_permission()
    assert not (await house.stub.Rearm(request, timeout=HANG_S)).released

    async def armed() -> bool:
        return house.gateway.disarmed == {}

    await until("the gateway is armed", armed)


async def test_a_second_trip_joins_the_first_and_proves_the_book_empty_again(house: RiskHouse) -> None:
    await house.open_permission()
    first = await trip(house)
    second = await trip(house)
    assert (second.trip_id, second.verified_empty) == (first.trip_id, True)
    assert len([market for market, _ in house.orders.cancels if market == BTC]) == 2


async def test_the_latch_survives_a_restart_and_the_book_is_emptied_again(house: RiskHouse) -> None:
    """I24: also across a restart."""
    await house.open_permission()
    answer = await trip(house)
    await house.stop_risk()
    house.gateway.disarmed.clear()
    house.orders.cancels.clear()
    await house.start_risk()
    killed = await house.watched.wait("a killed permission", lambda p: p.killed)
    assert killed.trip_id == answer.trip_id
    await house.trip_is_executed(answer.trip_id)
    assert [market for market, _ in house.orders.cancels] == [BTC]

    async def disarmed() -> bool:
        return house.gateway.disarmed == {BTC: "killed"}

    await until("the gateway is disarmed again", disarmed)
    assert not any(
        not m.permission.killed and m.trace.market == BTC for m in house.watched.seen if not m.permission.reasons
    )


async def test_a_gateway_that_comes_back_is_disarmed_again(house: RiskHouse) -> None:
    await house.open_permission()
    await trip(house)
    await house.shut("gateway")
    house.gateway.disarmed.clear()
    await house.open_gateway()

    async def disarmed() -> bool:
        return house.gateway.disarmed == {BTC: "killed"}

    await until("the gateway is disarmed again", disarmed)


async def test_orders_seen_live_while_halted_are_emptied_again(house: RiskHouse) -> None:
    await house.open_permission()
    answer = await trip(house)
    await house.trip_is_executed(answer.trip_id)
    house.orders.now(BTC, standing(open_orders=1, bid_e8=10))

    async def emptied() -> bool:
        again = [drain_id for market, drain_id in house.orders.cancels if drain_id != answer.trip_id]
        return again == [f"{answer.trip_id}~2"]

    await until("the book is emptied again", emptied)
    await house.trip_is_executed(answer.trip_id)


async def test_a_runaway_position_trips_its_market_by_itself(house: RiskHouse) -> None:
    """I23, I25: the check is executed, not only logged."""
    await house.open_permission()
    house.orders.now(BTC, standing(position_e8=2 * LIMIT_E8 + E8 // 1000, fills=1, open_orders=2))
    killed = await house.watched.wait("a latched permission", lambda p: bool(p.trip_id))
    assert "runaway" in killed.reasons
    await house.trip_is_executed(killed.trip_id)
    assert house.orders.standings[BTC].exposure.open_orders == 0
    assert not (await house.state()).markets[1].permission.killed


async def test_a_day_loss_trips_and_a_rearm_while_it_lasts_trips_again(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.now(BTC, standing(cash_e8=-500 * E8, fills=1))
    first = await house.watched.wait("a latched permission", lambda p: bool(p.trip_id))
    await house.trip_is_executed(first.trip_id)
    assert (await house.stub.Rearm(risk.RearmRequest(trip_id=first.trip_id), timeout=HANG_S)).released
    again = await house.watched.wait("another trip", lambda p: p.trip_id not in ("", first.trip_id))
    assert "daily_loss" in again.reasons


async def test_the_days_loss_survives_a_restart(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.now(BTC, standing(cash_e8=-450 * E8, fills=1))

    async def lost() -> bool:
        return (await house.state()).day_pnl_quote_e8 == -450 * E8

    await until("the loss is seen", lost)
    await house.stop_risk()
    await house.start_risk()
    await until("the loss is remembered", lost)
    checks = {check.name: check for check in (await house.state()).markets[0].checks}
    assert checks["daily_loss"].severity == 2
    assert checks["daily_loss"].utilization_ppm == 900_000


async def test_a_liquidation_trips_the_account(house: RiskHouse) -> None:
    await house.open_permission()
    house.gateway.account_event(liquidation=gateway.Liquidation(notional_quote_e8=1))
    await house.watched.wait("a latched permission", lambda p: bool(p.trip_id), market=ETH)
    assert [(t.market, t.reason) for t in (await house.state()).trips] == [("", "liquidation")]


async def test_a_silent_feed_stops_quoting_then_empties_the_book_and_recovers(tmp_path: Path) -> None:
    """I26: stale data means no new order, and what rests is cancelled."""
    house = RiskHouse(tmp_path)
    house.market_parts = {
        m: p.model_copy(update={"max_market_data_age_ms": 200}) for m, p in house.market_parts.items()
    }
    house.store.start()
    try:
        await house.open_gateway()
        await house.open_orders()
        await house.start_risk()
        await house.open_permission()
        house.orders.now(BTC, standing(open_orders=2, bid_e8=10))
        house.gateway.ticks.clear()
        stale = await house.watched.wait("a stale permission", lambda p: "stale_data" in p.reasons)
        assert (stale.reduce_only, stale.size_factor_ppm, stale.killed) == (True, 0, False)

        async def pulled() -> bool:
            return any(market == BTC and drain.startswith("pull-") for market, drain in house.orders.cancels)

        await until("the book is pulled", pulled)
        house.gateway.ticks.set()
        await house.open_permission()
        assert not (await house.state()).trips
    finally:
        await house.close()


@pytest.mark.parametrize(("name", "reason"), [("orders", "order_state"), ("gateway", "feed_lost")])
async def test_a_lost_neighbour_closes_the_permission_until_it_is_back(
    house: RiskHouse, name: str, reason: str
) -> None:
    await house.open_permission()
    await house.shut(name)
    held = await house.watched.wait(f"reason {reason}", lambda p: reason in p.reasons)
    assert (held.reduce_only, held.size_factor_ppm) == (True, 0)

    async def not_ready() -> bool:
        return not house.runtime.is_ready

    await until("risk is not ready", not_ready)
    await (house.open_orders() if name == "orders" else house.open_gateway())
    await house.open_permission()


async def test_a_gap_in_the_account_stream_closes_the_permission(house: RiskHouse) -> None:
    await house.open_permission()
    house.gateway.account_event(gap_opened=gateway.GapOpened(reason="idle"))
    await house.watched.wait("a gap", lambda p: "gap" in p.reasons)
    house.gateway.account_event(gap_closed=gateway.GapClosed())
    await house.open_permission()


async def test_a_dead_store_closes_the_permission_but_never_stops_a_kill(house: RiskHouse) -> None:
    await house.open_permission()
    house.store.kill()
    await house.watched.wait("no store", lambda p: "store" in p.reasons)
    answer = await trip(house)
    assert answer.verified_empty
    request = risk.RearmRequest(trip_id=answer.trip_id)
    assert await refusal(house.stub.Rearm(request, timeout=HANG_S)) is grpc.StatusCode.UNAVAILABLE
    house.store.start()
    await house.watched.wait("the store is back", lambda p: "store" not in p.reasons)
    await house.stop_risk()
    await house.start_risk()
    killed = await house.watched.wait("a killed permission", lambda p: p.killed)
    assert killed.trip_id == answer.trip_id


async def test_closing_a_market_empties_it_is_idempotent_and_survives_a_restart(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.now(BTC, standing(open_orders=2, ask_e8=10))
    request = risk.CloseMarketRequest(market=BTC, drain_id="drain-1")
    for _ in range(2):
        answer = await house.stub.CloseMarket(request, timeout=HANG_S)
        assert (answer.verified_empty, answer.remaining) == (True, 0)
    closed = await house.watched.wait("a closed permission", lambda p: p.closed)
    assert (closed.killed, closed.reduce_only) == (False, True)
    assert house.orders.cancels[0] == (BTC, "drain-1")
    await house.stop_risk()
    await house.start_risk()
    await house.watched.wait("a closed permission", lambda p: p.closed)
    for _ in range(2):
        await house.stub.OpenMarket(risk.OpenMarketRequest(market=BTC), timeout=HANG_S)
    await house.open_permission()


async def test_a_close_that_cannot_be_proven_tells_what_remains(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.answers_empty.clear()
    request = risk.CloseMarketRequest(market=BTC, drain_id="drain-1")
    answer = await house.stub.CloseMarket(request, timeout=0.5)
    assert (answer.verified_empty, answer.remaining) == (False, 1)


async def test_a_market_stays_closed_while_the_store_cannot_record_its_opening(house: RiskHouse) -> None:
    await house.open_permission()
    await house.stub.CloseMarket(risk.CloseMarketRequest(market=BTC, drain_id="d"), timeout=HANG_S)
    house.store.kill()
    code = await refusal(house.stub.OpenMarket(risk.OpenMarketRequest(market=BTC), timeout=HANG_S))
    assert code is grpc.StatusCode.UNAVAILABLE
    house.store.start()
    await house.watched.wait("still closed", lambda p: p.closed)


async def test_markets_that_are_not_configured_are_refused_by_name(house: RiskHouse) -> None:
    for call in (
        house.stub.Trip(risk.TripRequest(market="SOL"), timeout=HANG_S),
        house.stub.CloseMarket(risk.CloseMarketRequest(market="SOL", drain_id="d"), timeout=HANG_S),
        house.stub.OpenMarket(risk.OpenMarketRequest(market="SOL"), timeout=HANG_S),
    ):
        assert await refusal(call) is grpc.StatusCode.NOT_FOUND
    nameless = house.stub.CloseMarket(risk.CloseMarketRequest(market=BTC), timeout=HANG_S)
    assert await refusal(nameless) is grpc.StatusCode.INVALID_ARGUMENT
    stream = house.stub.WatchPermissions(risk.WatchPermissionsRequest(markets=["SOL"]))
    with pytest.raises(aio.AioRpcError):
        await stream.read()


async def test_an_emptied_store_under_an_account_that_has_traded_is_halted(house: RiskHouse) -> None:
    await house.open_permission()
    await house.stop_risk()
    with redis.Redis.from_url(house.store.url) as client:
        client.flushall()
    house.orders.placed = 3
    await house.start_risk()
    await house.watched.wait("a killed permission", lambda p: p.killed)
    assert [(t.market, t.reason) for t in (await house.state()).trips] == [("", "latch_lost")]


async def test_risk_started_before_its_store_and_neighbours_waits_closed_and_opens_with_them(tmp_path: Path) -> None:
    house = RiskHouse(tmp_path)
    try:
        await house.start_risk()
        held = await house.watched.wait("a closed permission", lambda p: "store" in p.reasons)
        assert {"starting", "order_state", "account_unknown", "no_market_data"} <= set(held.reasons)
        assert (held.min_position_e8, held.max_position_e8, held.size_factor_ppm) == (0, 0, 0)
        house.store.start()
        await house.open_orders()
        await house.open_gateway()
        await house.open_permission()
    finally:
        await house.close()


async def test_equity_is_read_when_the_stream_does_not_bring_it(house: RiskHouse) -> None:
    await house.open_permission()
    house.gateway.equity_e8 = 50 * E8
    await house.shut("gateway")
    await house.open_gateway()
    await house.watched.wait("equity below its minimum", lambda p: "min_equity" in p.reasons)


async def test_a_mark_that_jumps_over_twice_the_limit_kills_a_standing_position(house: RiskHouse) -> None:
    await house.open_permission()
    house.orders.now(BTC, standing(position_e8=LIMIT_E8, cash_e8=-10_000 * E8, fills=1))
    house.gateway.mark_px_e8[BTC] = 2 * MARK_E8 + 10 * E8
    killed = await house.watched.wait("a latched permission", lambda p: bool(p.trip_id))
    assert "runaway" in killed.reasons
