"""A quoter that hangs for good: nobody would move its orders any more, so they leave the book."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.stack import assert_books_agree, running
from tests.support.waiting import until

SEED = 15
PULLED_WITHIN_S = 35.0
"""Ten seconds to notice the silence, fifteen of patience, and room for a busy machine."""


async def test_orders_of_a_hung_quoter_are_pulled_and_quoted_again_when_it_wakes(
    tmp_path: Path, verdict: Callable[[str], None]
) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        await stack.wait_fills(3)
        pid = stack.pid_of("quoter/btc")

        async def is_pulled() -> bool:
            return not await stack.open_orders("BTC")

        os.kill(pid, signal.SIGSTOP)
        hung_s = time.monotonic()
        try:
            await until("the hung quoter's orders are pulled", is_pulled, within_s=PULLED_WITHIN_S)
            pulled_s = time.monotonic() - hung_s
            pulled_ms = await stack.exchange_time_ms()
            await stack.wait_quoted("ETH", after_ms=pulled_ms, within_s=15)
        finally:
            os.kill(pid, signal.SIGCONT)
        await stack.wait_quoted("BTC", "ETH", after_ms=pulled_ms, within_s=15)
        summary = await stack.stop()
    verdict(f"seed {SEED}, quoter/btc hung: its orders pulled after {pulled_s:.1f} s, {summary['integrity']}")
    assert_books_agree(summary)
    assert stack.process.returncode == 0
