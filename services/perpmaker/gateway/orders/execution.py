"""Plans to the exchange: collect, admit, sign, write, then follow.

Between the departure of plans and the last byte of them written to the socket nothing is awaited but the writes.
Cancels leave first and without waiting for an answer, and are never refused; modifies and placements leave as far as
they are admitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from perpmaker.common.clock import Clock
from perpmaker.gateway.budget import POSTS_IN_FLIGHT, Budgets
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.orders.admission import Admission
from perpmaker.gateway.orders.broker import Broker
from perpmaker.gateway.orders.following import Following
from perpmaker.gateway.orders.plans import PlannedAction, cancels_of, modifies_of, places_of
from perpmaker.gateway.orders.report import LABELS, Emit, Report
from perpmaker.gateway.orders.underway import Action, Plan
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Item = TypeVar("Item", pb.CancelOrder, pb.ModifyOrder, pb.PlaceOrder)


class Execution:
    """Order entry of one account."""

    def __init__(
        self,
        markets: Markets,
        admission: Admission,
        desk: SigningDesk,
        entry: OrderEntry,
        dispatch: Dispatch,
        budgets: Budgets,
        clock: Clock,
        exchange_clock: ExchangeClock,
        measurements: Measurements,
    ) -> None:
        self._markets = markets
        self._admission = admission
        self._desk = desk
        self._entry = entry
        self._dispatch = dispatch
        self._budgets = budgets
        self._clock = clock
        self._measurements = measurements
        self._broker: Broker[Plan] = Broker(self._depart, clock)
        self._following = Following(dispatch, desk, budgets, exchange_clock, self._broker.keep_apart)
        self._departing = 0

    async def execute(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        """Take a plan; `emit` gets what is told of it, some of it after this returns. Never raises for a bad plan."""
        report = Report(request, emit)
        rules = self._markets.rules_for_cancels(request.trace.market)
        if rules is None:
            report.refuse_all("unknown_market")
            return
        await self._broker.submit(request.trace.market, Plan(request, report, rules))

    @property
    def is_idle(self) -> bool:
        """Whether the outcome of everything sent is known."""
        return self._following.is_idle and not self._departing and self._broker.is_idle

    def shut_down(self) -> None:
        """Tell the outcome of everything still open as unknown, and of what has not left as not sent."""
        for plan in self._broker.take():
            plan.report.refuse_all("stopping")
        self._following.give_up()

    async def _depart(self, plans: Sequence[Plan]) -> None:
        self._departing += 1
        try:
            await self._send_all(plans)
        finally:
            self._departing -= 1

    async def _send_all(self, plans: Sequence[Plan]) -> None:
        cancels = [(plan, cancel) for plan in plans for cancel in plan.request.cancels]
        actions = [await self._send(planned, cancels, None) for planned in cancels_of(_with_assets(cancels))]
        for plan in plans:
            self._admission.admit(plan)
        modifies = [(plan, modify) for plan in plans for modify in plan.modifies]
        places = [(plan, place) for plan in plans for place in plan.places]
        expires_ms = min((plan.expires_ms for plan in plans if plan.brings_orders), default=0)
        actions += [await self._send(planned, modifies, expires_ms) for planned in modifies_of(_with_assets(modifies))]
        actions += [await self._send(planned, places, expires_ms) for planned in places_of(_with_assets(places))]
        for plan in plans:
            if plan.brings_orders and plan.request.trace.receive_time_ns:
                self._measurements.tick_to_order(self._clock.monotonic_ns() - plan.request.trace.receive_time_ns)
        self._following.follow(plans, actions)

    async def _send(self, planned: PlannedAction, items: Sequence[tuple[Plan, Item]], expires_ms: int | None) -> Action:
        owners = tuple(items[position][0] for position in planned.positions)
        if planned.is_cancel:
            self._budgets.record_cancels(len(planned.names), self._clock.monotonic_s())
        signed = self._desk.sign(planned.action, expires_ms)
        for plan in dict.fromkeys(owners):
            plan.actions_open += 1
            own = [name for name, owner in zip(planned.names, owners, strict=True) if owner is plan]
            # Told before the bytes leave, so that the nonce is on record whatever happens next.
            plan.report.sent(
                pb.Sent(
                    action=planned.kind,
                    nonce=signed.nonce,
                    expires_after_ms=signed.expires_after_ms,
                    cloids=own if planned.brings_to_life else [],
                )
            )
        by_socket = self._entry.is_connected and self._entry.in_flight < POSTS_IN_FLIGHT
        departure = await self._dispatch.depart(
            LABELS[planned.kind], signed, planned.names, is_cancel=planned.is_cancel, by_socket=by_socket
        )
        return Action(planned, owners, departure)


def _with_assets(items: Sequence[tuple[Plan, Item]]) -> list[tuple[int, Item]]:
    return [(plan.rules.asset_id, item) for plan, item in items]
