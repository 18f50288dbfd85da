"""The table of an order's life, row by row where a mistake would cost money."""

from __future__ import annotations

import pytest

from perpmaker.order_state.core.plan import Verdict
from perpmaker.order_state.core.transitions import TABLE, TERMINAL, IllegalTransitionError, State, Trigger, next_state
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2


def test_states_and_verdicts_carry_the_numbers_of_the_contract():
    assert {f"ORDER_STATE_{s.name}": s.value for s in State} | {"ORDER_STATE_UNSPECIFIED": 0} == dict(
        common_pb2.OrderState.items()
    )
    assert {f"VERDICT_{v.name}": v.value for v in Verdict} | {"VERDICT_UNSPECIFIED": 0} == dict(
        orderstate_pb2.Verdict.items()
    )


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_terminal_states_absorb_everything_and_refuse_cancels(state):
    for trigger in set(Trigger) - {Trigger.CANCEL_SENT}:
        assert next_state(state, trigger) is state
    with pytest.raises(IllegalTransitionError):
        next_state(state, Trigger.CANCEL_SENT)


def test_unknown_is_left_only_with_evidence_of_the_exchange_or_of_the_gateway():
    keeping = {t for t in Trigger if TABLE.get((State.UNKNOWN, t)) is State.UNKNOWN}
    assert keeping == {Trigger.OUTCOME_LOST, Trigger.CANCEL_SENT}


def test_a_partial_fill_while_cancelling_does_not_end_the_cancel():
    assert next_state(State.CANCEL_PENDING, Trigger.FILL_PART) is State.CANCEL_PENDING


@pytest.mark.parametrize("state", [State.RESTING, State.PARTIALLY_FILLED])
def test_an_order_that_was_in_the_book_cannot_be_proven_absent(state):
    with pytest.raises(IllegalTransitionError) as caught:
        next_state(state, Trigger.PROVEN_ABSENT)
    assert (caught.value.state, caught.value.trigger) == (state, Trigger.PROVEN_ABSENT)


@pytest.mark.parametrize("state", [State.RESTING, State.PARTIALLY_FILLED])
def test_a_lost_answer_does_not_cast_doubt_on_an_order_seen_in_the_book(state):
    assert next_state(state, Trigger.OUTCOME_LOST) is state
