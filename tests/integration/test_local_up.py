"""`perpmaker up` as a user runs it: the summary, an empty book, exit code 0, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.stack import EXAMPLES, ROOT, assert_books_agree, running

MARKET_FIELDS = {
    "symbol",
    "quotes_placed",
    "quotes_cancelled",
    "fills",
    "position",
    "venue_position",
    "pnl_quote",
    "two_sided_ratio",
}
SUMMARY_FIELDS = {
    "event",
    "duration_s",
    "markets",
    "open_orders_at_exit",
    "unresolved_orders",
    "tick_to_order_ms",
    "rss_mb",
    "integrity",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run of a few seconds without a data directory, and the folder in which it made its temporary ones."""
    temporary = tmp_path_factory.mktemp("tmp")
    command = (sys.executable, "-m", "perpmaker.cli", "up", "-f", str(EXAMPLES), "--for", "5s", "--json")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=ROOT, env=environment)
    return done, temporary


def test_a_run_ends_with_agreeing_books_and_exit_code_0(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = run
    summary = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert_books_agree(summary)
    assert sum(market["quotes_placed"] for market in summary["markets"]) > 0


def test_the_last_line_has_every_field_of_the_summary(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    summary = json.loads(run[0].stdout.splitlines()[-1])
    assert summary.keys() >= SUMMARY_FIELDS
    assert [market.keys() >= MARKET_FIELDS for market in summary["markets"]] == [True, True]
    assert {"gateway/demo", "order-state/demo", "risk/demo", "quoter/btc", "quoter/eth"} <= summary["rss_mb"].keys()


def test_services_become_ready_in_the_order_they_need_each_other(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    lines = [json.loads(line) for line in run[0].stdout.splitlines()]
    started = [line["service"] for line in lines if line["event"] == "started"]
    assert started[2:5] == ["order-state/demo", "gateway/demo", "risk/demo"]
    assert set(started[:2]) == {"store", "venue"}
    assert set(started[5:]) == {"quoter/btc", "quoter/eth"}


def test_a_clean_end_leaves_no_files_behind(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert list(run[1].iterdir()) == []


async def test_sigterm_stops_in_order_and_a_second_run_on_the_same_data_starts_clean(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path) as stack:
            await stack.wait_event("quoting", within_s=60)
            summary = await stack.stop()
        assert_books_agree(summary)
        assert stack.process.returncode == 0


async def test_a_dead_exchange_ends_the_run_with_exit_code_1(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        await stack.wait_event("quoting", within_s=60)
        stack.kill("venue")
        summary = await stack.finish()
    assert stack.process.returncode == 1
    assert summary["open_orders_at_exit"] is None
    assert any("nothing can be compared" in problem for problem in summary["integrity"])
