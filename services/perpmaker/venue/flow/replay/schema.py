"""The file format of recorded markets: JSON Lines, one record a line, ordered by time.

The first line is the header, `{"type": "header", "schema": "perpmaker-recording/1", "coins": ["SOL"], "depth": 20}`.
Every other line has a time `t` (ms of the exchange's clock) and a `coin`:

| type | fields | meaning |
|---|---|---|
| `book` | `bids`, `asks`: `[[px, sz], ...]` best first | the book, `depth` levels a side; all else is gone |
| `delta` | `bids`, `asks`: `[[px, sz], ...]` | these levels now have this size; `"0"` removes one |
| `trade` | `side` `"B"` or `"A"` (the taker's), `px`, `sz` | one execution |
| `oracle` | `px` | the oracle price from now on |

Prices and sizes are decimal strings of at most eight places, as on the exchange's wire. A trade comes before the book
change it caused. Fields this table does not name are ignored, so a recording may carry more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from perpmaker.venue.units import parse_e8

SCHEMA = "perpmaker-recording/1"
Levels = tuple[tuple[str, str], ...]


class Header(msgspec.Struct, tag_field="type", tag="header", frozen=True):
    """What the file is and which coins it speaks of."""

    schema: str
    coins: tuple[str, ...]
    depth: int = 20


class BookRecord(msgspec.Struct, tag_field="type", tag="book", frozen=True):
    """A whole book."""

    t: int
    coin: str
    bids: Levels
    asks: Levels


class DeltaRecord(msgspec.Struct, tag_field="type", tag="delta", frozen=True, omit_defaults=True):
    """Levels whose size changed."""

    t: int
    coin: str
    bids: Levels = ()
    asks: Levels = ()


class TradeRecord(msgspec.Struct, tag_field="type", tag="trade", frozen=True):
    """One execution, seen from the taker."""

    t: int
    coin: str
    side: Literal["B", "A"]
    px: str
    sz: str


class OracleRecord(msgspec.Struct, tag_field="type", tag="oracle", frozen=True):
    """A published oracle price."""

    t: int
    coin: str
    px: str


Record = BookRecord | DeltaRecord | TradeRecord | OracleRecord
_HEADER: msgspec.json.Decoder[Header] = msgspec.json.Decoder(Header)
_RECORD: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class RecordingError(ValueError):
    """A recording that cannot be played; the text names file and line."""


def write_line(record: Header | Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def read_recording(path: Path) -> tuple[Header, tuple[Record, ...]]:
    """The whole of a recording. Raises `RecordingError` for what is no recording, out of order or not decimal."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    if not lines:
        raise RecordingError(f"{path}: empty")
    try:
        header = _HEADER.decode(lines[0])
    except msgspec.DecodeError as error:
        raise RecordingError(f"{path}:1: {error}") from None
    if header.schema != SCHEMA:
        raise RecordingError(f"{path}:1: schema is {header.schema!r}, this reads {SCHEMA!r}")
    return header, tuple(_records(path, header, lines[1:]))


def _records(path: Path, header: Header, lines: Iterable[bytes]) -> Iterator[Record]:
    last_ms = 0
    for number, line in enumerate(lines, 2):
        try:
            record = _RECORD.decode(line)
            _check_decimals(record)
        except (msgspec.DecodeError, ValueError) as error:
            raise RecordingError(f"{path}:{number}: {error}") from None
        if record.coin not in header.coins:
            raise RecordingError(f"{path}:{number}: {record.coin} is not among the header's coins")
        if record.t < last_ms:
            raise RecordingError(f"{path}:{number}: time runs backwards")
        last_ms = record.t
        yield record


def _check_decimals(record: Record) -> None:
    match record:
        case BookRecord(_, _, bids, asks) | DeltaRecord(_, _, bids, asks):
            texts = [text for level in (*bids, *asks) for text in level]
        case TradeRecord():
            texts = [record.px, record.sz]
        case OracleRecord():
            texts = [record.px]
    for text in texts:
        parse_e8(text)
