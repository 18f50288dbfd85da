"""The life of an order as a table: (state, trigger) gives the next state, a pair not in the table raises.

What the table guarantees: an order whose outcome was lost leaves UNKNOWN only by a trigger that carries evidence of the
exchange (there is no timeout trigger); terminal states absorb; a partial fill while a cancel is under way does not end
the cancel; only an order that was never seen at the exchange can be proven absent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class State(enum.IntEnum):
    """States of an order; the numbers are those of `OrderState` in the contract."""

    PENDING = 1
    RESTING = 2
    PARTIALLY_FILLED = 3
    CANCEL_PENDING = 4
    UNKNOWN = 5
    FILLED = 6
    CANCELLED = 7
    REJECTED = 8
    NEVER_LANDED = 9


TERMINAL = frozenset({State.FILLED, State.CANCELLED, State.REJECTED, State.NEVER_LANDED})
ACTIVE = frozenset({State.RESTING, State.PARTIALLY_FILLED})
"""States of an order known to be in the book with no cancel under way."""


class Trigger(enum.Enum):
    """What can happen to an order; values are the words of the journal."""

    ACK_RESTING = "ack_resting"
    ACK_FILLED_PART = "ack_filled_part"
    ACK_FILLED_ALL = "ack_filled_all"
    ACK_FILLED_IOC = "ack_filled_ioc"
    """Executed in part at once; the remainder is gone by its time in force."""
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    """The gateway proves that the action never left."""
    OUTCOME_LOST = "outcome_lost"
    """The placement may or may not have landed."""
    CANCEL_SENT = "cancel_sent"
    CANCEL_CONFIRMED = "cancel_confirmed"
    REVERTED_UNFILLED = "cancel_reverted_unfilled"
    """A replacement was refused and the old order, without fills, lives on."""
    REVERTED_PARTIAL = "cancel_reverted_partial"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"
    SEEN_OPEN = "seen_open"
    SEEN_FILLED = "seen_filled"
    SEEN_CANCELLED = "seen_cancelled"
    SEEN_REJECTED = "seen_rejected"
    PROVEN_ABSENT = "proven_absent"
    """It never landed and never can."""
    PROVEN_GONE = "proven_gone"
    """It was in the book and is not any more, without a status to say why."""


class IllegalTransitionError(Exception):
    """A trigger that cannot happen in a state: a defect here or a contradiction of the exchange."""

    def __init__(self, state: State, trigger: Trigger) -> None:
        super().__init__(f"{trigger.value} is not possible in state {state.name}")
        self.state = state
        self.trigger = trigger


_S = State
_T = Trigger

_PENDING = {
    _T.ACK_RESTING: _S.RESTING,
    _T.ACK_FILLED_PART: _S.PARTIALLY_FILLED,
    _T.ACK_FILLED_ALL: _S.FILLED,
    _T.ACK_FILLED_IOC: _S.CANCELLED,
    _T.REFUSED: _S.REJECTED,
    _T.NOT_SENT: _S.NEVER_LANDED,
    _T.OUTCOME_LOST: _S.UNKNOWN,
    _T.CANCEL_SENT: _S.CANCEL_PENDING,
    _T.CANCEL_CONFIRMED: _S.CANCELLED,
    _T.FILL_PART: _S.PARTIALLY_FILLED,
    _T.FILL_ALL: _S.FILLED,
    _T.SEEN_OPEN: _S.RESTING,
    _T.SEEN_FILLED: _S.FILLED,
    _T.SEEN_CANCELLED: _S.CANCELLED,
    _T.SEEN_REJECTED: _S.REJECTED,
    _T.PROVEN_ABSENT: _S.NEVER_LANDED,
}

# A cancel of an order in doubt changes nothing about the doubt: it stays UNKNOWN and remembers the request.
_UNKNOWN = {**_PENDING, _T.CANCEL_SENT: _S.UNKNOWN}

_RESTING = {
    _T.ACK_RESTING: _S.RESTING,
    _T.ACK_FILLED_PART: _S.PARTIALLY_FILLED,
    _T.ACK_FILLED_ALL: _S.FILLED,
    _T.ACK_FILLED_IOC: _S.CANCELLED,
    _T.OUTCOME_LOST: _S.RESTING,
    _T.CANCEL_SENT: _S.CANCEL_PENDING,
    _T.CANCEL_CONFIRMED: _S.CANCELLED,
    _T.FILL_PART: _S.PARTIALLY_FILLED,
    _T.FILL_ALL: _S.FILLED,
    _T.SEEN_OPEN: _S.RESTING,
    _T.SEEN_FILLED: _S.FILLED,
    _T.SEEN_CANCELLED: _S.CANCELLED,
    # It was live, so a later "rejected" can only mean that the exchange took it out.
    _T.SEEN_REJECTED: _S.CANCELLED,
    _T.PROVEN_GONE: _S.CANCELLED,
}

_PARTIALLY_FILLED = {
    **_RESTING,
    _T.ACK_RESTING: _S.PARTIALLY_FILLED,
    _T.OUTCOME_LOST: _S.PARTIALLY_FILLED,
    _T.SEEN_OPEN: _S.PARTIALLY_FILLED,
}

_CANCEL_PENDING = {
    **_PENDING,
    _T.ACK_RESTING: _S.CANCEL_PENDING,
    _T.ACK_FILLED_PART: _S.CANCEL_PENDING,
    _T.CANCEL_SENT: _S.CANCEL_PENDING,
    _T.REVERTED_UNFILLED: _S.RESTING,
    _T.REVERTED_PARTIAL: _S.PARTIALLY_FILLED,
    _T.FILL_PART: _S.CANCEL_PENDING,
    _T.SEEN_OPEN: _S.CANCEL_PENDING,
    _T.PROVEN_GONE: _S.CANCELLED,
}


def _absorbing(state: State) -> dict[Trigger, State]:
    return {trigger: state for trigger in Trigger if trigger is not Trigger.CANCEL_SENT}


_ROWS: dict[State, dict[Trigger, State]] = {
    _S.PENDING: _PENDING,
    _S.RESTING: _RESTING,
    _S.PARTIALLY_FILLED: _PARTIALLY_FILLED,
    _S.CANCEL_PENDING: _CANCEL_PENDING,
    _S.UNKNOWN: _UNKNOWN,
    **{state: _absorbing(state) for state in TERMINAL},
}

TABLE: Mapping[tuple[State, Trigger], State] = MappingProxyType(
    {(state, trigger): after for state, row in _ROWS.items() for trigger, after in row.items()}
)

CONTRADICTIONS = frozenset(
    (state, trigger)
    for state in (State.REJECTED, State.NEVER_LANDED)
    for trigger in (
        Trigger.ACK_RESTING,
        Trigger.ACK_FILLED_PART,
        Trigger.ACK_FILLED_ALL,
        Trigger.ACK_FILLED_IOC,
        Trigger.CANCEL_CONFIRMED,
        Trigger.FILL_PART,
        Trigger.FILL_ALL,
        Trigger.SEEN_OPEN,
        Trigger.SEEN_FILLED,
        Trigger.SEEN_CANCELLED,
    )
)
"""Absorbed pairs in which the exchange speaks of an order that was believed never to have lived: always an alarm."""


def next_state(state: State, trigger: Trigger) -> State:
    """State after a trigger. Raises IllegalTransitionError for a pair that is not in the table."""
    try:
        return TABLE[state, trigger]
    except KeyError:
        raise IllegalTransitionError(state, trigger) from None
