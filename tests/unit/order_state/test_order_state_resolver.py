"""When a cancel is sent again, and when its order is asked about."""

from __future__ import annotations

import pytest
from tests.support.order_state import T0, order, resting

from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.resolver import (
    CANCEL_AGAIN_MS,
    CANCEL_ASK_MS,
    REPLACED_CANCEL_MS,
    cancel_is_due,
    needs_asking,
)

CANCELLING = resting(1, state=State.CANCEL_PENDING, cancel_requested=True, cancel_sent_ms=T0)
REPLACED = resting(1, state=State.CANCEL_PENDING, replaced_by="0x2", cancel_sent_ms=T0)


def test_a_cancel_is_due_again_after_a_second():
    assert not cancel_is_due(CANCELLING, None, T0 + CANCEL_AGAIN_MS - 1)
    assert cancel_is_due(CANCELLING, None, T0 + CANCEL_AGAIN_MS)


@pytest.mark.parametrize("state", [State.PENDING, State.UNKNOWN])
def test_an_order_being_replaced_is_not_cancelled_while_the_replacement_may_still_work(state):
    replacement = order(2, state=state)
    assert not cancel_is_due(REPLACED, replacement, T0 + REPLACED_CANCEL_MS - 1)
    assert cancel_is_due(REPLACED, replacement, T0 + REPLACED_CANCEL_MS)


@pytest.mark.parametrize("state", [State.REJECTED, State.NEVER_LANDED])
def test_an_order_whose_replacement_never_lived_is_cancelled_at_once(state):
    assert cancel_is_due(REPLACED, order(2, state=state), T0)


def test_an_order_whose_replacement_is_forgotten_is_cancelled_like_any_other():
    assert cancel_is_due(REPLACED, None, T0 + CANCEL_AGAIN_MS)


def test_a_cancelling_order_is_asked_about_when_nothing_is_heard_of_it():
    assert not needs_asking(CANCELLING, None, T0 + CANCEL_ASK_MS - 1)
    assert needs_asking(CANCELLING, None, T0 + CANCEL_ASK_MS)


def test_an_order_whose_replacement_awaits_its_answer_is_not_asked_about_yet():
    assert not needs_asking(REPLACED, order(2), T0 + CANCEL_ASK_MS)
    assert needs_asking(REPLACED, resting(2), T0 + CANCEL_ASK_MS)
