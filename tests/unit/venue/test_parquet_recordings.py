"""A recording in Parquet is the recording that the same lines in JSON are; what cannot be exact is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from perpmaker.venue.flow.replay.reading import read_recording
from perpmaker.venue.flow.replay.schema import RecordingError

SAMPLE = Path(__file__).parents[2] / "contract" / "data" / "recording-sol.jsonl"
HEADER = '{"type": "header", "schema": "perpmaker-recording/1", "coins": ["SOL"]}'
TRADE = "'trade' as type, {t} as t, 'SOL' as coin, 'B' as side, {px} as px, {sz} as sz"


def write(path: Path, rows: str, header: str | None = HEADER) -> Path:
    """A Parquet file with what this query selects."""
    metadata = "" if header is None else f", kv_metadata {{'perpmaker.header': '{header}'}}"
    duckdb.sql(f"copy ({rows}) to '{path}' (format parquet{metadata})")
    return path


def trades(*rows: tuple[int, str, str]) -> str:
    """Trades of these times, prices and sizes; the latter two as SQL has them."""
    return " union all ".join(f"select {TRADE.format(t=t, px=px, sz=sz)}" for t, px, sz in rows)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of the sample without their header, which is no row."""
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes(b"\n".join(SAMPLE.read_bytes().splitlines()[1:]))
    return path


@pytest.mark.parametrize("number", ["varchar", "decimal(18, 8)", "decimal(30, 12)"])
@pytest.mark.parametrize("level", ["[level[1]::{n}, level[2]::{n}]", "{{'px': level[1]::{n}, 'sz': level[2]::{n}}}"])
def test_the_same_records_come_out_whatever_the_columns_hold(
    tmp_path: Path, lines: Path, number: str, level: str
) -> None:
    pair = level.format(n=number)
    sides = ", ".join(f"[{pair} for level in {side}] as {side}" for side in ("bids", "asks"))
    columns = "{type: 'varchar', t: 'bigint', coin: 'varchar', side: 'varchar', px: 'varchar', sz: 'varchar',"
    columns += " bids: 'varchar[][]', asks: 'varchar[][]'}"
    table = f"read_json('{lines}', format = 'newline_delimited', columns = {columns})"
    header = SAMPLE.read_text().splitlines()[0]
    path = write(
        tmp_path / "sample.parquet",
        f"select type, t, coin, side, px::{number} as px, sz::{number} as sz, {sides} from {table}",
        header,
    )
    assert read_recording(path) == read_recording(SAMPLE)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (trades((5, "'1'", "'1'"), (4, "'1'", "'1'")), "row 2: time runs backwards"),
        (trades((5, "1.5::double", "'1'")), "row 1: Expected `str`, got `float`"),
        (trades((5, "'1.123456789'", "'1'")), "row 1"),
        (trades((5, "'1'", "null::varchar")), "row 1: Object missing required field `sz`"),
        (trades((5, "'1'", "'1'")).replace("'SOL'", "'ETH'"), "ETH is not among the header's coins"),
    ],
)
def test_a_row_that_is_no_record_is_named(tmp_path: Path, rows: str, words: str) -> None:
    path = write(tmp_path / "bad.parquet", rows)
    with pytest.raises(RecordingError, match=words):
        read_recording(path)


def test_without_its_header_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.parquet", trades((5, "'1'", "'1'")), header=None)
    with pytest.raises(RecordingError, match=r"its metadata has no perpmaker\.header"):
        read_recording(path)


@pytest.mark.parametrize("name", ["missing.parquet", "lines.parquet"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, lines: Path, name: str) -> None:
    (tmp_path / "lines.parquet").write_bytes(lines.read_bytes())
    with pytest.raises(RecordingError, match=name):
        read_recording(tmp_path / name)


def test_without_a_reader_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "good.parquet", trades((5, "'1'", "'1'")))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(RecordingError, match=r"pip install 'perpmaker\[parquet\]'"):
        read_recording(path)
