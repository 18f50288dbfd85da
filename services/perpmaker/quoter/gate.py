"""Whether quoting goes on, is held, or is pulled; the first thing decided in every cycle.

Guarantees: without a valid permission, a live feed, the session, or a known set of orders, nothing new is
proposed; with market data too old, permission gone for good, a kill, a closed or delisted market, a drain
or a mode that sends nothing, everything is taken out of the book. Nothing here ever stops a cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from perpmaker.quoter.settings import Settings, sends_orders
from perpmaker.quoter.values import BookView, Permission

PERMISSION_TTL_NS = 2_000_000_000
"""Longest life of a permission from receipt, whatever it says itself."""
PERMISSION_PATIENCE_NS = 5_000_000_000
"""Time without a permission after which the book is emptied."""


class Verdict(IntEnum):
    """What may be sent; the greater wins."""

    QUOTE = 0
    HOLD = 1
    """Cancels only."""
    PULL = 2
    """Cancel everything."""
    SILENT = 3
    """Nothing can or may be sent: the session is somebody else's, or order-state cannot be reached."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdict and every reason against quoting, as short stable words."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gate looks at; all by value, with the time it is looked at."""

    now_ns: int
    now_ms: int
    started_ns: int
    book: BookView | None
    permission: Permission | None
    feed_live: bool
    orders_known: bool
    """The order stream is connected and its snapshot was taken."""
    held: bool
    """Order-state holds this market."""
    connected: bool
    """The plan stream is up and a session was acquired."""
    fenced: bool
    """A newer session exists: this quoter has been replaced."""
    draining: bool
    delisted: bool = False
    """The exchange trades this market no longer."""


def is_valid(permission: Permission | None, now_ns: int, now_ms: int) -> bool:
    """Whether a permission still says anything."""
    return (
        permission is not None
        and now_ms <= permission.valid_until_ms
        and now_ns - permission.received_ns <= PERMISSION_TTL_NS
    )


def judge(standing: Standing, settings: Settings) -> Gate:
    """Collect every reason; the gravest decides."""
    found: list[tuple[Verdict, str]] = []
    permission = standing.permission
    if standing.fenced:
        found.append((Verdict.SILENT, "fenced"))
    if not standing.connected:
        found.append((Verdict.SILENT, "order_state_down"))
    if standing.delisted:
        found.append((Verdict.PULL, "delisted"))
    if standing.draining:
        found.append((Verdict.PULL, "draining"))
    if not sends_orders(settings.mode):
        found.append((Verdict.PULL, f"mode_{settings.mode.value.lower()}"))
    if not is_valid(permission, standing.now_ns, standing.now_ms):
        since_ns = permission.received_ns if permission is not None else standing.started_ns
        is_final = standing.now_ns - since_ns >= PERMISSION_PATIENCE_NS
        found.append((Verdict.PULL if is_final else Verdict.HOLD, "no_permission"))
    if permission is not None and permission.killed:
        found.append((Verdict.PULL, "killed"))
    if permission is not None and permission.closed:
        found.append((Verdict.PULL, "closed"))
    seen_ns = standing.book.received_ns if standing.book is not None else standing.started_ns
    if standing.now_ns - seen_ns > settings.max_market_data_age_ns:
        found.append((Verdict.PULL, "stale_market_data"))
    elif standing.book is None:
        found.append((Verdict.HOLD, "no_market_data"))
    if not standing.feed_live:
        found.append((Verdict.HOLD, "feed_down"))
    if not standing.orders_known:
        found.append((Verdict.HOLD, "orders_unknown"))
    if standing.held:
        found.append((Verdict.HOLD, "held"))
    verdict = max((verdict for verdict, _ in found), default=Verdict.QUOTE)
    return Gate(verdict, tuple(reason for _, reason in found))
