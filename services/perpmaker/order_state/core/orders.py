"""One order of ours and what each event makes of it.

`apply` is the only way an order changes. It guarantees: the original size is never overwritten by a remainder; `filled`
moves only with trade ids; totals announced without trade ids are kept apart as an expectation; a status older than the
newest one applied changes nothing.
"""

from __future__ import annotations

from typing import assert_never

import msgspec
from msgspec.structs import replace

from perpmaker.common.decimals import div_e8, mul_e8
from perpmaker.hyperliquid.statuses import StatusMeaning, meaning_of
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.transitions import ACTIVE, CONTRADICTIONS, TERMINAL, State, Trigger, next_state

TIF_IOC = 2
"""`TIME_IN_FORCE_IOC` of the contract."""

LATE_FILL_MS = 2_000
"""How long after a confirmed cancel earlier fills may still be on their way, unless the exchange told the remainder."""


class TrackedOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order of ours; prices and sizes in 1e-8, times in ms.

    `settled` says that the exchange itself told how much of the order was executed in the end. `announced_e8` is the
    largest executed total it ever told without trade ids, `trimmed_e8` what it cut off a reduce-only order without
    executing it. `version` counts changes.
    """

    cloid: str
    market: str
    is_buy: bool
    px_e8: int
    sz_e8: int
    placed_time_ms: int
    state_time_ms: int
    level: int = 0
    epoch: int = 0
    reduce_only: bool = False
    time_in_force: int = 1
    state: State = State.PENDING
    cause: str = "intent"
    oid: int = 0
    filled_e8: int = 0
    fill_value_e8: int = 0
    announced_e8: int = 0
    trimmed_e8: int = 0
    settled: bool = False
    last_status_time_ms: int = 0
    ack_time_ms: int = 0
    nonce: int = 0
    expires_after_ms: int = 0
    replaces_cloid: str = ""
    replaced_by: str = ""
    cancel_requested: bool = False
    cancel_sent_ms: int = 0
    version: int = 1

    @property
    def is_terminal(self) -> bool:
        """Whether the order is over."""
        return self.state in TERMINAL

    @property
    def has_landed(self) -> bool:
        """Whether the exchange ever showed the order."""
        return self.oid != 0 or self.ack_time_ms != 0

    @property
    def remaining_e8(self) -> int:
        """Size neither executed by trade ids nor cut off."""
        return max(0, self.sz_e8 - self.trimmed_e8 - self.filled_e8)

    @property
    def expected_fill_e8(self) -> int:
        """Execution announced without trade ids and not confirmed by them yet."""
        return max(0, self.announced_e8 - self.filled_e8)

    @property
    def average_px_e8(self) -> int:
        """Average execution price; the limit price while nothing was executed."""
        return div_e8(self.fill_value_e8, self.filled_e8) if self.filled_e8 else self.px_e8

    def possible_fill_e8(self, now_ms: int) -> int:
        """Size that may still reach the position through this order."""
        if self.state not in TERMINAL:
            return self.remaining_e8
        if self.state is State.CANCELLED and not self.settled and now_ms < self.state_time_ms + LATE_FILL_MS:
            return self.remaining_e8
        return self.expected_fill_e8


class Step(msgspec.Struct, frozen=True):
    """One line of an order's history."""

    before: State
    after: State
    trigger: Trigger
    evidence: str

    @property
    def is_contradiction(self) -> bool:
        """Whether the exchange spoke of an order believed never to have lived."""
        return (self.before, self.trigger) in CONTRADICTIONS


class Applied(msgspec.Struct, frozen=True):
    """The order after an event and the steps taken; no steps when only bookkeeping changed."""

    order: TrackedOrder
    steps: tuple[Step, ...] = ()


def _execution_trigger(order: TrackedOrder, total_e8: int) -> Trigger:
    if total_e8 >= order.sz_e8:
        return Trigger.ACK_FILLED_ALL
    return Trigger.ACK_FILLED_IOC if order.time_in_force == TIF_IOC else Trigger.ACK_FILLED_PART


