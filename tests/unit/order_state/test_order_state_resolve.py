"""Which evidence ends a doubt, and which does not."""

from __future__ import annotations

import pytest
from tests.support.order_state import T0, cloid, e8, order, resting

from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.resolve import GONE_AFTER_MS, BookView, Evidence, StatusAnswer, resolve
from perpmaker.order_state.core.transitions import State

EXPIRES = T0 + 5_000
DOUBTFUL = order(1, state=State.UNKNOWN, expires_after_ms=EXPIRES, nonce=T0)


def unknown(as_of_ms: int) -> StatusAnswer:
    return StatusAnswer(as_of_ms=as_of_ms)


def book(as_of_ms: int, *cloids: str) -> BookView:
    return BookView(as_of_ms=as_of_ms, cloids=frozenset(cloids))


def test_a_status_found_is_that_status():
    seen = ev.StatusSeen("open", 7, e8("1"), e8("1"), T0, "query")
    assert resolve(DOUBTFUL, Evidence(status=StatusAnswer(as_of_ms=T0, update=seen))) is seen


def test_unknown_to_the_exchange_long_after_expiry_and_not_in_its_book_is_proof():
    evidence = Evidence(status=unknown(EXPIRES + INDEX_LAG_MS + 1), book=book(EXPIRES + INDEX_LAG_MS + 1))
    assert isinstance(resolve(DOUBTFUL, evidence), ev.ProvenAbsent)


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(),
        Evidence(status=unknown(EXPIRES + 10**9)),
        Evidence(book=book(EXPIRES + 10**9)),
        Evidence(status=unknown(EXPIRES + INDEX_LAG_MS), book=book(EXPIRES + 10**9)),
        Evidence(status=unknown(EXPIRES + 10**9), book=book(EXPIRES + INDEX_LAG_MS)),
        Evidence(status=unknown(EXPIRES + 10**9), book=book(EXPIRES + 10**9, cloid(1))),
    ],
)
def test_anything_less_is_no_proof(evidence):
    assert resolve(DOUBTFUL, evidence) is None


def test_without_an_expiry_absence_proves_nothing_for_ever():
    forever = order(1, state=State.UNKNOWN)
    assert resolve(forever, Evidence(status=unknown(T0 + 10**12), book=book(T0 + 10**12))) is None


def test_a_burned_nonce_is_proof_at_once():
    assert isinstance(resolve(DOUBTFUL, Evidence(nonce_burned=True)), ev.ProvenAbsent)


def test_a_placement_still_awaiting_its_answer_is_not_judged():
    waiting = order(1, expires_after_ms=EXPIRES)
    assert resolve(waiting, Evidence(status=unknown(T0 + 10**9), book=book(T0 + 10**9))) is None


def test_an_order_that_was_in_the_book_is_gone_only_when_nothing_shows_it_and_all_fills_were_read():
    landed, late = resting(1, state=State.CANCEL_PENDING), T0 + GONE_AFTER_MS + 1
    full = Evidence(status=unknown(late), book=book(late), fills_read_as_of_ms=late)
    assert isinstance(resolve(landed, full), ev.ProvenGone)
    assert resolve(landed, Evidence(status=unknown(late), book=book(late))) is None
    assert resolve(landed, Evidence(status=unknown(late), book=book(late, cloid(1)), fills_read_as_of_ms=late)) is None
    assert resolve(landed, Evidence(book=book(late), fills_read_as_of_ms=late)) is None


def test_a_burned_nonce_says_nothing_about_an_order_that_was_seen():
    assert resolve(resting(1), Evidence(nonce_burned=True)) is None


def test_an_order_that_is_over_has_nothing_to_resolve():
    over = order(1, state=State.FILLED)
    assert resolve(over, Evidence(nonce_burned=True)) is None
