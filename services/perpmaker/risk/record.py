"""What must survive: latches and closed markets, as one document that is always written whole.

Because the document exists from the first start on, its absence later is itself a fact: the latch was lost, and a lost
latch is a set latch.
"""

from __future__ import annotations

from typing import Final

import msgspec

from perpmaker.risk import latch as latches
from perpmaker.risk.latch import ACCOUNT, Latch, LatchState

LATCH_LOST: Final = "latch_lost"
"""Reason of the trip that stands for a lost or unreadable record."""


class UnknownTripError(Exception):
    """No latch carries this trip id; `latched` are the ids that could be acknowledged."""

    def __init__(self, trip_id: str, latched: tuple[str, ...]) -> None:
        wanted = ", ".join(latched) or "none"
        super().__init__(f"trip {trip_id!r} is not latched; latched: {wanted}")
        self.trip_id = trip_id
        self.latched = latched


class TripNotExecutedError(Exception):
    """The trip is latched but its book was not yet seen empty, so it cannot be acknowledged."""

    def __init__(self, trip_id: str) -> None:
        super().__init__(f"trip {trip_id!r} is still emptying the book; acknowledge it when it is executed")
        self.trip_id = trip_id


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Latches by scope (a market, or the empty text for the account) and closed markets with their drain ids."""

    version: int = 1
    latches: dict[str, Latch] = {}
    closed: dict[str, str] = {}
    last_rearmed_trip_id: str = ""
    """Trip that was acknowledged last, in any scope."""

    def latch(self, scope: str) -> Latch:
        """Latch of a scope; one that was never tripped is armed."""
        return self.latches.get(scope, Latch())

    def trip_id_for(self, market: str) -> str | None:
        """Trip that kills a market: the account's before its own; None when it may trade."""
        for scope in (ACCOUNT, market):
            if self.latch(scope).is_latched:
                return self.latch(scope).trip_id
        return None

    def latched_scopes(self) -> tuple[str, ...]:
        """Scopes whose latch is set."""
        return tuple(scope for scope, latch in self.latches.items() if latch.is_latched)


class UnreadableRecordError(Exception):
    """The stored document is not one of ours."""


def encode(record: Record) -> bytes:
    """Write as JSON."""
    return msgspec.json.encode(record)


def decode(raw: bytes) -> Record:
    """Read what `encode` wrote. Raises UnreadableRecordError."""
    try:
        record = msgspec.json.decode(raw, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableRecordError(str(error)) from error
    if record.version != 1:
        raise UnreadableRecordError(f"version {record.version} is not known")
    return record


def _with_latch(record: Record, scope: str, latch: Latch) -> Record:
    return msgspec.structs.replace(record, latches={**record.latches, scope: latch})


def trip(record: Record, scope: str, trip_id: str, reason: str, now_ms: int) -> Record:
    """Set a latch; one that is set keeps its id."""
    return _with_latch(record, scope, latches.trip(record.latch(scope), trip_id, reason, now_ms))


def verified_empty(record: Record, trip_id: str) -> Record:
    """Note that the book was seen empty after a trip; a trip no longer latched changes nothing."""
    for scope, latch in record.latches.items():
        if latch.is_latched and latch.trip_id == trip_id:
            return _with_latch(record, scope, latches.verified_empty(latch))
    return record


def in_doubt(record: Record, scope: str) -> Record:
    """Note that a latched scope may hold orders again; an armed one is left alone."""
    latch = record.latch(scope)
    return _with_latch(record, scope, latches.in_doubt(latch)) if latch.is_latched else record


def after_restart(record: Record) -> Record:
    """Nothing is taken as empty that this process has not seen empty."""
    for scope in record.latched_scopes():
        record = in_doubt(record, scope)
    return record


def acknowledge(record: Record, trip_id: str) -> tuple[Record, bool]:
    """Arm the latch that carries this trip. Returns the record and whether this call released it.

    False means that the trip had been acknowledged before. Raises UnknownTripError, TripNotExecutedError.
    """
    for scope, latch in record.latches.items():
        if latch.is_latched and latch.trip_id == trip_id:
            if latch.state is LatchState.TRIPPED:
                raise TripNotExecutedError(trip_id)
            released = _with_latch(record, scope, latches.acknowledge(latch))
            return msgspec.structs.replace(released, last_rearmed_trip_id=trip_id), True
    if trip_id and any(latch.released_trip_id == trip_id for latch in record.latches.values()):
        return record, False
    raise UnknownTripError(trip_id, tuple(record.latch(scope).trip_id for scope in record.latched_scopes()))


def scope_of(record: Record, trip_id: str) -> str | None:
    """Scope in which a trip is latched or was released last."""
    for scope, latch in record.latches.items():
        if trip_id in (latch.trip_id, latch.released_trip_id):
            return scope
    return None


def close(record: Record, market: str, drain_id: str) -> Record:
    """Close a market under a drain id; the newest id stays."""
    return msgspec.structs.replace(record, closed={**record.closed, market: drain_id})


def reopen(record: Record, market: str) -> Record:
    """Open a market; one that is open stays so."""
    return msgspec.structs.replace(record, closed={m: d for m, d in record.closed.items() if m != market})


def merge(stored: Record, in_memory: Record) -> Record:
    """Join what the store held with what was tripped or closed before it could be read: the stricter of each."""
    set_here = {scope: in_memory.latch(scope) for scope in in_memory.latched_scopes()}
    kept = {scope: latch for scope, latch in set_here.items() if not stored.latch(scope).is_latched}
    return Record(
        latches={**stored.latches, **kept},
        closed={**stored.closed, **in_memory.closed},
        last_rearmed_trip_id=stored.last_rearmed_trip_id or in_memory.last_rearmed_trip_id,
    )
