"""The kill latch: armed, tripped, halted, and armed again only for whoever names the trip that is latched.

    armed    the market (or account) may trade
    tripped  killed, the book is being emptied
    halted   killed, the exchange showed an empty book after the trip

The table below is the whole machine. Emptiness can come into doubt again (a restart, an order seen live), which sends a
halted latch back to tripped; nothing but an acknowledgement ever arms it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

ACCOUNT: Final = ""
"""Scope of the latch that covers every market."""


class LatchState(Enum):
    """Where a latch is."""

    ARMED = "armed"
    TRIPPED = "tripped"
    HALTED = "halted"


class LatchEvent(Enum):
    """What can happen to it."""

    TRIP = "trip"
    VERIFIED_EMPTY = "verified_empty"
    EMPTINESS_IN_DOUBT = "emptiness_in_doubt"
    ACKNOWLEDGE = "acknowledge"


TRANSITIONS: Final[dict[tuple[LatchState, LatchEvent], LatchState]] = {
    (LatchState.ARMED, LatchEvent.TRIP): LatchState.TRIPPED,
    (LatchState.TRIPPED, LatchEvent.TRIP): LatchState.TRIPPED,
    (LatchState.HALTED, LatchEvent.TRIP): LatchState.TRIPPED,
    (LatchState.TRIPPED, LatchEvent.VERIFIED_EMPTY): LatchState.HALTED,
    (LatchState.HALTED, LatchEvent.VERIFIED_EMPTY): LatchState.HALTED,
    (LatchState.TRIPPED, LatchEvent.EMPTINESS_IN_DOUBT): LatchState.TRIPPED,
    (LatchState.HALTED, LatchEvent.EMPTINESS_IN_DOUBT): LatchState.TRIPPED,
    (LatchState.HALTED, LatchEvent.ACKNOWLEDGE): LatchState.ARMED,
}


class IllegalLatchEventError(Exception):
    """The table has no such transition."""

    def __init__(self, state: LatchState, event: LatchEvent) -> None:
        super().__init__(f"a latch that is {state.value} cannot take {event.value}")
        self.state = state
        self.event = event


class Latch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One latch. `trip_id`, `reason` and the time belong to the trip that is latched and are empty while armed."""

    state: LatchState = LatchState.ARMED
    trip_id: str = ""
    reason: str = ""
    tripped_time_ms: int = 0
    released_trip_id: str = ""
    """Trip acknowledged last."""

    @property
    def is_latched(self) -> bool:
        """Whether it kills."""
        return self.state is not LatchState.ARMED


def next_state(state: LatchState, event: LatchEvent) -> LatchState:
    """Look the transition up. Raises IllegalLatchEventError."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalLatchEventError(state, event) from None


def trip(latch: Latch, trip_id: str, reason: str, now_ms: int) -> Latch:
    """Latch. A latch that is set already keeps its id, reason and time: the trips are one."""
    state = next_state(latch.state, LatchEvent.TRIP)
    if latch.is_latched:
        return msgspec.structs.replace(latch, state=state)
    return msgspec.structs.replace(latch, state=state, trip_id=trip_id, reason=reason, tripped_time_ms=now_ms)


def verified_empty(latch: Latch) -> Latch:
    """The exchange showed no order of ours after the trip."""
    return msgspec.structs.replace(latch, state=next_state(latch.state, LatchEvent.VERIFIED_EMPTY))


def in_doubt(latch: Latch) -> Latch:
    """The book may not be empty any more; it is to be emptied again."""
    return msgspec.structs.replace(latch, state=next_state(latch.state, LatchEvent.EMPTINESS_IN_DOUBT))


def acknowledge(latch: Latch) -> Latch:
    """Arm again, remembering whose acknowledgement did it."""
    return Latch(state=next_state(latch.state, LatchEvent.ACKNOWLEDGE), released_trip_id=latch.trip_id)
