"""A peer that falls silent without closing its connections: nobody would move its orders, so they leave the book."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import seeded_stack
from tests.support.seeded_deeds import apply_gateway, exchange_ms
from tests.support.stack import assert_books_agree, running
from tests.support.waiting import until

SEED = 15
PULLED_WITHIN_S = 35.0
"""Fifteen seconds of patience from the last sign of life, and room for a busy machine."""
SWITCH_S = 10
"""The dead man's timeout where order-state hangs; shorter than the patience with it."""


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


async def test_orders_of_a_hung_order_state_are_left_to_the_switch_no_longer_than_the_patience(
    verdict: Callable[[str], None],
) -> None:
    async with seeded_stack.running() as stack:
        switch = stack.parts.gateway.dead_mans_switch.model_copy(update={"timeout_s": SWITCH_S, "refresh_s": 2})
        await apply_gateway(stack, dead_mans_switch=switch)

        async def is_armed() -> bool:
            left_ms = (await stack.gateway_status()).dead_man_deadline_ms - await exchange_ms(stack)
            return 0 < left_ms <= SWITCH_S * 1_000

        await stack.wait("the switch is armed for its new time", is_armed, within_s=30)
        pid = stack.children["order-state"].pid
        assert pid is not None

        async def is_empty() -> bool:
            return not await stack.open_orders()

        os.kill(pid, signal.SIGSTOP)
        hung_s = time.monotonic()
        try:
            await stack.wait("the book is emptied", is_empty, within_s=PULLED_WITHIN_S)
            emptied_s = time.monotonic() - hung_s
            emptied_ms = await exchange_ms(stack)
        finally:
            os.kill(pid, signal.SIGCONT)
        await stack.wait_quoted(after_ms=emptied_ms)
    verdict(f"order-state hung, switch of {SWITCH_S} s: the book empty after {emptied_s:.1f} s")
