"""Which modifies and placements of a plan may leave; the others are refused here, and told so.

They leave only for the newest session of an armed market, with permission, with a good clock, within the budgets and
the exchange's own bounds. One that breaks a bound takes those of its kind with it, since they were planned together.
Cancels are no concern of this file: they are never refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway.budget import Budgets, Priority
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.orders.fencing import Fence, Refusal, expiry_ms, refusal
from perpmaker.gateway.orders.limits import excess
from perpmaker.gateway.orders.plans import is_valid_modify, is_valid_place
from perpmaker.gateway.orders.underway import Plan
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_log = logs.get(__name__)

Order = TypeVar("Order", pb.ModifyOrder, pb.PlaceOrder)


class Admission:
    """The gate in front of the signature."""

    def __init__(
        self,
        markets: Markets,
        entry: OrderEntry,
        budgets: Budgets,
        fence: Fence,
        clock: Clock,
        exchange_clock: ExchangeClock,
        expires_in_ms: int,
        reference_px_e8: Callable[[str], int],
    ) -> None:
        """`reference_px_e8` tells the newest mark price of a market, 0 when none is known."""
        self._markets = markets
        self._entry = entry
        self._budgets = budgets
        self._fence = fence
        self._clock = clock
        self._exchange_clock = exchange_clock
        self._expires_in_ms = expires_in_ms
        self._reference_px_e8 = reference_px_e8

    def admit(self, plan: Plan) -> None:
        """Give the plan the modifies and placements that may leave, and refuse the others."""
        request = plan.request
        if not request.modifies and not request.places:
            self._fence.observe(plan.market, request.trace.epoch)
            return
        now_ms = self._clock.now_ms()
        # Rules may have changed since the plan came.
        rules = self._markets.rules_of(plan.market)
        plan.rules = rules or plan.rules
        reason = "unknown_market" if rules is None else self._closed_because(request, now_ms)
        self._fence.observe(plan.market, request.trace.epoch)
        if reason is None and not self._entry.is_connected:
            reason = "not_connected"
        if reason is not None:
            plan.report.refuse_orders(reason)
            return
        plan.expires_ms = expiry_ms(
            now_ms=now_ms,
            not_after_ms=request.not_after_ms,
            clock_offset_ms=self._exchange_clock.offset_ms,
            expires_in_ms=request.expires_in_ms or self._expires_in_ms,
        )
        plan.modifies = self._fitting(
            plan,
            pb.ACTION_KIND_MODIFY,
            request.modifies,
            lambda modify: modify.order,
            is_valid_modify,
            Priority.REQUOTE,
        )
        quote = Priority.REQUOTE if request.cancels else Priority.ADD_LEVEL
        plan.places = self._fitting(
            plan, pb.ACTION_KIND_PLACE, request.places, lambda place: place, is_valid_place, quote
        )

    def _closed_because(self, request: pb.ExecuteRequest, now_ms: int) -> Refusal | None:
        return refusal(
            self._fence,
            request.trace.market,
            request.trace.epoch,
            not_after_ms=request.not_after_ms,
            now_ms=now_ms,
            clock_offset_ms=self._exchange_clock.offset_ms,
            is_clock_doubted=self._exchange_clock.is_doubted,
        )

    def _fitting(
        self,
        plan: Plan,
        kind: pb.ActionKind.ValueType,
        items: Sequence[Order],
        order_of: Callable[[Order], pb.PlaceOrder],
        is_valid: Callable[[InstrumentRules, Order], bool],
        quote: Priority,
    ) -> list[Order]:
        if not items:
            return []
        orders = [order_of(item) for item in items]
        reason = self._beyond_bounds(plan, orders)
        if not all(is_valid(plan.rules, item) for item in items):
            _log.error("plan.invalid", market=plan.market, items=len(items))
            reason = "invalid"
        if reason is not None:
            plan.report.refuse(kind, [order.cloid for order in orders], reason)
            return []
        admitted: list[Order] = []
        for priority, reduce_only in ((Priority.REDUCE_ONLY, True), (quote, False)):
            group = [item for item in items if order_of(item).reduce_only is reduce_only]
            if self._is_within_budget(plan, kind, [order_of(item).cloid for item in group], priority):
                admitted += group
        return admitted

    def _beyond_bounds(self, plan: Plan, orders: Sequence[pb.PlaceOrder]) -> Refusal | None:
        reference = self._reference_px_e8(plan.market)
        for order in orders:
            found = excess(order.px_e8, order.sz_e8, reference_px_e8=reference, max_leverage=plan.rules.max_leverage)
            if found is not None:
                return found
        return None

    def _is_within_budget(
        self, plan: Plan, kind: pb.ActionKind.ValueType, names: Sequence[str], priority: Priority
    ) -> bool:
        if not names:
            return True
        now_s = self._clock.monotonic_s()
        shortage = self._budgets.admit_orders(len(names), self._entry.in_flight, now_s, priority)
        if shortage is None:
            return True
        _log.warning("budget.exhausted", budget=shortage, priority=priority.name.lower())
        plan.report.refuse(kind, names, "budget")
        return False
