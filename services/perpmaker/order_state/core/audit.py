"""Difference between our open orders and the exchange's, by class.

Absent is not cancelled: an order missing from a list is a question to ask, never a removal. A list says nothing about
an order that changed within the grace before it was true. Orders without a client id of ours are foreign: not looked
at.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import msgspec

from perpmaker.common import cloid as cloids
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import ACTIVE, State


class Mismatch(enum.Enum):
    """Classes of difference; values are metric labels."""

    ORPHAN = "orphan"
    """In the exchange's book with our tag, without a record here."""
    ENDED_BUT_OPEN = "ended_but_open"
    """Over by our record, in the exchange's book."""
    MISSING = "missing"
    """Live by our record, not in the exchange's book."""
    PRICE = "price"
    SIZE = "size"


class BookOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order in the exchange's list; sizes and prices in 1e-8, times in exchange ms."""

    market: str
    oid: int
    cloid: str
    is_buy: bool
    px_e8: int
    remaining_e8: int
    orig_sz_e8: int
    placed_time_ms: int
    reduce_only: bool = False


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All open orders of the account, true at or after `as_of_ms`."""

    as_of_ms: int
    orders: tuple[BookOrder, ...] = ()
    queried: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference."""

    kind: Mismatch
    market: str
    cloid: str
    seen: BookOrder | None = None
    detail: str = ""


def is_ours(cloid: str, tags: Mapping[int, str]) -> bool:
    """Whether a client order id carries one of our tags."""
    decoded = cloids.decode(cloid) if cloid else None
    return decoded is not None and decoded.tag in tags


def diff(
    local: Mapping[str, TrackedOrder],
    snapshot: Snapshot,
    tags: Mapping[int, str],
    *,
    grace_ms: int,
    orphan_grace_ms: int,
) -> tuple[Finding, ...]:
    """Compare; `tags` maps our tags to their markets."""
    seen = {order.cloid: order for order in snapshot.orders if is_ours(order.cloid, tags)}
    return (
        *_only_there(local, seen.values(), snapshot, tags, grace_ms, orphan_grace_ms),
        *_here(local.values(), seen, snapshot, grace_ms),
    )


def _only_there(
    local: Mapping[str, TrackedOrder],
    seen: Iterable[BookOrder],
    snapshot: Snapshot,
    tags: Mapping[int, str],
    grace_ms: int,
    orphan_grace_ms: int,
) -> Iterable[Finding]:
    for order in seen:
        ours = local.get(order.cloid)
        decoded = cloids.decode(order.cloid)
        assert decoded is not None  # noqa: S101 - the caller filtered by it
        if ours is None:
            if snapshot.as_of_ms - order.placed_time_ms > orphan_grace_ms:
                yield Finding(
                    kind=Mismatch.ORPHAN,
                    market=tags[decoded.tag],
                    cloid=order.cloid,
                    seen=order,
                    detail=f"oid {order.oid}, placed {order.placed_time_ms}",
                )
        elif ours.is_terminal and snapshot.as_of_ms - ours.state_time_ms > grace_ms:
            yield Finding(
                kind=Mismatch.ENDED_BUT_OPEN,
                market=ours.market,
                cloid=order.cloid,
                seen=order,
                detail=f"{ours.state.name} since {ours.state_time_ms}",
            )


def _here(
    local: Iterable[TrackedOrder], seen: Mapping[str, BookOrder], snapshot: Snapshot, grace_ms: int
) -> Iterable[Finding]:
    for order in local:
        if order.is_terminal or not order.has_landed:
            continue
        settled_ms = max(order.state_time_ms, order.ack_time_ms, order.last_status_time_ms)
        if snapshot.as_of_ms - settled_ms <= grace_ms:
            continue
        there = seen.get(order.cloid)
        if there is None:
            if order.state in ACTIVE or order.state is State.CANCEL_PENDING:
                yield Finding(kind=Mismatch.MISSING, market=order.market, cloid=order.cloid, detail=order.state.name)
            continue
        if there.px_e8 != order.px_e8:
            detail = f"{there.px_e8} there, {order.px_e8} here"
            yield Finding(kind=Mismatch.PRICE, market=order.market, cloid=order.cloid, seen=there, detail=detail)
        if there.remaining_e8 != order.remaining_e8:
            detail = f"{there.remaining_e8} there, {order.remaining_e8} here"
            yield Finding(kind=Mismatch.SIZE, market=order.market, cloid=order.cloid, seen=there, detail=detail)
