"""The file format of recorded markets: JSON Lines or Parquet, one record a line or row, ordered by time.

The first line is the header, `{"type": "header", "schema": "perpmaker-recording/1", "coins": ["SOL"], "depth": 20}`;
in Parquet it is the value of `perpmaker.header` in the metadata of the file. Every other line, and every row, has a
`type`, a time `t` (ms of the exchange's clock) and a `coin`:

| type | fields | meaning |
|---|---|---|
| `book` | `bids`, `asks`: `[[px, sz], ...]` best first | the book, `depth` levels a side; all else is gone |
| `delta` | `bids`, `asks`: `[[px, sz], ...]` | these levels now have this size; `"0"` removes one |
| `trade` | `side` `"B"` or `"A"` (the taker's), `px`, `sz` | one execution |
| `oracle` | `px` | the oracle price from now on |

Prices and sizes are decimal strings of at most eight places, as on the exchange's wire; Parquet may have them as
decimals too, never as floats. There, columns that a row has no use for are null, and a level is a list or struct of
two. A trade comes before the book change it caused. Fields this table does not name are ignored, so a recording may
carry more.
"""

from __future__ import annotations

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


class RecordingError(ValueError):
    """A recording that cannot be played; the text names file and line or row."""


def write_line(record: Header | Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def header_of(text: bytes | str, where: str) -> Header:
    """The header in this text. Raises `RecordingError` that names the place."""
    try:
        header = _HEADER.decode(text)
    except msgspec.DecodeError as error:
        raise RecordingError(f"{where}: {error}") from None
    if header.schema != SCHEMA:
        raise RecordingError(f"{where}: schema is {header.schema!r}, this reads {SCHEMA!r}")
    return header


def check_record(record: Record, header: Header, last_ms: int) -> None:
    """Raise `ValueError` for numbers that are not decimal, a coin the header does not name, or a time gone by."""
    _check_decimals(record)
    if record.coin not in header.coins:
        raise ValueError(f"{record.coin} is not among the header's coins")
    if record.t < last_ms:
        raise ValueError("time runs backwards")


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
