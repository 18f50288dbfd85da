"""Between the contracts and the quoter's values. Nothing here decides anything."""

from __future__ import annotations

from typing import Final

from perpmaker.common import cloid as cloids
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.quoter.plan import Plan
from perpmaker.quoter.values import LiveOrder, LiveState, Permission, PriceLevel, Side, TargetLevel

_LIVE: Final[dict[int, LiveState]] = {
    common.ORDER_STATE_PENDING: LiveState.PENDING,
    common.ORDER_STATE_RESTING: LiveState.WORKING,
    common.ORDER_STATE_PARTIALLY_FILLED: LiveState.WORKING,
    common.ORDER_STATE_CANCEL_PENDING: LiveState.CANCELLING,
    common.ORDER_STATE_UNKNOWN: LiveState.UNKNOWN,
}
_TERMINAL: Final = frozenset(
    (
        common.ORDER_STATE_FILLED,
        common.ORDER_STATE_CANCELLED,
        common.ORDER_STATE_REJECTED,
        common.ORDER_STATE_NEVER_LANDED,
    )
)


def wire_side(side: Side) -> common.Side.ValueType:
    """Side as the contract spells it."""
    return common.SIDE_BUY if side is Side.BUY else common.SIDE_SELL


def price_level(level: gateway.Level) -> PriceLevel:
    """Price and size."""
    return level.px_e8, level.sz_e8


def live_order(order: common.Order) -> LiveOrder | None:
    """A non-terminal order; None for a terminal one. A state this version does not know counts as unknown."""
    if order.state in _TERMINAL:
        return None
    state = _LIVE.get(order.state, LiveState.UNKNOWN)
    remaining_e8 = max(0, order.sz_e8 - order.filled_e8 - order.expected_fill_e8)
    if state is LiveState.WORKING and remaining_e8 == 0:
        # All of it was announced as executed: it waits for its trade ids, there is nothing to move or cancel.
        state = LiveState.CANCELLING
    return LiveOrder(
        order.cloid,
        Side(order.side),
        order.level,
        order.px_e8,
        remaining_e8,
        state,
        immediate=order.time_in_force == common.TIME_IN_FORCE_IOC,
    )


def permission_of(message: risk.Permission, received_ns: int) -> Permission:
    """A permission with the time it was received at."""
    return Permission(
        min_position_e8=message.min_position_e8,
        max_position_e8=message.max_position_e8,
        valid_until_ms=message.valid_until_ms,
        received_ns=received_ns,
        reduce_only=message.reduce_only,
        spread_factor_ppm=message.spread_factor_ppm,
        size_factor_ppm=message.size_factor_ppm,
        bid_size_factor_ppm=message.bid_size_factor_ppm,
        ask_size_factor_ppm=message.ask_size_factor_ppm,
        killed=message.killed,
        closed=message.closed,
    )


def _new_order(target: TargetLevel, tag: int, trace: common.Trace) -> orders.NewOrder:
    return orders.NewOrder(
        cloid=cloids.mint(tag, trace.epoch, trace.sequence, is_buy=target.side is Side.BUY, level=target.level),
        side=wire_side(target.side),
        px_e8=target.px_e8,
        sz_e8=target.sz_e8,
        reduce_only=target.reduce_only,
        time_in_force=common.TIME_IN_FORCE_IOC if target.immediate else common.TIME_IN_FORCE_POST_ONLY,
        level=target.level,
    )


def submit_request(plan: Plan, tag: int, trace: common.Trace) -> orders.SubmitRequest:
    """A plan as a message. Sequence, side and level make each client id unique within the session."""
    return orders.SubmitRequest(
        trace=trace,
        cancels=[cancel.order.cloid for cancel in plan.cancels],
        replaces=[
            orders.Replace(old_cloid=item.order.cloid, order=_new_order(item.target, tag, trace))
            for item in plan.replaces
        ],
        places=[_new_order(item.target, tag, trace) for item in plan.places],
    )
