"""A venue that has lost count ends at once, says at which block and how, and leaves a journal that leads there.

The fault is planted from outside, in the process of the test: the venue itself has no operation that breaks its books.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.venue_process import addresses, program, python
from tests.support.waiting import HANG_S

from perpmaker.venue.journal.entries import Broken, Hash
from perpmaker.venue.journal.replay import read, replay
from perpmaker.venue.shell.server import build

LAST_GOOD = 40
ONE_TOO_MANY = f"""
from perpmaker.venue.core import Venue
step = Venue.step
def step_and_steal(venue, now_ms):
    if venue.state.height == {LAST_GOOD}:
        venue.state.accounts[min(venue.state.accounts)].raw_e8 += 1
    return step(venue, now_ms)
Venue.step = step_and_steal
"""
NAMED = f"block {LAST_GOOD + 1} broke its invariants: cash, fees and funding of token 0"


async def broken(journal: Path, **clock: Any) -> tuple[int | None, dict[str, Any]]:
    """A venue with traders that breaks: its exit code, and its last line of standard error."""
    chosen = ", ".join(f"{name}={value!r}" for name, value in clock.items())
    options = f"markets=('SOL',), journal={str(journal)!r}, {chosen}"
    async with program(options, before=ONE_TOO_MANY) as venue, aiohttp.ClientSession() as session:
        said = await addresses(venue)
        if clock.get("virtual_time"):
            async with session.post(said["control"], json={"op": "advance", "ms": (LAST_GOOD - 1) * 70}) as answer:
                assert (await answer.json())["ok"]
            async with session.post(said["control"], json={"op": "state_hash"}) as answer:
                assert (await answer.json())["result"]["height"] == LAST_GOOD
            async with session.post(said["control"], json={"op": "advance", "ms": 70}) as answer:
                assert answer.status == 500
        async with asyncio.timeout(HANG_S):
            _, errors = await venue.communicate()
    return venue.returncode, dict(json.loads(errors.splitlines()[-1]))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("broken") / "run.jsonl"
    asyncio.run(broken(path, virtual_time=True))
    return path


async def faulty_replay(journal: Path) -> tuple[int | None, dict[str, Any]]:
    """`replay-journal` with the same fault planted: its exit code, and what it says."""
    paths = "from pathlib import Path\nfrom perpmaker.venue.app import replay_journal\n"
    async with python(f"{ONE_TOO_MANY}{paths}replay_journal(Path({str(journal)!r}))") as process:
        async with asyncio.timeout(HANG_S):
            said, _ = await process.communicate()
    return process.returncode, dict(json.loads(said))


@pytest.mark.parametrize("clock", [{"block_ms": 5}, {"virtual_time": True}], ids=["real time", "virtual time"])
async def test_a_broken_venue_ends_with_the_block_and_the_invariant(tmp_path: Path, clock: dict[str, Any]) -> None:
    code, told = await broken(tmp_path / "run.jsonl", **clock)
    assert (code, told["event"], told["level"]) == (1, "broken", "critical")
    assert told["error"].startswith(NAMED)


def test_its_journal_ends_with_the_break_and_not_in_order(journal: Path) -> None:
    *_, last = read(journal)
    assert isinstance(last, Broken)
    assert (last.height, last.error.startswith(NAMED)) == (LAST_GOOD, True)
    assert not any(entry.end for entry in read(journal) if isinstance(entry, Hash))


def test_a_sound_venue_runs_the_journal_to_that_block_and_tells_the_difference(journal: Path) -> None:
    verdict = replay(journal, build)
    assert (verdict.height, verdict.was_stopped, verdict.broke) == (LAST_GOOD + 1, False, "")
    assert verdict.hashes_checked == 1
    (difference,) = verdict.differences
    assert NAMED in difference


async def test_the_same_fault_breaks_the_replay_at_the_same_block(journal: Path) -> None:
    code, told = await faulty_replay(journal)
    assert (code, told["differences"], told["endedInOrder"]) == (0, [], False)
    assert told["broke"].startswith(NAMED)
    assert told["hashesChecked"] == 1


def test_a_break_that_was_not_recorded_is_a_difference(tmp_path: Path, journal: Path) -> None:
    shorter = tmp_path / "run.jsonl"
    shorter.write_bytes(journal.read_bytes()[:-10])
    code, told = asyncio.run(faulty_replay(shorter))
    (difference,) = told["differences"]
    assert code == 1 and NAMED in difference and "recorded was nothing" in difference
