"""The demonstration itself: a minute of quoting with a lost answer and a killed quoter in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.stack import assert_books_agree, running

SEED = 7


async def test_the_demo_quotes_fills_and_recovers_from_what_it_breaks(
    tmp_path: Path, verdict: Callable[[str], None]
) -> None:
    async with running(tmp_path, "--rehearse", "--for", "60s", seed=SEED) as stack:
        summary = await stack.finish(within_s=150)
    fills = sum(market["fills"] for market in summary["markets"])
    ratios = {market["symbol"]: market["two_sided_ratio"] for market in summary["markets"]}
    verdict(f"seed {SEED}, {fills} fills, two-sided {ratios}, {summary['integrity']}")
    notes = [line["text"] for line in stack.lines if line["event"] == "note"]
    assert "rehearsal: the exchange's next answer is lost" in notes
    assert "rehearsal: SIGKILL to quoter/btc" in notes
    assert any(line["event"] == "restarted" and line["service"] == "quoter/btc" for line in stack.lines)
    assert_books_agree(summary)
    assert fills >= 50
    # Luck of the flow moves this by some points; the promise of the examples is nine tenths.
    assert min(ratios.values()) > 0.8
