"""The reconnecting socket against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
from tests.support.waiting import HANG_S
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from perpmaker.common.clock import SystemClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.socket import Link, LossReason, Socket, SocketSettings


class Owner:
    """Keeps what the socket tells it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.opinion: LossReason | None = None

    async def opened(self, link: Link) -> None:
        self.events.put_nowait("opened")

    def received(self, frame: bytes, receive_ns: int) -> None:
        self.events.put_nowait(frame.decode())

    def lost(self, reason: LossReason) -> None:
        self.events.put_nowait(f"lost: {reason}")

    def verdict(self) -> LossReason | None:
        return self.opinion

    async def next(self) -> str:
        async with asyncio.timeout(HANG_S):
            return await self.events.get()


def _port(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


@contextlib.asynccontextmanager
async def _socket(owner: Owner, port: int, *, ping_s: float = 60, idle_s: float = 60) -> AsyncIterator[Budgets]:
    clock = SystemClock()
    budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
    settings = SocketSettings(f"ws://127.0.0.1:{port}/ws", ping_s, idle_s)
    task = asyncio.create_task(Socket("test", settings, owner, budgets, clock, random.Random(1)).run())
    try:
        yield budgets
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hear(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


async def _answer_pings(connection: ServerConnection) -> None:
    async for message in connection:
        if message == '{"method":"ping"}':
            await connection.send('{"channel":"pong"}')


async def test_socket_that_says_nothing_is_dead_and_is_opened_again() -> None:
    owner = Owner()
    async with serve(_hear, "127.0.0.1", 0) as server, _socket(owner, _port(server), idle_s=0.3):
        assert [await owner.next() for _ in range(3)] == ["opened", "lost: idle", "opened"]


async def test_pings_keep_a_quiet_socket_alive() -> None:
    owner = Owner()
    async with (
        serve(_answer_pings, "127.0.0.1", 0) as server,
        _socket(owner, _port(server), ping_s=0.1, idle_s=0.8),
    ):
        assert await owner.next() == "opened"
        for _ in range(10):
            assert await owner.next() == '{"channel":"pong"}'


async def test_owner_may_give_the_socket_up() -> None:
    owner = Owner()
    async with serve(_answer_pings, "127.0.0.1", 0) as server, _socket(owner, _port(server)):
        assert await owner.next() == "opened"
        owner.opinion = "silent"
        assert await owner.next() == "lost: silent"


async def test_server_that_is_away_is_tried_until_it_is_back() -> None:
    owner = Owner()
    async with serve(_hear, "127.0.0.1", 0) as server:
        port = _port(server)
    async with _socket(owner, port):
        assert await owner.next() == "lost: connect_failed"
        async with serve(_hear, "127.0.0.1", port):
            while (event := await owner.next()) != "opened":
                assert event == "lost: connect_failed"


async def test_close_by_the_server_is_a_loss() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close()

    owner = Owner()
    async with serve(close, "127.0.0.1", 0) as server, _socket(owner, _port(server)):
        assert [await owner.next() for _ in range(2)] == ["opened", "lost: socket_closed"]


@pytest.mark.parametrize(("status", "spent"), [(503, 0), (429, 3)])
async def test_attempts_before_the_exchange_spend_none_of_its_connections(status: int, spent: int) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(status, "")

    owner = Owner()
    async with (
        serve(_hear, "127.0.0.1", 0, process_request=refuse) as server,
        _socket(owner, _port(server)) as budgets,
    ):
        assert [await owner.next() for _ in range(3)] == ["lost: connect_failed"] * 3
        left = budgets.connects.level(SystemClock().monotonic_s())
    # The bucket refills by a quarter a second meanwhile.
    assert budgets.connects.capacity - left == pytest.approx(spent, abs=0.9)


async def test_an_outage_leaves_the_connections_of_the_time_after_it() -> None:
    owner = Owner()
    async with serve(_hear, "127.0.0.1", 0) as server:
        port = _port(server)
    async with _socket(owner, port) as budgets:
        assert [await owner.next() for _ in range(3)] == ["lost: connect_failed"] * 3
        assert budgets.connects.level(SystemClock().monotonic_s()) == budgets.connects.capacity
