"""What single events make of an order."""

from __future__ import annotations

import pytest
from tests.support.order_state import T0, e8, order, resting

from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.orders import LATE_FILL_MS, TIF_IOC, TrackedOrder, apply
from perpmaker.order_state.core.transitions import IllegalTransitionError, State, Trigger


def after(tracked: TrackedOrder, *events: ev.OrderEvent, now_ms: int = T0 + 10) -> TrackedOrder:
    for event in events:
        applied = apply(tracked, event, now_ms)
        tracked = tracked if applied is None else applied.order
    return tracked


def executed(sz: str, tid: int = 1, px: str = "100", oid: int = 77) -> ev.Executed:
    return ev.Executed(oid, tid, e8(px), e8(sz))


def status(word: str, *, remaining: str = "0", at: int = T0 + 5, oid: int = 77, orig: str = "1") -> ev.StatusSeen:
    return ev.StatusSeen(word, oid, e8(remaining), e8(orig), at, "stream")


def test_an_answer_resting_puts_the_order_in_the_book():
    assert after(order(), ev.AckResting(77)).state is State.RESTING


def test_an_immediate_partial_execution_leaves_the_remainder_live():
    got = after(order(), ev.AckFilled(77, e8("0.6")))
    assert (got.state, got.filled_e8, got.expected_fill_e8) == (State.PARTIALLY_FILLED, 0, e8("0.6"))
    assert got.possible_fill_e8(T0) == e8("1")


def test_an_immediate_full_execution_counts_as_possible_until_its_trade_ids_arrive():
    got = after(order(), ev.AckFilled(77, e8("1")))
    assert (got.state, got.possible_fill_e8(T0)) == (State.FILLED, e8("1"))
    assert after(got, executed("1")).possible_fill_e8(T0) == 0


def test_the_rest_of_an_immediate_or_cancel_order_is_over():
    got = after(order(time_in_force=TIF_IOC), ev.AckFilled(77, e8("0.4")))
    assert (got.state, got.possible_fill_e8(T0)) == (State.CANCELLED, e8("0.4"))


def test_a_fill_before_its_answer_is_attributed_and_the_answer_adds_nothing():
    got = after(order(), executed("0.6"), ev.AckFilled(77, e8("0.6")))
    assert (got.state, got.filled_e8, got.expected_fill_e8) == (State.PARTIALLY_FILLED, e8("0.6"), 0)


def test_the_same_answer_twice_is_one_expectation():
    got = after(order(), ev.AckFilled(77, e8("0.6")), ev.AckFilled(77, e8("0.6")))
    assert got.expected_fill_e8 == e8("0.6")


def test_a_lost_outcome_makes_an_order_unknown_with_its_whole_exposure():
    got = after(order(), ev.OutcomeLost("timeout"))
    assert (got.state, got.possible_fill_e8(T0 + 10**9)) == (State.UNKNOWN, e8("1"))


def test_a_lost_outcome_says_nothing_about_an_order_already_seen():
    assert apply(resting(), ev.OutcomeLost("timeout"), T0) is None


def test_a_late_answer_ends_the_doubt():
    assert after(order(), ev.OutcomeLost("timeout"), ev.AckResting(77)).state is State.RESTING


def test_a_cancel_asked_while_in_doubt_is_due_as_soon_as_the_order_shows():
    got = after(order(), ev.OutcomeLost("timeout"), ev.CancelSent("plan"), status("open", remaining="1"))
    assert (got.state, got.cancel_sent_ms) == (State.CANCEL_PENDING, 0)


def test_an_older_status_never_moves_an_order_back():
    got = after(resting(), status("canceled", remaining="1", at=T0 + 50))
    assert apply(got, status("open", remaining="1", at=T0 + 40), T0) is None


def test_an_open_update_does_not_resurrect_a_cancelled_order():
    got = after(resting(), status("canceled", remaining="1", at=T0 + 50), status("open", remaining="1", at=T0 + 60))
    assert got.state is State.CANCELLED


def test_a_cancelled_order_keeps_its_size_possible_until_the_late_window_closes():
    got = after(resting(), ev.CancelSent("plan"), ev.CancelConfirmed("answer"), now_ms=T0)
    assert got.possible_fill_e8(T0 + LATE_FILL_MS - 1) == e8("1")
    assert got.possible_fill_e8(T0 + LATE_FILL_MS) == 0


def test_the_remainder_told_with_a_cancel_says_exactly_what_is_still_to_come():
    got = after(resting(), status("canceled", remaining="0.7"))
    assert (got.state, got.possible_fill_e8(T0)) == (State.CANCELLED, e8("0.3"))


def test_a_filled_status_with_a_remainder_is_a_cancel_of_the_remainder():
    got = after(order(time_in_force=TIF_IOC), status("filled", remaining="0.6"))
    assert (got.state, got.expected_fill_e8) == (State.CANCELLED, e8("0.4"))


def test_a_filled_status_is_confirmed_by_trade_ids_without_counting_twice():
    got = after(resting(), status("filled"), executed("0.5", 1), executed("0.5", 2))
    assert (got.state, got.filled_e8, got.expected_fill_e8) == (State.FILLED, e8("1"), 0)


