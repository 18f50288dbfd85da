"""The whole stack as a user starts it: `perpmaker up --json` in a process of its own, watched line by line.

Every wait names its condition and has a deadline; a wait that fails shows what was seen and the end of every log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "deploy" / "examples"
PERPMAKER = (sys.executable, "-m", "perpmaker.cli")

Line = dict[str, Any]


class Stack:
    """A running `perpmaker up`."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path) -> None:
        self.process = process
        self.data = data
        self.lines: list[Line] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            async with self._news:
                self.lines.append(json.loads(raw))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def wait_line(self, what: str, matches: Callable[[Line], bool], *, after: int = 0, within_s: float) -> int:
        """Wait for a line (also one seen already, from index `after` on); returns the index behind it."""
        seen = after
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    while seen < len(self.lines):
                        seen += 1
                        if matches(self.lines[seen - 1]):
                            return seen
                    if self._reader.done():
                        raise AssertionError(f"the stack ended before: {what}\n{self.story()}")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {what}\n{self.story()}") from None

    async def wait_event(self, event: str, *, after: int = 0, within_s: float = 30, **facts: Any) -> int:
        """Wait for a line of an event whose fields have the given values."""
        return await self.wait_line(
            f"{event} {facts}",
            lambda line: line.get("event") == event and all(line.get(key) == value for key, value in facts.items()),
            after=after,
            within_s=within_s,
        )

    async def wait_fills(self, count: int, *, after: int = 0, within_s: float = 60) -> int:
        """Wait for a number of fills."""
        for _ in range(count):
            after = await self.wait_event("fill", after=after, within_s=within_s)
        return after

    def pid_of(self, service: str) -> int:
        """Process id of the newest incarnation of a service."""
        pids = [
            int(line["pid"])
            for line in self.lines
            if line.get("event") in {"started", "restarted"} and line.get("service") == service
        ]
        return pids[-1]

    def services(self) -> set[str]:
        """Names of all processes."""
        return {str(line["service"]) for line in self.lines if line.get("event") == "started"}

    def kill(self, service: str) -> None:
        """SIGKILL the newest incarnation of a service."""
        os.kill(self.pid_of(service), signal.SIGKILL)

    @property
    def summary(self) -> Line:
        """The closing line."""
        return self.lines[-1]

    def part(self, service: str) -> dict[str, Any]:
        """Configuration a service was started with."""
        return dict(json.loads((self.data / "parts" / f"{service.replace('/', '-')}.json").read_text()))

    def target(self, service: str) -> str:
        """gRPC address of a service."""
        return str(self.part(service)["endpoint"]["listen"])

    @property
    def api(self) -> str:
        """REST address of the simulated exchange."""
        return str(self.part("gateway/demo")["api_url"])

    @property
    def address(self) -> str:
        """Address of the account at the exchange."""
        return str(self.part("gateway/demo")["address"])

    @property
    def control_url(self) -> str:
        """Control port of the simulated exchange."""
        (url,) = (line["control"] for line in self.lines if line["event"] == "ready" and line["service"] == "venue")
        return str(url)

    async def control(self, **op: Any) -> dict[str, Any]:
        """Do something to the simulated exchange through its control port."""
        async with aiohttp.ClientSession() as session, session.post(self.control_url, json=op) as answer:
            body = await answer.json()
            assert body["ok"], body
            return dict(body["result"])

    async def info(self, **request: Any) -> Any:
        """Ask the exchange, at its control port, where an observer is not limited."""
        async with aiohttp.ClientSession() as session, session.post(f"{self.control_url}/info", json=request) as answer:
            return await answer.json()

    async def exchange_time_ms(self) -> int:
        """Clock of the exchange."""
        return int((await self.info(type="exchangeStatus"))["time"])

    async def wait_exchange_time(self, ms: int, *, within_s: float) -> int:
        """Wait until the exchange answers and its clock has passed a moment; returns its clock."""

        async def passed() -> int | None:
            now_ms = await self.exchange_time_ms()
            return now_ms if now_ms > ms else None

        return await until(f"exchange time {ms}", passed, within_s=within_s, ignoring=aiohttp.ClientError)

    async def open_orders(self, coin: str = "") -> list[dict[str, Any]]:
        """Open orders of the account as the exchange tells anybody, of all coins or of one."""
        found = await self.info(type="openOrders", user=self.address)
        return [order for order in found if coin in ("", order["coin"])]

    async def wait_quoted(self, *coins: str, after_ms: int, within_s: float) -> None:
        """Wait until each coin rests on both sides at the exchange, one of its orders placed after a moment."""

        async def quoted() -> bool:
            resting = {coin: await self.open_orders(coin) for coin in coins}
            return all(
                {order["side"] for order in orders} == {"A", "B"}
                and any(order["timestamp"] > after_ms for order in orders)
                for orders in resting.values()
            )

        try:
            await until(f"{coins} quoted again", quoted, within_s=within_s, ignoring=aiohttp.ClientError)
        except AssertionError as error:
            shown = [line for line in self.lines if line.get("event") == "status"][-2:]
            raise AssertionError(f"{error}\n{json.dumps(shown)}\n{self.story()}") from None

    async def finish(self, within_s: float = 90) -> Line:
        """Wait for the end and return the summary."""
        try:
            async with asyncio.timeout(within_s):
                await self._reader
                await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"did not end within {within_s} s\n{self.story()}") from None
        assert self.lines, self.story()
        assert self.summary.get("event") == "summary", self.story()
        return self.summary

    async def stop(self, within_s: float = 60) -> Line:
        """SIGTERM, then `finish`."""
        self.process.send_signal(signal.SIGTERM)
        return await self.finish(within_s)

    def story(self, lines: int = 25) -> str:
        """What happened, for a failed test: the newest lines and the end of every log."""
        told = [json.dumps(line) for line in self.lines if line.get("event") not in {"status", "fill"}][-lines:]
        logs = [
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted((self.data / "logs").glob("*.log"))
        ]
        return "\n".join([*told, *logs])


@contextlib.asynccontextmanager
async def running(
    data: Path, *options: str, files: Path = EXAMPLES, seed: int = 7, log_level: str = "info"
) -> AsyncIterator[Stack]:
    """Start the stack on a data directory; whatever still runs at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *PERPMAKER,
        "up",
        "-f",
        str(files),
        "--json",
        "--data-dir",
        str(data),
        "--seed",
        str(seed),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
        cwd=ROOT,
    )
    stack = Stack(process, data)
    try:
        yield stack
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        stack._reader.cancel()
        await asyncio.gather(stack._reader, return_exceptions=True)


def assert_books_agree(summary: Line) -> None:
    """The promise of every run: ledger and exchange tell the same, nothing rests, nothing is in doubt."""
    assert summary["integrity"] == "ok", summary
    assert summary["open_orders_at_exit"] == 0, summary
    assert summary["unresolved_orders"] == 0, summary
    for market in summary["markets"]:
        assert market["position"] == market["venue_position"], summary