def _step(
    order: TrackedOrder, changed: TrackedOrder, trigger: Trigger, evidence: str, now_ms: int, *, cause: str = ""
) -> Applied:
    """Move the state of `changed` (already updated in its facts) by a trigger and follow up an owed cancel.

    `cause` is shown instead of the trigger.
    """
    after = next_state(order.state, trigger)
    steps = [Step(order.state, after, trigger, evidence)]
    if after is not order.state:
        changed = replace(changed, state=after, state_time_ms=now_ms, cause=cause or trigger.value)
    if after in ACTIVE and changed.cancel_requested:
        # It was in doubt when its cancel was asked for; now that it is known to live, the cancel is due at once.
        changed = replace(changed, state=State.CANCEL_PENDING, cancel_sent_ms=0)
        steps.append(Step(after, State.CANCEL_PENDING, Trigger.CANCEL_SENT, "asked for before"))
    return Applied(changed, tuple(steps))


def _told(order: TrackedOrder, orig_sz_e8: int, remaining_e8: int) -> int:
    """Largest executed total told so far, given a remainder.

    The exchange also trims reduce-only orders without executing them, so their remainder tells nothing.
    """
    if order.reduce_only:
        return order.announced_e8
    return max(order.announced_e8, (orig_sz_e8 or order.sz_e8) - remaining_e8)


def _status(order: TrackedOrder, event: ev.StatusSeen, now_ms: int) -> Applied | None:
    if event.status_time_ms < order.last_status_time_ms:
        return None
    meaning = meaning_of(event.status)
    seen = replace(
        order,
        oid=order.oid or event.oid,
        ack_time_ms=order.ack_time_ms or now_ms,
        last_status_time_ms=event.status_time_ms,
    )
    ended = {"announced_e8": _told(order, event.orig_sz_e8, event.remaining_e8), "settled": True}
    evidence = f"{event.source}: {event.status} at {event.status_time_ms}, oid {event.oid}"
    match meaning:
        case StatusMeaning.OPEN | StatusMeaning.TRIGGERED:
            return _step(order, seen, Trigger.SEEN_OPEN, evidence, now_ms)
        case StatusMeaning.FILLED if event.remaining_e8 == 0:
            return _step(order, replace(seen, **ended), Trigger.SEEN_FILLED, evidence, now_ms)
        case StatusMeaning.FILLED | StatusMeaning.CANCELLED:
            # "filled" with a remainder is an immediate-or-cancel order whose rest was dropped.
            return _step(order, replace(seen, **ended), Trigger.SEEN_CANCELLED, evidence, now_ms)
        case StatusMeaning.REJECTED:
            refused = replace(seen, ack_time_ms=order.ack_time_ms, settled=True)
            return _step(order, refused, Trigger.SEEN_REJECTED, evidence, now_ms)
        case StatusMeaning.UNRECOGNIZED:
            return None
        case _:
            assert_never(meaning)


def _executed(order: TrackedOrder, event: ev.Executed, now_ms: int) -> Applied:
    filled = order.filled_e8 + event.sz_e8
    changed = replace(
        order,
        oid=order.oid or event.oid,
        filled_e8=filled,
        fill_value_e8=order.fill_value_e8 + mul_e8(event.px_e8, event.sz_e8),
    )
    trigger = Trigger.FILL_ALL if filled >= order.sz_e8 else Trigger.FILL_PART
    evidence = f"tid {event.tid}: {event.sz_e8} at {event.px_e8}, oid {event.oid}"
    return _step(order, changed, trigger, evidence, now_ms)


