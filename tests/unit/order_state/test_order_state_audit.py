"""Differences by class, and what a list cannot tell."""

from __future__ import annotations

from tests.support.order_state import MARKET, T0, TAG, cloid, e8, order, resting

from perpmaker.order_state.core.audit import BookOrder, Finding, Mismatch, Snapshot, diff, is_ours
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import State

LATER = T0 + 10_000


def there(
    sequence: int, *, px: str = "100", remaining: str = "1", placed: int = T0, cloid_: str | None = None
) -> BookOrder:
    return BookOrder(
        market=MARKET,
        oid=1000 + sequence,
        cloid=cloid(sequence) if cloid_ is None else cloid_,
        is_buy=True,
        px_e8=e8(px),
        remaining_e8=e8(remaining),
        orig_sz_e8=e8("1"),
        placed_time_ms=placed,
    )


def findings(local: list[TrackedOrder], *orders: BookOrder, as_of: int = LATER) -> list[Finding]:
    snapshot = Snapshot(as_of_ms=as_of, orders=orders)
    tracked = {o.cloid: o for o in local}
    return list(diff(tracked, snapshot, {TAG: MARKET}, grace_ms=2_000, orphan_grace_ms=5_000))


def kinds(local: list[TrackedOrder], *orders: BookOrder, as_of: int = LATER) -> list[Mismatch]:
    return [finding.kind for finding in findings(local, *orders, as_of=as_of)]


def test_equal_books_have_no_difference():
    assert kinds([resting(1), resting(2)], there(1), there(2)) == []


def test_an_order_missing_there_is_found_only_after_the_grace():
    assert kinds([resting(1)], as_of=T0 + 2_000) == []
    assert kinds([resting(1)], as_of=T0 + 2_001) == [Mismatch.MISSING]


def test_the_grace_counts_from_the_acknowledgement():
    assert kinds([resting(1, ack_time_ms=T0 + 9_000)]) == []


def test_orders_in_doubt_or_without_answer_are_not_missed():
    assert kinds([order(1), order(2, state=State.UNKNOWN)]) == []


def test_a_cancelling_order_that_is_gone_is_asked_about():
    assert kinds([resting(1, state=State.CANCEL_PENDING)]) == [Mismatch.MISSING]


def test_an_order_of_ours_without_a_record_is_an_orphan_after_its_grace():
    assert kinds([], there(1), as_of=T0 + 5_000) == []
    found = findings([], there(1), as_of=T0 + 5_001)
    assert [(f.kind, f.market, f.cloid) for f in found] == [(Mismatch.ORPHAN, MARKET, cloid(1))]


def test_an_order_believed_over_but_in_the_book_is_found():
    assert kinds([resting(1, state=State.CANCELLED)], there(1)) == [Mismatch.ENDED_BUT_OPEN]
    assert kinds([resting(1, state=State.CANCELLED, state_time_ms=LATER - 1_000)], there(1)) == []


def test_price_and_size_differences_are_told_apart():
    assert kinds([resting(1)], there(1, px="101", remaining="0.5")) == [Mismatch.PRICE, Mismatch.SIZE]


def test_foreign_orders_are_never_looked_at():
    """I13."""
    foreign = cloid(1, market="ETH")
    assert kinds([], there(1, cloid_=""), there(2, cloid_="0x" + "00" * 16), there(3, cloid_=foreign)) == []
    assert not is_ours(foreign, {TAG: MARKET})
