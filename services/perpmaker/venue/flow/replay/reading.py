"""Reads a recording into its records, from JSON Lines or, by the name of the file, from Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from perpmaker.venue.flow.replay.parquet import read_rows
from perpmaker.venue.flow.replay.schema import Header, Record, RecordingError, check_record, header_of

_RECORD: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_PARQUET = ".parquet"


def read_recording(path: Path) -> tuple[Header, tuple[Record, ...]]:
    """The whole of a recording. Raises `RecordingError` for what is no recording, out of order or not decimal."""
    if path.suffix == _PARQUET:
        text, rows = read_rows(path)
        header, found = header_of(text, f"{path}: perpmaker.header"), _converted(rows)
        return header, tuple(_checked(f"{path}: row ", 1, header, found))
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    if not lines:
        raise RecordingError(f"{path}: empty")
    header = header_of(lines[0], f"{path}:1")
    return header, tuple(_checked(f"{path}:", 2, header, (_RECORD.decode(line) for line in lines[1:])))


def _converted(rows: Iterator[dict[str, object]]) -> Iterator[Record]:
    for row in rows:
        yield msgspec.convert(row, Record)


def _checked(where: str, first: int, header: Header, found: Iterator[Record]) -> Iterator[Record]:
    number, last_ms = first, 0
    while True:
        try:
            record = next(found, None)
            if record is None:
                return
            check_record(record, header, last_ms)
        except (msgspec.DecodeError, ValueError) as error:
            raise RecordingError(f"{where}{number}: {error}") from None
        yield record
        number, last_ms = number + 1, record.t