def _learn(order: TrackedOrder, event: ev.OrderEvent, now_ms: int) -> Applied | None:
    match event:
        case ev.AckResting(oid):
            acked = replace(order, oid=order.oid or oid, ack_time_ms=order.ack_time_ms or now_ms)
            return _step(order, acked, Trigger.ACK_RESTING, f"oid {oid}", now_ms)
        case ev.AckFilled(oid, total_e8):
            trigger = _execution_trigger(order, total_e8)
            acked = replace(
                order,
                oid=order.oid or oid,
                ack_time_ms=order.ack_time_ms or now_ms,
                announced_e8=max(order.announced_e8, min(total_e8, order.sz_e8)),
                settled=order.settled or trigger is not Trigger.ACK_FILLED_PART,
            )
            return _step(order, acked, trigger, f"total {total_e8}, oid {oid}", now_ms)
        case ev.Refused(rejection, text):
            return _step(order, order, Trigger.REFUSED, f"{rejection}: {text}", now_ms)
        case ev.NotSent(reason):
            return _step(order, order, Trigger.NOT_SENT, reason, now_ms, cause=reason)
        case ev.OutcomeLost(reason):
            # Once the exchange has shown the order, a lost answer says nothing new.
            return None if order.has_landed else _step(order, order, Trigger.OUTCOME_LOST, reason, now_ms)
        case ev.Dispatched(nonce, expires_after_ms):
            sent = replace(order, nonce=nonce, expires_after_ms=expires_after_ms or order.expires_after_ms)
            return Applied(sent)
        case ev.CancelSent(cause, replaced_by, handed_over):
            asked = replace(
                order,
                cancel_sent_ms=now_ms if handed_over else 0,
                replaced_by=replaced_by or order.replaced_by,
                cancel_requested=order.cancel_requested or not replaced_by,
            )
            return _step(order, asked, Trigger.CANCEL_SENT, cause, now_ms)
        case ev.CancelDue():
            return Applied(replace(order, cancel_sent_ms=0))
        case ev.CancelConfirmed(evidence):
            return _step(order, order, Trigger.CANCEL_CONFIRMED, evidence, now_ms)
        case ev.CancelReverted(evidence):
            if order.state is not State.CANCEL_PENDING or order.cancel_requested:
                return None
            trigger = Trigger.REVERTED_PARTIAL if order.filled_e8 else Trigger.REVERTED_UNFILLED
            return _step(order, replace(order, replaced_by="", cancel_sent_ms=0), trigger, evidence, now_ms)
        case ev.Executed():
            return _executed(order, event, now_ms)
        case ev.StatusSeen():
            return _status(order, event, now_ms)
        case ev.SeenInBook(oid, remaining_e8, as_of_ms):
            if order.state in TERMINAL:
                return None
            seen = replace(
                order,
                oid=order.oid or oid,
                ack_time_ms=order.ack_time_ms or now_ms,
                announced_e8=_told(order, order.sz_e8, remaining_e8),
            )
            return _step(order, seen, Trigger.SEEN_OPEN, f"open orders as of {as_of_ms}, oid {oid}", now_ms)
        case ev.SizeSeen(remaining_e8):
            if order.state in TERMINAL or not order.reduce_only:
                return None
            # Counted afresh each time: a fill on its way to us looks like a cut until its trade id is here.
            return Applied(replace(order, trimmed_e8=max(0, order.sz_e8 - order.filled_e8 - remaining_e8)))
        case ev.ProvenAbsent(proof):
            return _step(order, order, Trigger.PROVEN_ABSENT, proof, now_ms)
        case ev.ProvenGone(proof):
            return _step(order, replace(order, settled=True), Trigger.PROVEN_GONE, proof, now_ms)
        case ev.ExpectationLapsed():
            return Applied(replace(order, announced_e8=order.filled_e8))
        case _:
            assert_never(event)


def apply(order: TrackedOrder, event: ev.OrderEvent, now_ms: int) -> Applied | None:
    """The order after an event; None when the event changes nothing.

    Raises IllegalTransitionError when the event is impossible in the order's state.
    """
    applied = _learn(order, event, now_ms)
    if applied is None or (applied.order == order and not any(step.is_contradiction for step in applied.steps)):
        return None
    told = tuple(step for step in applied.steps if step.before is not step.after or _is_worth_telling(step))
    return Applied(replace(applied.order, version=order.version + 1), told)


def _is_worth_telling(step: Step) -> bool:
    return step.is_contradiction or step.trigger in (Trigger.FILL_PART, Trigger.FILL_ALL, Trigger.CANCEL_SENT)
