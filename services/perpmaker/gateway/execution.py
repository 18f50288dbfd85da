"""Plans to the exchange: gate, sign, write, then tell what became of each order.

Between the arrival of a plan and the last byte of it written to the socket nothing is awaited but the writes. Cancels
leave first and without waiting for an answer, and are never refused; placements and modifies leave only for the newest
session of an armed market, with permission, with a good clock and within the budgets.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.budget import POSTS_IN_FLIGHT, Budgets
from perpmaker.gateway.connections.dispatch import Departure, Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.fencing import Fence, Refusal, expiry_ms, refusal
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.outcomes import not_sent, unknown
from perpmaker.gateway.plans import (
    PlannedAction,
    cancel_actions,
    is_valid_modify,
    is_valid_place,
    modify_actions,
    place_actions,
)
from perpmaker.gateway.signing import SignedAction, Signer
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.hyperliquid.wire import L1Action
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Emit = Callable[[pb.ExecuteResponse], None]

_LABELS = {pb.ACTION_KIND_CANCEL: "cancel", pb.ACTION_KIND_MODIFY: "modify", pb.ACTION_KIND_PLACE: "place"}

_log = logs.get(__name__)


FORMER_SIGNERS_KEPT_MS = 60_000
"""How long a replaced key is kept for the nonces it has used: far longer than any placement stays valid."""


class ForgottenSignerError(Exception):
    """The key that used a nonce is gone, so nothing signed now can say anything about that nonce."""


@dataclass(frozen=True, slots=True)
class _Former:
    """A replaced signer and the nonces that are its own."""

    after: int
    up_to: int
    signer: Signer


class SigningDesk:
    """Signer and nonces together: every signature takes a fresh nonce unless one is given.

    The exchange keeps nonces by signer. Here they grow over all signers, so each names the one that used it, and an
    action under a nonce of the past is signed by that one.
    """

    def __init__(self, signer: Signer, nonces: Nonces, clock: Clock, measurements: Measurements) -> None:
        self.signer = signer
        self.nonces = nonces
        self._clock = clock
        self._measurements = measurements
        self._former: list[_Former] = []
        self._replaced_up_to = 0

    def replace_signer(self, signer: Signer) -> None:
        """Sign with another key from the next action on; its nonces begin above the clock and above all used ones."""
        highest = self.nonces.highest
        self._former.append(_Former(self._replaced_up_to, highest, self.signer))
        self._replaced_up_to = highest
        self.signer = signer

    def _signer_of(self, nonce: int) -> Signer:
        if nonce > self._replaced_up_to:
            return self.signer
        for former in self._former:
            if former.after < nonce <= former.up_to:
                return former.signer
        raise ForgottenSignerError

    def _forget_former(self) -> None:
        oldest_ms = self._clock.now_ms() - FORMER_SIGNERS_KEPT_MS
        self._former = [former for former in self._former if former.up_to >= oldest_ms]

    def sign(self, action: L1Action, expires_after_ms: int | None = None, nonce: int | None = None) -> SignedAction:
        """Sign one action. Raises ForgottenSignerError for a nonce of a signer replaced long ago."""
        begun_ns = self._clock.monotonic_ns()
        if self._former:
            self._forget_former()
        signer = self.signer if nonce is None else self._signer_of(nonce)
        signed = signer.sign(action, self.nonces.take() if nonce is None else nonce, expires_after_ms)
        self._measurements.signed(self._clock.monotonic_ns() - begun_ns)
        return signed


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
    ) -> None:
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
        self._resolving: dict[asyncio.Task[None], Callable[[], None]] = {}
        self._departing = 0

    async def execute(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        """Send a plan; `emit` gets what is told of it, some of it after this returns. Never raises for a bad plan."""
        self._departing += 1
        try:
            await self._execute(request, emit)
        finally:
            self._departing -= 1

    async def _execute(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        rules = self._markets.rules_for_cancels(request.trace.market)
        if rules is None:
            self._refuse_all(request, emit)
            return
        departures = [
            await self._send(planned, request, None, emit)
            for planned in cancel_actions(rules.asset_id, request.cancels)
        ]
        brought_orders = False
        for planned in self._admitted(request, rules, emit):
            expires_ms = expiry_ms(
                now_ms=self._clock.now_ms(),
                not_after_ms=request.not_after_ms,
                clock_offset_ms=self._exchange_clock.offset_ms,
                expires_in_ms=request.expires_in_ms or self._expires_in_ms,
            )
            departures.append(await self._send(planned, request, expires_ms, emit))
            brought_orders = True
        if brought_orders and request.trace.receive_time_ns:
            self._measurements.tick_to_order(self._clock.monotonic_ns() - request.trace.receive_time_ns)
        self._follow(request.request_id, departures, emit)

    @property
    def is_idle(self) -> bool:
        """Whether the outcome of everything sent is known."""
        return not self._resolving and not self._departing

    def shut_down(self) -> None:
        """Tell the outcome of everything still open as unknown."""
        for task, give_up in tuple(self._resolving.items()):
            task.cancel()
            give_up()
        self._resolving.clear()

    def _refuse_all(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        cancels = [cancel.cloid or str(cancel.oid) for cancel in request.cancels]
        self._refuse(request.request_id, pb.ACTION_KIND_CANCEL, cancels, "unknown_market", emit)
        self._refuse_orders(request, "unknown_market", emit)
        emit(pb.ExecuteResponse(request_id=request.request_id, done=pb.Done()))

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

    def _admitted(self, request: pb.ExecuteRequest, rules: InstrumentRules, emit: Emit) -> list[PlannedAction]:
        """Modify and place actions that may leave; the others are refused here."""
        if not request.modifies and not request.places:
            self._fence.observe(request.trace.market, request.trace.epoch)
            return []
        reason = refusal(
            self._fence,
            request.trace.market,
            request.trace.epoch,
            not_after_ms=request.not_after_ms,
            now_ms=self._clock.now_ms(),
            clock_offset_ms=self._exchange_clock.offset_ms,
        )
        if self._markets.rules_of(request.trace.market) is None:
            reason = "unknown_market"
        self._fence.observe(request.trace.market, request.trace.epoch)
        if reason is None and not self._entry.is_connected:
            reason = "not_connected"
        if reason is not None:
            self._refuse_orders(request, reason, emit)
            return []
        planned: list[PlannedAction] = []
        if all(is_valid_modify(rules, modify) for modify in request.modifies):
            planned += modify_actions(rules.asset_id, request.modifies)
        else:
            names = [modify.order.cloid for modify in request.modifies]
            self._refuse(request.request_id, pb.ACTION_KIND_MODIFY, names, "invalid", emit)
        if all(is_valid_place(rules, place) for place in request.places):
            planned += place_actions(rules.asset_id, request.places)
        else:
            names = [place.cloid for place in request.places]
            self._refuse(request.request_id, pb.ACTION_KIND_PLACE, names, "invalid", emit)
        return [action for action in planned if self._within_budget(action, request.request_id, emit)]

    def _within_budget(self, planned: PlannedAction, request_id: int, emit: Emit) -> bool:
        shortage = self._budgets.admit_orders(len(planned.names), self._entry.in_flight, self._clock.monotonic_s())
        if shortage is None:
            return True
        _log.warning("budget.exhausted", budget=shortage)
        self._refuse(request_id, planned.kind, planned.names, "budget", emit)
        return False

    async def _send(
        self, planned: PlannedAction, request: pb.ExecuteRequest, expires_ms: int | None, emit: Emit
    ) -> tuple[PlannedAction, Departure]:
        if planned.is_cancel:
            self._budgets.record_cancels(len(planned.names), self._clock.monotonic_s())
        signed = self._desk.sign(planned.action, expires_ms)
        # Told before the bytes leave, so that the nonce is on record whatever happens next.
        emit(
            pb.ExecuteResponse(
                request_id=request.request_id,
                sent=pb.Sent(
                    action=planned.kind,
                    nonce=signed.nonce,
                    expires_after_ms=signed.expires_after_ms,
                    cloids=planned.brings_to_life,
                ),
            )
        )
        by_socket = self._entry.is_connected and self._entry.in_flight < POSTS_IN_FLIGHT
        label = _LABELS[planned.kind]
        departure = await self._dispatch.depart(
            label, signed, planned.names, is_cancel=planned.is_cancel, by_socket=by_socket
        )
        return planned, departure

    def _follow(self, request_id: int, departures: Sequence[tuple[PlannedAction, Departure]], emit: Emit) -> None:
        open_actions = dict(enumerate(departures))

        def report(number: int, outcomes: list[pb.Outcome]) -> None:
            planned, departure = departures[number]
            told = pb.Outcomes(action=planned.kind, nonce=departure.signed.nonce, items=outcomes)
            emit(pb.ExecuteResponse(request_id=request_id, outcomes=told))
            open_actions.pop(number, None)

        def give_up() -> None:
            for number, (_, departure) in tuple(open_actions.items()):
                report(number, unknown(departure.names, "shutdown"))
            emit(pb.ExecuteResponse(request_id=request_id, done=pb.Done()))

        async def resolve() -> None:
            await asyncio.gather(
                *(
                    self._dispatch.resolve(departure, functools.partial(report, number))
                    for number, (_, departure) in enumerate(departures)
                )
            )
            emit(pb.ExecuteResponse(request_id=request_id, done=pb.Done()))

        if not departures:
            emit(pb.ExecuteResponse(request_id=request_id, done=pb.Done()))
            return
        task = asyncio.create_task(resolve(), name=f"plan-{request_id}")
        self._resolving[task] = give_up
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._resolving.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            _log.error("plan.failed", exc_info=task.exception())
