"""Recorded markets: queues advance as the model says, recorded trades fill, and playing twice gives one history."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.venue_core import ALICE, BLOCK_MS, Bench, limit, oid_of

from perpmaker.venue.core import build_venue
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.flow.replay.player import RecordedParticipants
from perpmaker.venue.flow.replay.queueing import (
    LogQueue,
    PowerQueue,
    Queued,
    QueueModel,
    cancelled,
    queue_model,
)
from perpmaker.venue.flow.replay.reading import read_recording
from perpmaker.venue.flow.replay.recorder import Recorder
from perpmaker.venue.flow.replay.schema import (
    SCHEMA,
    BookRecord,
    DeltaRecord,
    Header,
    OracleRecord,
    Record,
    RecordingError,
    TradeRecord,
    write_line,
)
from perpmaker.venue.units import E8

SAMPLE = Path(__file__).parents[2] / "contract" / "data" / "recording-sol.jsonl"
SOL = list_markets(("SOL",))
HEADER = write_line(Header(SCHEMA, ("SOL",)))
LOT_E8 = SOL[0].lot_e8
EMPTY_T = 1_000
"""Times of the little recordings: `EMPTY_T + 70 n` is played in the n-th block after the first."""


def at(block: int) -> int:
    return EMPTY_T + BLOCK_MS * block


def written(path: Path, *records: Record) -> Path:
    path.write_bytes(b"".join(write_line(line) for line in (Header(SCHEMA, ("SOL",)), *records)))
    return path


def played(path: Path, model: QueueModel = PowerQueue(1.0)) -> Bench:  # noqa: B008
    """A bench after the first block of a recording."""
    house = RecordedParticipants(SOL, path, model)
    built = Bench(build_venue(SOL, Rules(), seed=1, faucet_e8=100_000 * E8, participants=house))
    built.step()
    return built


BOOK = BookRecord(EMPTY_T, "SOL", (("180", "10"), ("179.9", "20")), (("180.1", "5"), ("180.2", "30")))


def trade(block: int, px: str, sz: str, side: str = "A") -> TradeRecord:
    return TradeRecord(at(block), "SOL", "A" if side == "A" else "B", px, sz)


def test_the_recorded_book_is_the_venues_book(tmp_path: Path) -> None:
    venue = played(written(tmp_path / "r", OracleRecord(EMPTY_T, "SOL", "180.05"), BOOK))
    book = venue.state.book(0)
    assert [(level.px_e8, level.sz_e8) for level in book.bids] == [(180 * E8, 10 * E8), (17_990_000_000, 20 * E8)]
    assert book.best_ask() == 18_010_000_000
    assert venue.state.marks[0].oracle_px_e8 == 18_005_000_000


def test_a_trade_at_our_price_serves_those_ahead_first(tmp_path: Path) -> None:
    venue = played(written(tmp_path / "r", BOOK, trade(2, "180", "10"), trade(3, "180", "0.4"), trade(4, "180", "3")))
    venue.place(ALICE, limit("180", "1"))
    venue.step()
    assert venue.position(ALICE) == 0
    venue.step()
    assert venue.position(ALICE) == int(0.4 * E8)
    venue.step()
    assert venue.position(ALICE) == E8


def test_a_trade_through_our_price_fills_all_of_it(tmp_path: Path) -> None:
    venue = played(written(tmp_path / "r", BOOK, trade(2, "179.9", "0.1")))
    venue.place(ALICE, limit("180", "7"))
    venue.step()
    assert venue.position(ALICE) == 7 * E8


def test_a_recorded_quote_through_our_price_fills_it(tmp_path: Path) -> None:
    falls = DeltaRecord(at(2), "SOL", (("180", "0"), ("179.9", "0"), ("179.8", "4")), (("179.9", "3"),))
    venue = played(written(tmp_path / "r", BOOK, falls))
    venue.place(ALICE, limit("180", "2"))
    venue.step()
    assert venue.position(ALICE) == 2 * E8
    assert venue.state.book(0).best_ask() == 17_990_000_000


def test_cancellations_are_shared_between_ahead_and_behind(tmp_path: Path) -> None:
    grows = DeltaRecord(at(2), "SOL", (("180", "20"),))
    halves = DeltaRecord(at(3), "SOL", (("180", "10"),))
    venue = played(written(tmp_path / "r", BOOK, grows, halves, trade(4, "180", "5"), trade(5, "180", "1")))
    venue.place(ALICE, limit("180", "1"))
    for expected in (0, 0, 0, E8):
        venue.step()
        assert venue.position(ALICE) == expected


def test_what_we_take_is_back_in_the_next_block(tmp_path: Path) -> None:
    venue = played(written(tmp_path / "r", BOOK))
    venue.place(ALICE, limit("180.1", "5", tif=Tif.IOC))
    assert venue.position(ALICE) == 5 * E8
    venue.step()
    assert venue.state.book(0).asks.best().sz_e8 == 5 * E8
    assert venue.state.book(0).best_ask() == 18_010_000_000


def test_our_orders_do_not_move_the_recorded_book(tmp_path: Path) -> None:
    path = written(tmp_path / "r", BOOK, trade(2, "180", "10.5"), DeltaRecord(at(2), "SOL", (("180", "3"),)))
    alone, together = played(path), played(path)
    oid_of(together.place(ALICE, limit("180", "1")))
    alone.step()
    together.step()
    alone.step()
    assert together.position(ALICE) == int(0.5 * E8)
    recorded = together.state.book(0).bids.best().sz_e8 - together.opened(ALICE)[0][1]
    assert recorded == alone.state.book(0).bids.best().sz_e8 == 3 * E8


def recording_of(seconds: int, *, depth: int = 20) -> bytes:
    """What the venue records of its own calibrated SOL."""
    house = HouseParticipants(SOL, 11, "calibrated")
    venue = build_venue(SOL, Rules(), seed=11, faucet_e8=0, participants=house)
    out = io.BytesIO()
    venue.on_block = Recorder(venue, out, depth=depth)
    for block in range(seconds * 1_000 // BLOCK_MS):
        venue.step(1_760_000_000_000 + BLOCK_MS * block)
    return out.getvalue()


def test_the_committed_sample_is_a_small_recording_of_every_kind() -> None:
    lines = SAMPLE.read_bytes().splitlines()
    assert len(SAMPLE.read_bytes()) < 300_000
    header, records = read_recording(SAMPLE)
    assert header.coins == ("SOL",)
    assert {type(record) for record in records} == {BookRecord, DeltaRecord, TradeRecord, OracleRecord}
    assert len(lines) == len(records) + 1


def test_playing_a_recording_gives_the_recorded_books_and_trades_back(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(recording_of(20))
    house = RecordedParticipants(SOL, path, LogQueue())
    venue = build_venue(SOL, Rules(), seed=1, faucet_e8=0, participants=house)
    again = io.BytesIO()
    venue.on_block = Recorder(venue, again)
    start = read_recording(path)[1][0].t
    for block in range(20_000 // BLOCK_MS + 1):
        venue.step(start + BLOCK_MS * block)
    assert house.is_over
    assert violations(venue.state) == []
    (tmp_path / "again").write_bytes(again.getvalue())
    first, second = (
        [record for record in read_recording(name)[1] if isinstance(record, TradeRecord | DeltaRecord)]
        for name in (path, tmp_path / "again")
    )
    assert [r for r in first if isinstance(r, TradeRecord)] == [r for r in second if isinstance(r, TradeRecord)]
    assert _final_book(first) == _final_book(second)


def _final_book(records: list[TradeRecord | DeltaRecord]) -> dict[tuple[bool, str], str]:
    book: dict[tuple[bool, str], str] = {}
    for record in records:
        if isinstance(record, DeltaRecord):
            book |= {(True, px): sz for px, sz in record.bids} | {(False, px): sz for px, sz in record.asks}
    return {key: sz for key, sz in book.items() if sz != "0"}


def _trading_run() -> tuple[str, int, int]:
    venue = played(SAMPLE, PowerQueue(2.0))
    for n in range(200):
        bid, ask = (level.px_e8 for level in (venue.state.book(0).bids.best(), venue.state.book(0).asks.best()))
        if n % 10 == 0:
            venue.place(
                ALICE, *(limit(str(px / E8), "1", buy=buy, tif=Tif.ALO) for px, buy in ((bid, True), (ask, False)))
            )
        else:
            venue.step()
    account = venue.state.accounts[ALICE]
    return state_hash(venue.state), len(account.fills), len(account.open_orders)


def test_the_same_actions_in_the_same_recording_give_the_same_state() -> None:
    first = _trading_run()
    assert first == _trading_run()
    assert first[1] > 0, "somebody was filled"
    assert first[2] > 0, "somebody was not"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "empty"),
        (b'{"type":"header","schema":"other/2","coins":["SOL"]}\n', "schema is 'other/2'"),
        (HEADER + b'{"type":"mood"}\n', ":2:"),
        (
            HEADER + b'{"type":"oracle","t":1,"coin":"SOL","px":"1e3"}\n',
            ":2: not a plain decimal",
        ),
        (
            HEADER + b'{"type":"oracle","t":2,"coin":"SOL","px":"1"}\n{"type":"oracle","t":1,"coin":"SOL","px":"1"}\n',
            ":3: time runs backwards",
        ),
        (
            HEADER + b'{"type":"oracle","t":2,"coin":"BTC","px":"1"}\n',
            ":2: BTC is not among",
        ),
    ],
)
def test_what_is_no_recording_is_refused_with_its_line(tmp_path: Path, text: bytes, complaint: str) -> None:
    path = tmp_path / "r"
    path.write_bytes(text)
    with pytest.raises(RecordingError, match=complaint):
        read_recording(path)


def test_a_recording_of_other_markets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="the venue lists none"):
        RecordedParticipants(list_markets(("BTC",)), written(tmp_path / "r", BOOK), LogQueue())


@pytest.mark.parametrize("text", ["fifo", "power:0", "power:99", "log:2"])
def test_an_unknown_queue_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"queue|could not"):
        queue_model(text)


models = st.one_of(st.just(LogQueue()), st.floats(0.1, 10).map(PowerQueue))
lots = st.integers(0, 10_000)
queues = st.lists(st.builds(Queued, st.integers(1, 5_000).map(lambda n: n * LOT_E8), st.booleans()), max_size=8)


@given(models, lots, lots)
def test_a_share_is_a_share_and_grows_with_what_is_behind(model: QueueModel, front: int, back: int) -> None:
    share = model.share_behind(front, back)
    assert 0 <= share <= 1
    assert model.share_behind(front, back + 1) >= share - 1e-12
    assert model.share_behind(front + 1, back) <= share + 1e-12


@given(models, queues, st.floats(0, 1))
def test_a_loss_is_borne_in_full_by_recorded_orders_alone(model: QueueModel, queue: list[Queued], part: float) -> None:
    total = sum(place.sz_e8 for place in queue if place.is_recorded)
    lost = round(total * part) // LOT_E8 * LOT_E8
    cuts = cancelled(queue, lost, LOT_E8, model)
    assert sum(cuts) == lost
    assert len(cuts) == len(queue)
    for place, cut in zip(queue, cuts, strict=True):
        assert 0 <= cut <= (place.sz_e8 if place.is_recorded else 0)
        assert cut % LOT_E8 == 0


@given(models, queues)
def test_nobody_loses_more_than_rests(model: QueueModel, queue: list[Queued]) -> None:
    total = sum(place.sz_e8 for place in queue if place.is_recorded)
    with pytest.raises(ValueError, match="cannot be lost"):
        cancelled(queue, total + LOT_E8, LOT_E8, model)
