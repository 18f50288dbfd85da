"""Answers of services as text for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from perpmaker.common.cloid import Cloid
from perpmaker.common.decimals import format_e8
from perpmaker.proto.common.v1.common_pb2 import Fill, Order, OrderState, Side
from perpmaker.proto.orderstate.v1.orderstate_pb2 import ExplainResponse
from perpmaker.proto.risk.v1.risk_pb2 import GetStateResponse, MarketRisk, Permission, Trip

_PPM = 1_000_000


def cloid(text: str, decoded: Cloid | None) -> str:
    """What a client order id says."""
    if decoded is None:
        return f"{text} is not one of ours: its version or its checksum does not fit"
    side = "buy" if decoded.is_buy else "sell"
    return (
        f"{text}\n"
        f"  tag {decoded.tag:08x} (account and market), session epoch {decoded.epoch}, decision {decoded.sequence}, "
        f"{side}, level {decoded.level}"
    )


def history(answer: ExplainResponse) -> str:
    """An order, its transitions and its fills."""
    lines = [_order(answer.order)] if answer.HasField("order") else []
    for entry in answer.entries:
        change = f"{_state(entry.from_state)} -> {_state(entry.to_state)}"
        lines.append(f"  {_time(entry.time_ms)}  {change:<34}  {entry.event:<24}  {entry.evidence}".rstrip())
    lines += [_fill(fill) for fill in answer.fills]
    return "\n".join(lines)


def risk_state(target: str, state: GetStateResponse) -> str:
    """What a risk service sees."""
    lines = [
        f"{target}: equity {format_e8(state.equity_quote_e8)}, day P&L {format_e8(state.day_pnl_quote_e8)}",
        *(_market(market) for market in state.markets),
        *(_trip(trip) for trip in state.trips),
    ]
    return "\n".join(lines)


def _market(market: MarketRisk) -> str:
    permission = market.permission
    lines = [
        f"  {market.market}: {_allowed(permission)}",
        f"    mark {format_e8(market.mark_px_e8)}, day P&L {format_e8(market.day_pnl_quote_e8)}, "
        f"drawdown {format_e8(market.drawdown_quote_e8)}, "
        + (f"data {market.data_age_ms} ms old" if market.data_age_ms >= 0 else "no market data yet"),
    ]
    for check in market.checks:
        used = f" {100 * check.utilization_ppm / _PPM:.0f}% used" if check.utilization_ppm else ""
        lines.append(f"    {check.name}{used} {check.detail}".rstrip())
    return "\n".join(lines)


def _allowed(permission: Permission) -> str:
    reasons = f" ({', '.join(permission.reasons)})" if permission.reasons else ""
    if permission.killed:
        return f"killed{reasons}"
    if permission.closed:
        return f"closed{reasons}"
    bounds = f"position {format_e8(permission.min_position_e8)} to {format_e8(permission.max_position_e8)}"
    return f"{'reduce only, ' if permission.reduce_only else ''}{bounds}{reasons}"


def _trip(trip: Trip) -> str:
    executed = "book seen empty" if trip.executed else "book not yet seen empty"
    return (
        f"  TRIPPED {trip.market or 'account'} since {_time(trip.tripped_time_ms)}: {trip.reason}, {executed}\n"
        f"    perpmaker rearm {trip.trip_id}"
    )


def _order(order: Order) -> str:
    return (
        f"  {_side(order.side)} {format_e8(order.sz_e8)} {order.market} at {format_e8(order.px_e8)}: "
        f"{_state(order.state)}, filled {format_e8(order.filled_e8)}, oid {order.oid or 'unknown'}"
    )


def _fill(fill: Fill) -> str:
    return (
        f"  {_time(fill.exchange_time_ms)}  fill {fill.tid}: {_side(fill.side)} {format_e8(fill.sz_e8)} "
        f"at {format_e8(fill.px_e8)}, fee {format_e8(fill.fee_quote_e8)} {fill.fee_token}"
    )


def _side(side: Side.ValueType) -> str:
    return Side.Name(side).removeprefix("SIDE_").lower()


def _state(state: OrderState.ValueType) -> str:
    return OrderState.Name(state).removeprefix("ORDER_STATE_").replace("UNSPECIFIED", "-").lower()


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
