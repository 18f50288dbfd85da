"""One read of one service: its answer as a value."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
from grpc import aio

from perpmaker.common import rpc
from perpmaker.common.clock import Clock
from perpmaker.operator.observe.values import (
    GatewayAnswer,
    GatewayFacts,
    Instrument,
    MarketRiskFacts,
    OrderStateAnswer,
    OrderStateFacts,
    QuoterAnswer,
    QuoterFacts,
    RiskAnswer,
    RiskFacts,
    Standing,
    TripFacts,
    Unreachable,
    Why,
)
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

_WHY = {
    grpc.StatusCode.UNAVAILABLE: Why.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Why.TIMED_OUT,
    grpc.StatusCode.PERMISSION_DENIED: Why.DENIED,
    grpc.StatusCode.UNAUTHENTICATED: Why.DENIED,
}
_DETAIL_LENGTH = 200
_MATTERS = 2
"""Severity from which a check restricts (medium)."""

Answer = TypeVar("Answer")


def unreachable(error: aio.AioRpcError) -> Unreachable:
    """What a failed call says about its service."""
    code = error.code()
    detail = (error.details() or "").splitlines()
    return Unreachable(_WHY.get(code, Why.FAILED), f"{code.name}: {detail[0] if detail else ''}"[:_DETAIL_LENGTH])


CHANNEL_CLOSED: Final = Unreachable(Why.FAILED, "the channel was closed meanwhile")


def was_cancelled_from_outside() -> bool:
    """Whether a CancelledError is meant for us; closing a channel raises one in whoever waits for an answer."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _ask(call: Callable[[], Awaitable[Answer]]) -> Answer | Unreachable:
    try:
        return await call()
    except aio.AioRpcError as error:
        return unreachable(error)
    except aio.UsageError:
        return CHANNEL_CLOSED
    except asyncio.CancelledError:
        if was_cancelled_from_outside():
            raise
        return CHANNEL_CLOSED


async def read_gateway(channel: aio.Channel) -> GatewayAnswer:
    """Ask a gateway how it is."""
    stub = gateway_pb2_grpc.ReferenceServiceStub(channel)
    answer = await _ask(lambda: stub.GetStatus(gateway_pb2.GetStatusRequest(), timeout=rpc.CONFIG_DEADLINE_S))
    if isinstance(answer, Unreachable):
        return answer
    return GatewayFacts(
        is_ready=answer.ready,
        reason=answer.reason,
        applied_revision=answer.applied_revision,
        account_address=answer.account_address,
        signer_address=answer.signer_address,
        key_refusal=answer.key_refusal,
        signer_valid_until_ms=answer.signer_valid_until_ms,
        signer_confirmed=answer.signer_confirmed,
        exchange_connected=answer.exchange_connected,
        dead_man_deadline_ms=answer.dead_man_deadline_ms,
        dead_man_refusal=answer.dead_man_refusal,
        dead_man_firings_left=answer.dead_man_firings_left,
        rate_limit_used_ppm=answer.rate_limit_used_ppm,
        network=answer.network,
    )


async def read_instruments(channel: aio.Channel) -> dict[str, Instrument] | Unreachable:
    """Ask a gateway for the rules of its markets."""
    stub = gateway_pb2_grpc.ReferenceServiceStub(channel)
    answer = await _ask(
        lambda: stub.ListInstruments(gateway_pb2.ListInstrumentsRequest(), timeout=rpc.CONFIG_DEADLINE_S)
    )
    if isinstance(answer, Unreachable):
        return answer
    return {
        item.market: Instrument(item.asset_id, item.sz_decimals, item.max_leverage, item.min_notional_e8)
        for item in answer.instruments
    }


async def read_order_state(channel: aio.Channel) -> OrderStateAnswer:
    """Ask order-state for its totals."""
    stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
    answer = await _ask(lambda: stub.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=rpc.CONFIG_DEADLINE_S))
    if isinstance(answer, Unreachable):
        return answer
    return OrderStateFacts(
        is_ready=answer.ready,
        applied_revision=answer.applied_revision,
        markets={
            item.market: Standing(
                position_e8=item.standing.position.sz_e8,
                open_orders=item.standing.exposure.open_orders,
                unknown_orders=item.standing.exposure.unknown_orders,
            )
            for item in answer.markets
        },
    )


async def read_risk(channel: aio.Channel) -> RiskAnswer:
    """Ask risk what it sees and has decided."""
    stub = risk_pb2_grpc.RiskServiceStub(channel)
    answer = await _ask(lambda: stub.GetState(risk_pb2.GetStateRequest(), timeout=rpc.CONFIG_DEADLINE_S))
    if isinstance(answer, Unreachable):
        return answer
    return RiskFacts(
        is_ready=answer.ready,
        applied_revision=answer.applied_revision,
        equity_e8=answer.equity_quote_e8,
        day_pnl_e8=answer.day_pnl_quote_e8,
        gross_notional_e8=answer.gross_notional_quote_e8,
        margin_usage_ppm=answer.margin_usage_ppm,
        last_rearmed_trip_id=answer.last_rearmed_trip_id,
        trips=tuple(
            TripFacts(trip.trip_id, trip.market, trip.reason, trip.tripped_time_ms, trip.executed)
            for trip in answer.trips
        ),
        markets={item.market: _market(item) for item in answer.markets},
    )


def _market(item: risk_pb2.MarketRisk) -> MarketRiskFacts:
    permission = item.permission
    return MarketRiskFacts(
        is_killed=permission.killed,
        is_closed=permission.closed,
        reduce_only=permission.reduce_only,
        trip_id=permission.trip_id,
        reasons=tuple(permission.reasons),
        day_pnl_e8=item.day_pnl_quote_e8,
        mark_px_e8=item.mark_px_e8,
        checks=tuple(check.name for check in item.checks if check.severity >= _MATTERS),
    )


async def read_quoter(channel: aio.Channel, clock: Clock) -> QuoterAnswer:
    """Ask a quoter what it does."""
    stub = quoter_pb2_grpc.QuoterServiceStub(channel)
    answer = await _ask(lambda: stub.GetStatus(quoter_pb2.GetStatusRequest(), timeout=rpc.CONFIG_DEADLINE_S))
    if isinstance(answer, Unreachable):
        return answer
    sides = {level.side for level in answer.target}
    return QuoterFacts(
        is_quoting=answer.quoting,
        reasons=tuple(answer.reasons),
        applied_generation=answer.applied_generation,
        epoch=answer.epoch,
        live_bids=answer.live_bids,
        live_asks=answer.live_asks,
        has_ladder={common_pb2.SIDE_BUY, common_pb2.SIDE_SELL} <= sides,
        two_sided_ppm=answer.two_sided_ppm,
        is_flat=answer.flat,
        heard_ms=clock.now_ms(),
    )
