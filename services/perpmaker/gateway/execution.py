"""Plans to the exchange: gate, sign, write, then tell what became of each order.

Between the departure of plans and the last byte of them written to the socket nothing is awaited but the writes.
Cancels leave first and without waiting for an answer, and are never refused; placements and modifies leave only for the
newest session of an armed market, with permission, with a good clock, within the budgets and the exchange's own bounds.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.broker import Broker
from perpmaker.gateway.budget import EXPIRED_COST, POSTS_IN_FLIGHT, Budgets, Priority
from perpmaker.gateway.connections.dispatch import Departure, Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.fencing import Fence, Refusal, expiry_ms, refusal
from perpmaker.gateway.limits import excess
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.outcomes import not_sent, unknown
from perpmaker.gateway.plans import (
    PlannedAction,
    cancels_of,
    is_valid_modify,
    is_valid_place,
    modifies_of,
    places_of,
)
from perpmaker.hyperliquid.rejections import is_nonce_window
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Emit = Callable[[pb.ExecuteResponse], None]

_LABELS = {pb.ACTION_KIND_CANCEL: "cancel", pb.ACTION_KIND_MODIFY: "modify", pb.ACTION_KIND_PLACE: "place"}

_log = logs.get(__name__)

Item = TypeVar("Item", pb.CancelOrder, pb.ModifyOrder, pb.PlaceOrder)


@dataclass(slots=True, eq=False)
class _Plan:
    """A plan under way."""

    request: pb.ExecuteRequest
    emit: Emit
    rules: InstrumentRules
    actions_open: int = 0
    expires_ms: int = 0
    modifies: list[pb.ModifyOrder] = field(default_factory=list)
    places: list[pb.PlaceOrder] = field(default_factory=list)

    def tell(self, **event: pb.Sent | pb.Outcomes | pb.Done) -> None:
        """Tell one thing of the plan."""
        self.emit(pb.ExecuteResponse(request_id=self.request.request_id, **event))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class _Action:
    """An action that left, and whose its items are."""

    planned: PlannedAction
    owners: tuple[_Plan, ...]
    """The plan of each item."""
    departure: Departure

    @property
    def plans(self) -> tuple[_Plan, ...]:
        """Each plan once."""
        return tuple(dict.fromkeys(self.owners))

    def tell(self, outcomes: Sequence[pb.Outcome]) -> None:
        """Tell every plan the outcomes of its items."""
        for plan in self.plans:
            own = [outcome for outcome, owner in zip(outcomes, self.owners, strict=True) if owner is plan]
            plan.tell(outcomes=pb.Outcomes(action=self.planned.kind, nonce=self.departure.signed.nonce, items=own))


class Execution:
    """Order entry of one account."""

    def __init__(
        self,
        markets: Markets,
        desk: SigningDesk,
        entry: OrderEntry,
        dispatch: Dispatch,
        budgets: Budgets,
        fence: Fence,
        clock: Clock,
        exchange_clock: ExchangeClock,
        measurements: Measurements,
        expires_in_ms: int,
        reference_px_e8: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """`reference_px_e8` tells the newest mark price of a market, 0 when none is known."""
        self._markets = markets
        self._desk = desk
        self._entry = entry
        self._dispatch = dispatch
        self._budgets = budgets
        self._fence = fence
        self._clock = clock
        self._exchange_clock = exchange_clock
        self._measurements = measurements
        self._expires_in_ms = expires_in_ms
        self._reference_px_e8 = reference_px_e8
        self._broker: Broker[_Plan] = Broker(self._depart, clock)
        self._resolving: dict[asyncio.Task[None], Callable[[], None]] = {}
        self._departing = 0

    async def execute(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        """Take a plan; `emit` gets what is told of it, some of it after this returns. Never raises for a bad plan."""
        market = request.trace.market
        rules = self._markets.rules_for_cancels(market)
        if rules is None:
            self._refuse_all(request, emit)
            return
        await self._broker.submit(market, _Plan(request, emit, rules))

    async def _depart(self, plans: Sequence[_Plan]) -> None:
        self._departing += 1
        try:
            await self._send_all(plans)
        finally:
            self._departing -= 1

    async def _send_all(self, plans: Sequence[_Plan]) -> None:
        cancels = [(plan, cancel) for plan in plans for cancel in plan.request.cancels]
        actions = [await self._send(planned, cancels, None) for planned in cancels_of(_with_assets(cancels))]
        for plan in plans:
            self._admit(plan)
        modifies = [(plan, modify) for plan in plans for modify in plan.modifies]
        places = [(plan, place) for plan in plans for place in plan.places]
        expires_ms = min((plan.expires_ms for plan in plans if plan.modifies or plan.places), default=0)
        actions += [await self._send(planned, modifies, expires_ms) for planned in modifies_of(_with_assets(modifies))]
        actions += [await self._send(planned, places, expires_ms) for planned in places_of(_with_assets(places))]
        for plan in plans:
            if (plan.modifies or plan.places) and plan.request.trace.receive_time_ns:
                self._measurements.tick_to_order(self._clock.monotonic_ns() - plan.request.trace.receive_time_ns)
        self._follow(plans, actions)

    @property
    def is_idle(self) -> bool:
        """Whether the outcome of everything sent is known."""
        return not self._resolving and not self._departing and self._broker.is_idle

    def shut_down(self) -> None:
        """Tell the outcome of everything still open as unknown, and of what has not left as not sent."""
        for plan in self._broker.take():
            self._refuse_cancels(plan.request, "stopping", plan.emit)
            self._refuse_orders(plan.request, "stopping", plan.emit)
            plan.tell(done=pb.Done())
        for task, give_up in tuple(self._resolving.items()):
            task.cancel()
            give_up()
        self._resolving.clear()

    def _refuse_all(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        self._refuse_cancels(request, "unknown_market", emit)
        self._refuse_orders(request, "unknown_market", emit)
        emit(pb.ExecuteResponse(request_id=request.request_id, done=pb.Done()))

    def _refuse_cancels(self, request: pb.ExecuteRequest, reason: Refusal, emit: Emit) -> None:
        cancels = [cancel.cloid or str(cancel.oid) for cancel in request.cancels]
        self._refuse(request.request_id, pb.ACTION_KIND_CANCEL, cancels, reason, emit)

    def _refuse_orders(self, request: pb.ExecuteRequest, reason: Refusal, emit: Emit) -> None:
        modifies = [modify.order.cloid for modify in request.modifies]
        self._refuse(request.request_id, pb.ACTION_KIND_MODIFY, modifies, reason, emit)
        places = [place.cloid for place in request.places]
        self._refuse(request.request_id, pb.ACTION_KIND_PLACE, places, reason, emit)

    def _refuse(
        self, request_id: int, kind: pb.ActionKind.ValueType, names: Sequence[str], reason: Refusal, emit: Emit
    ) -> None:
        if not names:
            return
        metrics.NOT_SENT.labels(_LABELS[kind], reason).inc(len(names))
        _log.warning("plan.not_sent", action=_LABELS[kind], reason=reason, items=len(names))
        outcomes = pb.Outcomes(action=kind, items=not_sent(names, reason))
        emit(pb.ExecuteResponse(request_id=request_id, outcomes=outcomes))

    def _admit(self, plan: _Plan) -> None:
        """Keep the modifies and placements that may leave; the others are refused here."""
        request = plan.request
        market = request.trace.market
        if not request.modifies and not request.places:
            self._fence.observe(market, request.trace.epoch)
            return
        now_ms = self._clock.now_ms()
        reason = refusal(
            self._fence,
            market,
            request.trace.epoch,
            not_after_ms=request.not_after_ms,
            now_ms=now_ms,
            clock_offset_ms=self._exchange_clock.offset_ms,
            is_clock_doubted=self._exchange_clock.is_doubted,
        )
        if self._markets.rules_of(market) is None:
            reason = "unknown_market"
        self._fence.observe(market, request.trace.epoch)
        if reason is None and not self._entry.is_connected:
            reason = "not_connected"
        if reason is not None:
            self._refuse_orders(request, reason, plan.emit)
            return
        plan.expires_ms = expiry_ms(
            now_ms=now_ms,
            not_after_ms=request.not_after_ms,
            clock_offset_ms=self._exchange_clock.offset_ms,
            expires_in_ms=request.expires_in_ms or self._expires_in_ms,
        )
        self._admit_modifies(plan)
        self._admit_places(plan)

    def _admit_modifies(self, plan: _Plan) -> None:
        modifies = plan.request.modifies
        orders = [modify.order for modify in modifies]
        names = [order.cloid for order in orders]
        reason = None if all(is_valid_modify(plan.rules, modify) for modify in modifies) else self._unfit(plan, orders)
        reason = reason or self._beyond_bounds(plan, orders)
        if reason is not None:
            self._refuse(plan.request.request_id, pb.ACTION_KIND_MODIFY, names, reason, plan.emit)
            return
        for priority, reduce_only in ((Priority.REDUCE_ONLY, True), (Priority.REQUOTE, False)):
            group = [modify for modify in modifies if modify.order.reduce_only is reduce_only]
            if self._within_budget(plan, pb.ACTION_KIND_MODIFY, [m.order.cloid for m in group], priority):
                plan.modifies += group

    def _admit_places(self, plan: _Plan) -> None:
        places = plan.request.places
        names = [place.cloid for place in places]
        reason = None if all(is_valid_place(plan.rules, place) for place in places) else self._unfit(plan, places)
        reason = reason or self._beyond_bounds(plan, places)
        if reason is not None:
            self._refuse(plan.request.request_id, pb.ACTION_KIND_PLACE, names, reason, plan.emit)
            return
        quote = Priority.REQUOTE if plan.request.cancels else Priority.ADD_LEVEL
        for priority, reduce_only in ((Priority.REDUCE_ONLY, True), (quote, False)):
            group = [place for place in places if place.reduce_only is reduce_only]
            if self._within_budget(plan, pb.ACTION_KIND_PLACE, [place.cloid for place in group], priority):
                plan.places += group

    @staticmethod
    def _unfit(plan: _Plan, orders: Sequence[pb.PlaceOrder]) -> Refusal:
        _log.error("plan.invalid", market=plan.request.trace.market, items=len(orders))
        return "invalid"

    def _beyond_bounds(self, plan: _Plan, orders: Sequence[pb.PlaceOrder]) -> Refusal | None:
        reference = self._reference_px_e8(plan.request.trace.market)
        for order in orders:
            found = excess(order.px_e8, order.sz_e8, reference_px_e8=reference, max_leverage=plan.rules.max_leverage)
            if found is not None:
                return found
        return None

    def _within_budget(
        self, plan: _Plan, kind: pb.ActionKind.ValueType, names: Sequence[str], priority: Priority
    ) -> bool:
        if not names:
            return True
        now_s = self._clock.monotonic_s()
        shortage = self._budgets.admit_orders(len(names), self._entry.in_flight, now_s, priority)
        if shortage is None:
            return True
        _log.warning("budget.exhausted", budget=shortage, priority=priority.name.lower())
        self._refuse(plan.request.request_id, kind, names, "budget", plan.emit)
        return False

    async def _send(
        self, planned: PlannedAction, items: Sequence[tuple[_Plan, Item]], expires_ms: int | None
    ) -> _Action:
        owners = tuple(items[position][0] for position in planned.positions)
        if planned.is_cancel:
            self._budgets.record_cancels(len(planned.names), self._clock.monotonic_s())
        signed = self._desk.sign(planned.action, expires_ms)
        for plan in dict.fromkeys(owners):
            plan.actions_open += 1
            own = [name for name, owner in zip(planned.names, owners, strict=True) if owner is plan]
            # Told before the bytes leave, so that the nonce is on record whatever happens next.
            plan.tell(
                sent=pb.Sent(
                    action=planned.kind,
                    nonce=signed.nonce,
                    expires_after_ms=signed.expires_after_ms,
                    cloids=own if planned.brings_to_life else [],
                )
            )
        by_socket = self._entry.is_connected and self._entry.in_flight < POSTS_IN_FLIGHT
        departure = await self._dispatch.depart(
            _LABELS[planned.kind], signed, planned.names, is_cancel=planned.is_cancel, by_socket=by_socket
        )
        return _Action(planned, owners, departure)

    def _follow(self, plans: Sequence[_Plan], actions: Sequence[_Action]) -> None:
        open_actions = dict.fromkeys(actions)

        def report(action: _Action, outcomes: list[pb.Outcome]) -> None:
            self._learn(action, outcomes)
            action.tell(outcomes)
            if action in open_actions:
                del open_actions[action]
                finish(action.plans)

        def finish(done: Sequence[_Plan]) -> None:
            for plan in done:
                plan.actions_open -= 1
                if not plan.actions_open:
                    plan.tell(done=pb.Done())

        def give_up() -> None:
            for action in tuple(open_actions):
                report(action, unknown(action.departure.names, "shutdown"))

        async def resolve() -> None:
            await asyncio.gather(
                *(self._dispatch.resolve(action.departure, functools.partial(report, action)) for action in actions)
            )

        for plan in plans:
            if not plan.actions_open:
                plan.tell(done=pb.Done())
        if not actions:
            return
        task = asyncio.create_task(resolve(), name=f"plan-{plans[0].request.request_id}")
        self._resolving[task] = give_up
        task.add_done_callback(self._finished)

    def _learn(self, action: _Action, outcomes: Sequence[pb.Outcome]) -> None:
        """What refusals say beyond their orders: the clock is off, expiry cost more, a market takes others down."""
        refused = [outcome.rejected for outcome in outcomes if outcome.HasField("rejected")]
        if any(is_nonce_window(rejected.text) for rejected in refused):
            self._exchange_clock.doubt()
        expired = sum(getattr(rejected, "class") == pb.REJECTION_CLASS_EXPIRED for rejected in refused)
        self._budgets.address.spend(expired * (EXPIRED_COST - 1))
        if len(action.plans) > 1 and len(refused) == len(outcomes) and len({item.text for item in refused}) == 1:
            markets = [plan.request.trace.market for plan in action.plans]
            _log.warning("broker.kept_apart", markets=markets, text=refused[0].text)
            self._broker.keep_apart(markets)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._resolving.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            _log.error("plan.failed", exc_info=task.exception())


def _with_assets(items: Sequence[tuple[_Plan, Item]]) -> list[tuple[int, Item]]:
    return [(plan.rules.asset_id, item) for plan, item in items]
