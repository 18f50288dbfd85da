"""Rows of a Parquet file as the plain values of records. Needs the extra `parquet`.

Decimals become text, so that nothing passes through a float on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perpmaker.venue.flow.replay.schema import RecordingError

if TYPE_CHECKING:
    import duckdb

HEADER_KEY = "perpmaker.header"
_ROWS_AT_ONCE = 10_000


def read_rows(path: Path) -> tuple[str, Iterator[dict[str, Any]]]:
    """The header's text, and the rows in the order of the file without their nulls.

    Raises `RecordingError` for a file that is no Parquet, has no header, or when no reader is installed.
    """
    try:
        import duckdb
    except ImportError:
        raise RecordingError(
            f"{path}: reading Parquet needs duckdb; install it with: pip install 'perpmaker[parquet]'"
        ) from None
    try:
        # One thread and no configuration: the order of the file, and nothing fetched from anywhere.
        database = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"})
        found = database.execute(
            "select value from parquet_kv_metadata(?) where key = ?", [str(path), HEADER_KEY.encode()]
        ).fetchone()
        database.execute("select * from read_parquet(?)", [str(path)])
    except duckdb.Error as error:
        raise RecordingError(f"{path}: {error}") from None
    if found is None:
        raise RecordingError(f"{path}: its metadata has no {HEADER_KEY}")
    return found[0].decode(), _rows(database)


def _rows(database: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    names = [column[0] for column in database.description or ()]
    while rows := database.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            yield {name: _plain(value) for name, value in zip(names, row, strict=True) if value is not None}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value.normalize(), "f")
        case list():
            return [_plain(item) for item in value]
        case dict():
            return [_plain(item) for item in value.values()]
        case _:
            return value
