"""What goes into one write and what comes out of a replay; encoded as JSON for people who look."""

from __future__ import annotations

import msgspec

from perpmaker.order_state.core.ledger import Entry, FillEntry, ForgottenEntry, FundingEntry, OpeningEntry
from perpmaker.order_state.core.orders import TrackedOrder


class JournalLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One transition of one order; states by number, 0 for none."""

    market: str
    cloid: str
    time_ms: int
    before: int
    after: int
    event: str
    evidence: str = ""
    oid: int = 0
    id: str = ""
    """Id in the stream; set when read."""


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one decision or one batch of events changes.

    `orders` are pairs of the new record and the version it replaces (0: new). `fence` is the market and epoch that must
    be the newest session. `totals` are absolute values, so that a repeated write counts nothing twice.
    """

    orders: tuple[tuple[TrackedOrder, int], ...] = ()
    journal: tuple[JournalLine, ...] = ()
    entries: tuple[Entry, ...] = ()
    totals: tuple[tuple[str, int], ...] = ()
    nonce: int = 0
    fence: tuple[str, int] | None = None
    force: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.orders or self.journal or self.entries or self.totals or self.nonce)


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """All that survived."""

    orders: tuple[TrackedOrder, ...]
    entries: tuple[Entry, ...]
    epochs: dict[str, int]
    totals: dict[str, int]
    highest_nonce: int


_encode = msgspec.json.encode
_order = msgspec.json.Decoder(TrackedOrder)
_line = msgspec.json.Decoder(JournalLine)
_entry: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(FillEntry | FundingEntry | OpeningEntry | ForgottenEntry)


def encode_order(order: TrackedOrder) -> bytes:
    """Record of an order: its version, a blank, JSON."""
    return b"%d %b" % (order.version, _encode(order))


def decode_order(record: bytes) -> TrackedOrder:
    """Read a record. Raises msgspec.DecodeError."""
    return _order.decode(record.partition(b" ")[2])


def encode_line(line: JournalLine) -> bytes:
    """Journal line as JSON."""
    return _encode(line)


def decode_line(entry_id: bytes, record: bytes) -> JournalLine:
    """Read a journal line. Raises msgspec.DecodeError."""
    return msgspec.structs.replace(_line.decode(record), id=entry_id.decode())


def encode_entry(entry: Entry) -> bytes:
    """Ledger entry as JSON with its kind."""
    return _encode(entry)


def decode_entry(record: bytes) -> Entry:
    """Read a ledger entry. Raises msgspec.DecodeError."""
    return _entry.decode(record)
