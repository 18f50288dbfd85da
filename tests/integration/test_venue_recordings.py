"""Recording a running venue and playing it in another; episodes from the control port."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.venue import running
from tests.support.waiting import until

from perpmaker.venue.flow.parameters import EPISODES
from perpmaker.venue.flow.replay.reading import read_recording
from perpmaker.venue.flow.replay.schema import (
    SCHEMA,
    BookRecord,
    Header,
    RecordingError,
    TradeRecord,
    write_line,
)


async def test_what_one_venue_recorded_another_plays(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    async with running(markets=("BTC", "SOL"), flow=True, market="calibrated", record=path) as venue:

        async def traded() -> bool:
            return all(venue.core.state.volume_base_e8.values())

        await until("both markets have traded", traded)
    header, records = read_recording(path)
    assert header.coins == ("BTC", "SOL")
    first = next(
        record for record in records if isinstance(record, BookRecord) and record.coin == "SOL" and record.bids
    )
    assert any(isinstance(record, TradeRecord) for record in records)
    async with running(markets=("SOL",), replay=path, queue="log") as venue:

        async def has_a_book() -> bool:
            return venue.core.state.book(0).mid_e8() is not None

        await until("the recorded book is shown", has_a_book)
        shown = await venue.client().info("l2Book", coin="SOL")
        assert len(shown["levels"][0]) >= len(first.bids) / 2


async def test_an_order_in_a_recorded_queue_is_filled_when_the_tape_has_served_those_ahead(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    book = BookRecord(0, "SOL", (("180", "10"), ("179.9", "10")), (("180.1", "10"),))
    tape = [TradeRecord(200 * n, "SOL", "A", "180", "1") for n in range(1, 600)]
    path.write_bytes(b"".join(write_line(line) for line in (Header(SCHEMA, ("SOL",)), book, *tape)))
    async with running(markets=("SOL",), replay=path) as venue:
        alice = venue.client()
        placed = await alice.place("SOL", is_buy=True, px="180", sz="1", tif="Alo")
        assert "resting" in placed

        async def filled() -> bool:
            return any(fill["sz"] == "1.0" for fill in await alice.mine("userFills"))

        await until("the order is filled", filled)


@pytest.mark.parametrize("name", EPISODES)
async def test_an_episode_starts_by_name(name: str) -> None:
    async with running(markets=("SOL",), flow=True, market="calibrated") as venue:
        await venue.control("episode", coin="SOL", name=name, strength=2)
        house = venue.core.participants

        async def begun() -> bool:
            return bool(house.weather(0).episode == name)  # type: ignore[union-attr]

        await until(f"{name} runs", begun)


async def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("nothing\n")
    with pytest.raises(RecordingError, match="notes:1"):
        async with asyncio.timeout(30), running(replay=path):
            pass
