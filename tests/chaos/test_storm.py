"""Everything at once: a schedule of faults drawn from one seed, then calm; the books must not have noticed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.stack import Stack, assert_books_agree, running
from tests.support.waiting import until

STORM_S = 40.0
QUOTING_AGAIN_S = 15.0
SERVICES = ("gateway/demo", "order-state/demo", "risk/demo", "quoter/btc", "quoter/eth", "store")
CHANNELS = ("ack", "orderUpdates", "userFills")
SIZES = {"BTC": ("0.02", "0.1", "0.4"), "ETH": ("0.5", "3", "10")}


@dataclass(frozen=True)
class Kill:
    """SIGKILL of a service."""

    service: str

    def __str__(self) -> str:
        return f"kill {self.service}"


@dataclass(frozen=True)
class Freeze:
    """SIGSTOP of a service, and SIGCONT after a while."""

    service: str
    for_s: float

    def __str__(self) -> str:
        return f"freeze {self.service} {self.for_s:.1f} s"


@dataclass(frozen=True)
class Misbehave:
    """Something the exchange does on command."""

    op: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return " ".join(str(value) for _, value in self.op)


Fault = Kill | Freeze | Misbehave


def misbehave(**op: Any) -> Misbehave:
    """A command to the exchange."""
    return Misbehave(tuple(op.items()))


def draw(rng: random.Random) -> Fault:
    """One fault."""
    match rng.choices(("kill", "freeze", "drop", "delay", "cut", "trade"), weights=(3, 3, 3, 2, 2, 4))[0]:
        case "kill":
            return Kill(rng.choice(SERVICES))
        case "freeze":
            return Freeze(rng.choice(SERVICES), rng.uniform(1, 3))
        case "drop":
            return misbehave(op=rng.choice(("drop_after_commit", "drop_before_commit")), n=rng.randint(1, 4))
        case "delay":
            return misbehave(op="delay", channel=rng.choice(CHANNELS), ms=rng.choice((0, 200, 800, 2000)))
        case "cut":
            return misbehave(op="disconnect", for_ms=rng.randint(1000, 4000), rest=rng.random() < 0.5)
        case _:
            coin = rng.choice(sorted(SIZES))
            return misbehave(op="trade", coin=coin, side=rng.choice("BA"), sz=rng.choice(SIZES[coin]))


def schedule(seed: int) -> list[tuple[float, Fault]]:
    """Faults and their times in seconds, a few of them close together."""
    rng = random.Random(seed)
    at_s, faults = 1.0, []
    while at_s < STORM_S:
        faults.append((at_s, draw(rng)))
        at_s += rng.choice((0.1, rng.uniform(0.3, 2), rng.uniform(1, 4)))
    return faults


class Storm:
    """Carries a schedule out."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._frozen: list[tuple[float, int]] = []

    async def blow(self, faults: Sequence[tuple[float, Fault]]) -> None:
        """Cause every fault at its time; returns after the last one, and lets nothing frozen behind."""
        began_s = time.monotonic()
        for at_s, fault in faults:
            await self._reach(began_s + at_s)
            await self._cause(fault)
        await self._reach(began_s + STORM_S)
        await self._reach(max((thaw_s for thaw_s, _ in self._frozen), default=0.0))
        for channel in CHANNELS:
            await self._stack.control(op="delay", channel=channel, ms=0)

    async def _reach(self, at_s: float) -> None:
        async def reached() -> bool:
            now_s = time.monotonic()
            for item in [item for item in self._frozen if item[0] <= now_s]:
                self._frozen.remove(item)
                _signal(item[1], signal.SIGCONT)
            return now_s >= at_s

        await until("the next fault is due", reached, within_s=STORM_S)

    async def _cause(self, fault: Fault) -> None:
        match fault:
            case Kill(service):
                _signal(self._stack.pid_of(service), signal.SIGKILL)
            case Freeze(service, for_s):
                pid = self._stack.pid_of(service)
                _signal(pid, signal.SIGSTOP)
                self._frozen.append((time.monotonic() + for_s, pid))
            case Misbehave(op):
                facts = dict(op)
                if facts["op"] == "disconnect":
                    facts["all"] = True
                if facts["op"].startswith("drop"):
                    facts["address"] = self._stack.address
                await self._stack.control(**facts)


def _signal(pid: int, number: signal.Signals) -> None:
    # A service that was killed a moment ago may not have a successor yet.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.mark.parametrize("seed", [int(text) for text in os.environ.get("STORM_SEEDS", "1 2").split()])
async def test_a_storm_of_faults_leaves_books_that_agree(
    tmp_path: Path, verdict: Callable[[str], None], seed: int
) -> None:
    faults = schedule(seed)
    told = f"seed {seed}: " + "; ".join(f"{at_s:.1f} {fault}" for at_s, fault in faults)
    verdict(f"{told}: not survived")
    async with running(tmp_path, seed=seed) as stack:
        await stack.wait_event("quoting", within_s=60)
        await Storm(stack).blow(faults)
        calm_s = time.monotonic()
        calm_ms = await until("the exchange answers", stack.exchange_time_ms, within_s=10, ignoring=aiohttp.ClientError)
        await stack.wait_quoted(*SIZES, after_ms=calm_ms, within_s=QUOTING_AGAIN_S)
        again_s = time.monotonic() - calm_s
        await stack.wait_line(
            "a status line with orders in every market",
            lambda line: line.get("event") == "status" and all(market["resting"] >= 2 for market in line["markets"]),
            after=len(stack.lines),
            within_s=QUOTING_AGAIN_S - again_s,
        )
        summary = await stack.stop()
    fills = sum(market["fills"] for market in summary["markets"])
    verdict(f"{told}: quoting again after {again_s:.1f} s, {fills} fills, {summary['integrity']}")
    assert_books_agree(summary)
    assert stack.process.returncode == 0
