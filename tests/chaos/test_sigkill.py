"""SIGKILL of any one process while quoting: it comes back, no order is orphaned, no fill is lost or counted twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.stack import assert_books_agree, running

SEED = 11


@pytest.mark.parametrize("service", ["gateway/demo", "order-state/demo", "risk/demo", "quoter/btc", "store"])
async def test_a_killed_service_comes_back_and_the_books_agree(
    tmp_path: Path, verdict: Callable[[str], None], service: str
) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        seen = await stack.wait_fills(3)
        begin = time.monotonic()
        stack.kill(service)
        seen = await stack.wait_event("restarted", after=seen, service=service, within_s=20)
        seen = await stack.wait_event("ready", after=seen, service=service, within_s=30)
        back_s = time.monotonic() - begin
        await stack.wait_fills(5, after=seen)
        summary = await stack.stop()
    fills = sum(market["fills"] for market in summary["markets"])
    verdict(f"seed {SEED}, {service} killed and ready again in {back_s:.1f} s, {fills} fills, {summary['integrity']}")
    assert_books_agree(summary)
    assert stack.process.returncode == 0


async def test_no_process_outlives_a_killed_runner(tmp_path: Path, verdict: Callable[[str], None]) -> None:
    async with running(tmp_path, seed=SEED) as stack:
        await stack.wait_event("quoting", within_s=60)
        pids = {service: stack.pid_of(service) for service in stack.services()}
        stack.process.kill()
        await stack.process.wait()
        deadline = time.monotonic() + 10
        left = dict(pids)
        while left and time.monotonic() < deadline:
            left = {service: pid for service, pid in left.items() if is_running(pid)}
    verdict(f"seed {SEED}, runner killed, {len(pids)} processes, left over: {sorted(left) or 'none'}")
    assert not left


def is_running(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
