"""Teardown of a MarketMaker as a table: step and observation give the next step. Pure.

The order of steps protects one promise: the object is not released while an order of ours may live, unless the trader
said so (Orphan), a person forced it, or nobody is left who could cancel and ten minutes have passed.

    Draining           risk closes the market: nothing new is placed; Orphan: everybody is told to leave orders
    CancellingOrders   two snapshots of the exchange, two seconds apart, show no order of ours
    Flattening         policy Flatten: the market is opened for a quoter that closes the position, then closed again
    DeletingWorkload   the quoter's Deployment and pod go
    Verifying          one more snapshot, younger than the pod's end, shows no late order
    Done               the finalizer may be removed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from perpmaker.api.v1alpha1.shared import DeletionPolicy
from perpmaker.api.v1alpha1.shared import TeardownStep as Step

DRAINING_S: Final = 10.0
"""Longest wait for risk's confirmation before orders are cancelled without it."""
WORKLOAD_S: Final = 60.0
"""Longest wait for the pod: its grace period of 30 s and as much again. A pod that stays is on a lost node, and may
place nothing: the market is closed."""
GIVE_UP_S: Final = 600.0
"""How long a cancel is tried when nobody is left to carry it out."""


class Proof(StrEnum):
    """What the exchange has shown since the market was last open."""

    NONE = "None"
    ONCE = "Once"
    TWICE = "Twice"
    """Two snapshots without an order of ours, two seconds apart."""


class Note(StrEnum):
    """What a person should be told about a transition."""

    STARTED = "Started"
    ORDERS_CANCELLED = "OrdersCancelled"
    FLATTENED = "Flattened"
    FLATTEN_INCOMPLETE = "FlattenIncomplete"
    ORPHANED = "Orphaned"
    FORCED = "Forced"
    GAVE_UP = "GaveUp"
    SEEN_LATE = "SeenLate"
    """An order appeared after the book had been seen empty."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a transition depends on."""

    policy: DeletionPolicy
    may_have_orders: bool
    """Whether this object ever had its market to trade on; a duplicate, say, never had."""
    proof: Proof
    is_closed: bool
    """Risk has confirmed that the market takes nothing new."""
    is_verified_in_step: bool
    """A snapshot younger than the beginning of this step shows no order of ours."""
    is_flat: bool
    flatten_failed: bool
    """No use in trying: the kill latch is set, or there is no quoter to do it."""
    flatten_is_over: bool
    """It was tried before in this teardown."""
    workload_gone: bool
    services_gone: bool
    """Risk does not answer and its Deployment does not exist, or everything around is being deleted."""
    is_forced: bool
    step_age_s: float
    age_s: float
    flatten_timeout_s: float
    is_left_alone: bool = True
    """Everybody who would take orders out of a market without a maker has been told not to."""

    @property
    def is_hopeless(self) -> bool:
        """Nobody is left who could cancel, and that has been so for long enough."""
        return self.services_gone and self.age_s >= GIVE_UP_S

    @property
    def is_empty(self) -> bool:
        """The exchange shows no order of ours and none can come."""
        return self.is_closed and self.proof is Proof.TWICE

    @property
    def is_orphan(self) -> bool:
        """The trader wants orders and position left alone."""
        return self.policy is DeletionPolicy.ORPHAN

    @property
    def wants_flatten(self) -> bool:
        """The position is still to be closed."""
        return self.policy is DeletionPolicy.FLATTEN and not self.flatten_is_over and not self.flatten_failed

    @property
    def flatten_timed_out(self) -> bool:
        """The trader's patience with closing the position is over."""
        return self.step_age_s >= self.flatten_timeout_s


@dataclass(frozen=True, slots=True)
class Row:
    """One line: when it applies (the first that does wins), where it leads, what is told."""

    when: Callable[[Seen], bool]
    to: Step
    note: Note | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The step to be in."""

    step: Step
    note: Note | None = None


_FORCED: Final = Row(lambda seen: seen.is_forced, Step.DONE, Note.FORCED)

TABLE: Final[Mapping[Step, tuple[Row, ...]]] = {
    Step.DRAINING: (
        _FORCED,
        Row(lambda seen: not seen.may_have_orders, Step.DELETING_WORKLOAD),
        Row(
            lambda seen: seen.is_orphan and (seen.is_left_alone or seen.step_age_s >= DRAINING_S),
            Step.DELETING_WORKLOAD,
            Note.ORPHANED,
        ),
        Row(lambda seen: seen.is_orphan, Step.DRAINING),
        Row(lambda seen: seen.is_closed, Step.CANCELLING_ORDERS),
        Row(lambda seen: seen.step_age_s >= DRAINING_S, Step.CANCELLING_ORDERS),
    ),
    Step.CANCELLING_ORDERS: (
        _FORCED,
        Row(lambda seen: seen.is_empty and seen.wants_flatten, Step.FLATTENING, Note.ORDERS_CANCELLED),
        Row(
            lambda seen: seen.is_empty and seen.policy is DeletionPolicy.FLATTEN and seen.flatten_failed,
            Step.DELETING_WORKLOAD,
            Note.FLATTEN_INCOMPLETE,
        ),
        Row(lambda seen: seen.is_empty, Step.DELETING_WORKLOAD, Note.ORDERS_CANCELLED),
        Row(lambda seen: seen.is_hopeless, Step.DELETING_WORKLOAD, Note.GAVE_UP),
    ),
    Step.FLATTENING: (
        _FORCED,
        Row(lambda seen: seen.is_flat and seen.is_empty, Step.DELETING_WORKLOAD, Note.FLATTENED),
        Row(
            lambda seen: (seen.flatten_timed_out or seen.flatten_failed) and seen.is_empty,
            Step.DELETING_WORKLOAD,
            Note.FLATTEN_INCOMPLETE,
        ),
        Row(lambda seen: seen.is_hopeless, Step.DELETING_WORKLOAD, Note.GAVE_UP),
    ),
    Step.DELETING_WORKLOAD: (
        _FORCED,
        Row(lambda seen: seen.workload_gone, Step.VERIFYING),
        Row(lambda seen: seen.step_age_s >= WORKLOAD_S, Step.VERIFYING),
    ),
    Step.VERIFYING: (
        _FORCED,
        Row(lambda seen: not seen.may_have_orders, Step.DONE),
        Row(lambda seen: seen.is_orphan, Step.DONE),
        Row(lambda seen: seen.is_empty and seen.is_verified_in_step, Step.DONE),
        Row(lambda seen: seen.is_hopeless, Step.DONE, Note.GAVE_UP),
        Row(lambda seen: seen.proof is Proof.NONE, Step.CANCELLING_ORDERS, Note.SEEN_LATE),
    ),
    Step.DONE: (),
}


def next_step(step: Step, seen: Seen) -> Next:
    """The step that follows; the same one when nothing applies."""
    for row in TABLE[step]:
        if row.when(seen):
            return Next(row.to, row.note)
    return Next(step)