def test_a_late_fill_lands_on_a_cancelled_order():
    got = after(resting(), ev.CancelConfirmed("answer"), executed("0.3"))
    assert (got.state, got.filled_e8) == (State.CANCELLED, e8("0.3"))


def test_a_fill_on_an_order_proven_absent_is_a_contradiction_and_is_counted():
    gone = after(order(), ev.OutcomeLost("timeout"), ev.ProvenAbsent("expired"))
    applied = apply(gone, executed("1"), T0)
    assert applied is not None
    assert applied.steps[0].is_contradiction
    assert (applied.order.state, applied.order.filled_e8) == (State.NEVER_LANDED, e8("1"))


def test_an_order_that_landed_cannot_be_proven_absent():
    with pytest.raises(IllegalTransitionError):
        apply(resting(), ev.ProvenAbsent("expired"), T0)


def test_a_refused_replacement_gives_the_old_order_back():
    got = after(resting(), ev.CancelSent("replace", replaced_by="0x2"), ev.CancelReverted("tick"))
    assert (got.state, got.replaced_by) == (State.RESTING, "")


def test_a_refused_replacement_of_a_partly_filled_order_gives_it_back_partly_filled():
    got = after(resting(), executed("0.2"), ev.CancelSent("replace", replaced_by="0x2"), ev.CancelReverted("tick"))
    assert got.state is State.PARTIALLY_FILLED


def test_a_refused_replacement_does_not_undo_a_cancel_asked_meanwhile():
    got = after(
        resting(), ev.CancelSent("replace", replaced_by="0x2"), ev.CancelSent("plan"), ev.CancelReverted("tick")
    )
    assert got.state is State.CANCEL_PENDING


def test_an_unknown_status_word_changes_nothing():
    assert apply(resting(), status("somethingNew"), T0) is None


def test_a_status_of_tomorrow_with_a_known_ending_is_understood():
    assert after(resting(), status("lunarEclipseCanceled", remaining="1")).state is State.CANCELLED
    assert after(order(), status("lunarEclipseRejected", remaining="1")).state is State.REJECTED


def test_the_original_size_is_never_overwritten_by_a_remainder():
    got = after(resting(), status("open", remaining="0.4"), ev.SeenInBook(77, e8("0.4"), T0 + 9))
    assert (got.sz_e8, got.filled_e8, got.expected_fill_e8) == (e8("1"), 0, e8("0.6"))


def test_a_trimmed_reduce_only_order_is_not_taken_for_an_executed_one():
    assert after(resting(reduce_only=True), status("canceled", remaining="0.4")).expected_fill_e8 == 0


def test_being_in_the_book_says_nothing_new_about_an_order_that_is_over():
    assert apply(after(resting(), status("filled")), ev.SeenInBook(77, e8("1"), T0), T0) is None


def test_a_lapsed_expectation_frees_the_exposure():
    got = after(order(), ev.AckFilled(77, e8("1")), ev.ExpectationLapsed("fills read"))
    assert got.possible_fill_e8(T0) == 0


def test_proof_of_a_send_keeps_the_bound_of_the_intent_when_the_action_has_no_expiry():
    got = after(order(expires_after_ms=T0 + 9), ev.Dispatched(5, 0))
    assert (got.nonce, got.expires_after_ms) == (5, T0 + 9)


def test_average_price_is_the_real_one():
    got = after(resting(), executed("0.25", 1, "100"), executed("0.75", 2, "104"))
    assert got.average_px_e8 == e8("103")
    assert resting().average_px_e8 == e8("100")


def test_every_change_counts_one_version_and_says_what_it_was():
    applied = apply(order(), ev.AckResting(77), T0)
    assert applied is not None
    assert (applied.order.version, applied.steps[0].trigger) == (2, Trigger.ACK_RESTING)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (ev.Refused("margin", "Insufficient margin"), State.REJECTED),
        (ev.NotSent("budget"), State.NEVER_LANDED),
        (ev.CancelConfirmed("answer"), State.CANCELLED),
    ],
)
def test_a_doubt_ends_with_a_late_outcome(event, state):
    assert after(order(), ev.OutcomeLost("timeout"), event).state is state


def test_a_lost_cancel_is_due_at_once():
    assert after(resting(), ev.CancelSent("plan"), ev.CancelDue()).cancel_sent_ms == 0


def test_an_order_gone_from_the_book_without_a_word_ends_cancelled():
    got = after(resting(), ev.ProvenGone("unknown, not in the book"))
    assert (got.state, got.possible_fill_e8(T0)) == (State.CANCELLED, 0)


def test_what_is_cut_off_a_reduce_only_order_no_longer_counts():
    cut = after(resting(reduce_only=True), ev.SizeSeen(e8("0.4"), T0 + 9))
    assert (cut.sz_e8, cut.remaining_e8, cut.expected_fill_e8) == (e8("1"), e8("0.4"), 0)
    again = after(cut, ev.SizeSeen(e8("0.9"), T0 + 10))
    assert again.remaining_e8 == e8("0.9")


def test_what_a_list_leaves_of_any_other_order_is_no_cut():
    assert apply(resting(), ev.SizeSeen(e8("0.4"), T0 + 9), T0) is None
