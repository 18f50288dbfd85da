"""Which evidence ends a doubt about an order.

A doubt ends by a status, by the order being seen in the book, or by one of two proofs that the placement can never
land:

- its nonce was burned: the exchange accepted a noop under it, so it can accept nothing else under it;
- it expired unseen: the exchange did not know it, and its book did not hold it, at times after which it would have
  refused the placement (`expiresAfter`), with a margin for the lag of its answers.

Time alone ends nothing.
"""

from __future__ import annotations

import msgspec

from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import State

GONE_AFTER_MS = 5_000
"""Age of the acknowledgement from which "in no list and unknown" counts for an order that had landed."""


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's answer about one order; `as_of_ms` is a lower bound of the exchange time of the answer."""

    as_of_ms: int
    update: ev.StatusSeen | None = None
    """None when the exchange does not know the order."""


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """Open orders at the exchange by cloid, true at or after `as_of_ms` (exchange time)."""

    as_of_ms: int
    cloids: frozenset[str] = frozenset()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is at hand about one order."""

    status: StatusAnswer | None = None
    book: BookView | None = None
    nonce_burned: bool = False
    fills_read_as_of_ms: int = 0
    """Exchange time up to which all fills of the account were read."""


def _never_landed(order: TrackedOrder, evidence: Evidence) -> str | None:
    if evidence.nonce_burned:
        return f"nonce {order.nonce} burned"
    status, book, expires = evidence.status, evidence.book, order.expires_after_ms
    if status is None or book is None or expires == 0 or order.cloid in book.cloids:
        return None
    if min(status.as_of_ms, book.as_of_ms) <= expires + INDEX_LAG_MS:
        return None
    return f"expired at {expires}, unknown as of {status.as_of_ms}, not in the book as of {book.as_of_ms}"


def _gone(order: TrackedOrder, evidence: Evidence) -> str | None:
    status, book = evidence.status, evidence.book
    if status is None or book is None or order.cloid in book.cloids:
        return None
    since = max(order.ack_time_ms, order.last_status_time_ms) + GONE_AFTER_MS
    if min(status.as_of_ms, book.as_of_ms, evidence.fills_read_as_of_ms) <= since:
        return None
    return (
        f"unknown as of {status.as_of_ms}, not in the book as of {book.as_of_ms},"
        f" fills read up to {evidence.fills_read_as_of_ms}"
    )


def resolve(order: TrackedOrder, evidence: Evidence) -> ev.OrderEvent | None:
    """The event that the evidence amounts to, or None while the doubt remains.

    For orders in any non-terminal state: UNKNOWN ones, cancels without an answer, orders missing from the book.
    """
    if order.is_terminal:
        return None
    if evidence.status is not None and evidence.status.update is not None:
        return evidence.status.update
    if not order.has_landed:
        # Before its answer is lost, a placement is not in doubt: the gateway will still say what became of it.
        proof = None if order.state is State.PENDING else _never_landed(order, evidence)
        return None if proof is None else ev.ProvenAbsent(proof)
    proof = _gone(order, evidence)
    return None if proof is None else ev.ProvenGone(proof)
