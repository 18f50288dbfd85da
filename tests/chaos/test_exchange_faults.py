"""The exchange goes away, answers late or not at all: what is not known stays alive until the exchange tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.stack import assert_books_agree, running

SEED = 12
CUT_MS = 10_000


async def test_a_connection_cut_of_ten_seconds_loses_no_fill(tmp_path: Path, verdict: Callable[[str], None]) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        await stack.wait_fills(3)
        cut_ms = await stack.exchange_time_ms()
        await stack.control(op="disconnect", all=True, for_ms=CUT_MS, rest=True)
        for coin, sz in (("BTC", "0.2"), ("ETH", "5")):
            for side in ("B", "A"):
                await stack.control(op="trade", coin=coin, side=side, sz=sz)
        await stack.wait_exchange_time(cut_ms + CUT_MS, within_s=60)
        await stack.wait_fills(5, after=len(stack.lines), within_s=90)
        told = await stack.info(type="userFills", user=stack.address)
        summary = await stack.stop()
    during = [fill for fill in told if cut_ms <= fill["time"] <= cut_ms + CUT_MS]
    verdict(f"seed {SEED}, all connections cut for {CUT_MS} ms, {len(during)} fills meanwhile, {summary['integrity']}")
    assert_books_agree(summary)
    assert during


async def test_lost_answers_are_unknown_until_the_exchange_tells(
    tmp_path: Path, verdict: Callable[[str], None]
) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        seen = await stack.wait_fills(2)
        await stack.control(op="drop_after_commit", n=4, address=stack.address)
        await stack.control(op="drop_before_commit", n=4, address=stack.address)
        await stack.wait_fills(6, after=seen, within_s=90)
        summary = await stack.stop()
    verdict(f"seed {SEED}, 4 answers lost after and 4 requests before the commit, {summary['integrity']}")
    assert_books_agree(summary)
