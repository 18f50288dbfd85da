"""Two quoters of one market: the one that began last trades alone, and when it is gone the other one does."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.order_state_stack import free_port
from tests.support.stack import PERPMAKER, ROOT, Stack, assert_books_agree, running
from tests.support.waiting import until

from perpmaker.common.cloid import decode

SEED = 17


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])
async def test_whoever_is_left_of_two_quoters_trades(
    tmp_path: Path, verdict: Callable[[str], None], end: signal.Signals
) -> None:
    async with running(tmp_path / "data", seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        first = await _only_session(stack)
        config = tmp_path / "second.json"
        part = stack.part("quoter/btc")
        endpoint = part["endpoint"] | {"listen": f"127.0.0.1:{free_port()}", "metrics_port": 0}
        config.write_text(json.dumps(part | {"endpoint": endpoint}))
        second = await asyncio.create_subprocess_exec(
            *PERPMAKER, "quoter", "--config", str(config), stdout=asyncio.subprocess.DEVNULL, cwd=ROOT
        )
        try:
            await _trades_alone(stack, first + 1)
            ended_ms = await stack.exchange_time_ms()
            second.send_signal(end)
            await _trades_alone(stack, first + 2)
            await stack.wait_quoted("BTC", after_ms=ended_ms, within_s=30)
        finally:
            if second.returncode is None:
                second.kill()
            await second.wait()
        took_ms = await stack.exchange_time_ms() - ended_ms
        summary = await stack.stop()
    verdict(
        f"seed {SEED}, second quoter ended by {end.name}, the first quotes after {took_ms} ms, {summary['integrity']}"
    )
    assert_books_agree(summary)
    assert stack.process.returncode == 0


async def _sessions(stack: Stack) -> set[int]:
    """Sessions whose orders rest."""
    found = [decode(order.get("cloid") or "") for order in await stack.open_orders("BTC")]
    return {cloid.epoch for cloid in found if cloid is not None}


async def _only_session(stack: Stack) -> int:
    async def only_one() -> set[int] | None:
        # Between a fill and the next placement nothing may rest.
        found = await _sessions(stack)
        return found if len(found) == 1 else None

    (session,) = await until("orders of one session", only_one, within_s=40)
    return session


async def _trades_alone(stack: Stack, session: int) -> None:
    async def alone() -> bool:
        return await _sessions(stack) == {session}

    await until(f"orders of session {session} only", alone, within_s=40)
