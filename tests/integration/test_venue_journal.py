"""A journal holds everything that reached the engine: run again, it gives the same answers and the same venue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support import venue as support

from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.journal.entries import Hash, Step
from perpmaker.venue.journal.replay import BadJournalError, read, replay
from perpmaker.venue.journal.writer import JournalExistsError, Writer
from perpmaker.venue.shell.server import build


async def recorded(path: Path) -> str:
    """A short life of a venue with traders, operations and faults. Returns the digest it ended with."""
    async with support.running(journal=str(path), flow=True, markets=("BTC", "SOL"), limits="off") as venue:
        alice, bob = venue.client(1), venue.client(2)
        await venue.control("fund", address=bob.address, usdc=1_000_000)
        await venue.control("fill_race", n=1)
        await venue.control("alo_storm", coin="SOL", for_ms=500)
        placed = await bob.place("BTC", is_buy=False, px="66000", sz="0.01")
        await asyncio.gather(*(alice.place("BTC", is_buy=True, px=f"{60_000 + n}", sz="0.01") for n in range(20)))
        await venue.control("trade", coin="BTC", side="B", sz="0.02")
        await venue.control("set_mark", coin="SOL", px="181")
        await venue.control("cancel_orders", address=alice.address, status="marginCanceled", probability=0.5)
        await bob.cancel("BTC", placed["resting"]["oid"])
        await venue.control("drop_before_commit", n=1, address=bob.address)
        core = venue.core
    return state_hash(core)


async def test_a_journal_run_again_gives_the_same_answers_and_the_same_state(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    digest = await recorded(path)
    verdict = replay(path, build)
    assert verdict.differences == []
    assert verdict.state_hash == digest
    assert verdict.was_stopped and verdict.answers_checked > 20 and verdict.hashes_checked >= 1


async def test_a_journal_that_was_changed_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    await recorded(path)
    path.write_bytes(path.read_bytes().replace(b'"usdc":1000000', b'"usdc":1000001', 1))
    assert replay(path, build).differences


async def test_a_torn_last_line_is_left_out_and_the_rest_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    await recorded(path)
    path.write_bytes(path.read_bytes()[:-10])
    verdict = replay(path, build)
    assert verdict.differences == []
    assert not verdict.was_stopped


async def test_a_line_that_is_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    await recorded(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:5] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BadJournalError, match=r"run\.jsonl:4"):
        replay(path, build)


def test_full_segments_are_followed_by_numbered_ones_and_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = Writer(path, segment_bytes=200)
    entries = [Step(number) for number in range(100)]
    for entry in entries:
        writer.append(entry)
        writer.flush()
    writer.append(Hash(100, "x", end=True))
    writer.close()
    assert len(list(tmp_path.iterdir())) > 5
    assert list(read(path)) == [*entries, Hash(100, "x", end=True)]


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("mine\n")
    with pytest.raises(JournalExistsError):
        Writer(path)
    assert path.read_text() == "mine\n"


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"k":"step","t":5}\n')
    with pytest.raises(BadJournalError):
        replay(path, build)
