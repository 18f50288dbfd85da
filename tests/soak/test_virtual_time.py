"""Time jumps over what nobody needs, and over nothing else."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tests.support.virtual_time import VirtualClock, run_virtually

from perpmaker.gateway.budget import IP_WEIGHT_PER_MINUTE, Budgets, BudgetSettings
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.decode import reference_wire

START_MS = 1_760_000_000_000


def test_an_hour_passes_in_a_moment_and_the_clock_shows_it() -> None:
    async def wait() -> tuple[int, float]:
        clock = VirtualClock(START_MS)
        await asyncio.sleep(3_600)
        return clock.now_ms(), clock.monotonic_s()

    began_s = time.monotonic()
    assert run_virtually(wait()) == (START_MS + 3_600_000, 3_600.0)
    assert time.monotonic() - began_s < 60


def test_what_is_said_over_a_socket_arrives_before_time_passes() -> None:
    async def talk() -> float:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line)

        server = await asyncio.start_server(answer, "127.0.0.1")
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        loop = asyncio.get_running_loop()
        loop.call_later(7_200, lambda: None)
        for _ in range(100):
            writer.write(b"a line\n")
            await reader.readline()
        writer.close()
        server.close()
        return loop.time()

    assert run_virtually(talk()) < 3_600


def test_a_thread_at_work_is_waited_for() -> None:
    async def wait() -> bool:
        begun, ended = threading.Event(), threading.Event()

        def work() -> None:
            begun.wait()
            ended.set()

        working = asyncio.get_running_loop().run_in_executor(None, work)
        asyncio.get_running_loop().call_soon(begun.set)
        await working
        return ended.is_set()

    assert run_virtually(wait())


def test_a_read_waits_two_seconds_of_the_loops_time_for_its_budget() -> None:
    async def read() -> float:
        clock = VirtualClock(START_MS)
        budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
        for _ in range(2):
            budgets.ip_weight.take_privileged(IP_WEIGHT_PER_MINUTE, clock.monotonic_s())
        rest = Rest("http://127.0.0.1:1", budgets, clock)
        with pytest.raises(ReadError, match="ip_budget"):
            await rest.info(reference_wire.META, "meta")
        return asyncio.get_running_loop().time()

    assert 2 <= run_virtually(read()) < 3
