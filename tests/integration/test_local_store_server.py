"""`perpmaker store` as a process: who gets in, who may write what, what survives, and what it refuses to start with."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from tests.support.order_state_stack import free_port
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import RedisCredentials
from perpmaker.api.store_acl import acl_file
from perpmaker.order_state.core.ledger import OpeningEntry
from perpmaker.order_state.store.records import Write
from perpmaker.order_state.store.redis_store import Store, StoreDownError
from perpmaker.risk import record as records
from perpmaker.risk.record import Record
from perpmaker.risk.store import RiskStore, StoreUnavailableError

TRIPPED = records.trip(Record(), "BTC", "t1", "manual", 5)
OPENING = Write(entries=(OpeningEntry(market="BTC", sz_e8=7, entry_px_e8=1, exchange_time_ms=5),))


@dataclass
class Server:
    """A running `perpmaker store`."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Address as the services are told it: without any password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def credentials(self, user: str) -> RedisCredentials:
        """How a service signs in."""
        return RedisCredentials(user=user, password_file=self.folder / f"{user}-password")

    def set_passwords(self, order_state: str, risk: str) -> None:
        """What the Secret holds, as it is mounted."""
        (self.folder / "users.acl").write_text(acl_file(order_state, risk))
        (self.folder / "order-state-password").write_text(order_state)
        (self.folder / "risk-password").write_text(f"{risk}\n")

    def client(self, user: str | None = None, password: str | None = None) -> Redis:
        return Redis(port=self.port, username=user, password=password)

    async def start(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        arguments = ("--data", self.folder / "data", "--acl-file", self.folder / "users.acl", "--port", self.port)
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perpmaker.cli", "store", "--host", "127.0.0.1", *map(str, arguments)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

        async def is_asking_for_a_password() -> bool:
            async with self.client() as anybody:
                try:
                    await anybody.ping()
                except AuthenticationError:
                    return True
            raise AssertionError("it answers without a password")

        await until("the store listens", is_asking_for_a_password, within_s=30, ignoring=RedisError)

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(HANG_S):
            return await self.process.wait()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    running = Server(tmp_path, free_port())
    running.set_passwords("orders' secret", "risk's secret")
    await running.start()
    yield running
    if running.process is not None and running.process.returncode is None:
        await running.end(signal.SIGKILL)


@asynccontextmanager
async def order_store(server: Server) -> AsyncIterator[Store]:
    store = Store(server.url, "main", server.credentials("order-state"))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def risk_store(server: Server) -> AsyncIterator[RiskStore]:
    store = RiskStore(server.url, "main", server.credentials("risk"))
    try:
        yield store
    finally:
        await store.close()


async def _connected_again(store: Store) -> None:
    """Spend the connections that died with the server."""

    async def answers() -> bool:
        await store.reopen({})
        await store.replay()
        return True

    await until("the store answers again", answers, ignoring=StoreDownError)


async def test_both_services_find_every_command_they_need(server: Server) -> None:
    async with order_store(server) as orders, risk_store(server) as risk:
        await orders.open()
        assert await orders.acquire("BTC", 0) == 1
        await orders.commit(OPENING)
        await orders.retire([])
        await orders.ping()
        assert await orders.reopen({"BTC": 1}) is False
        assert (await orders.replay()).entries == OPENING.entries
        assert await orders.find("0x00") is None
        assert await orders.history("0x00", 0) == []
        await risk.load()
        await risk.save_record(TRIPPED)
        await risk.save_days({})
        assert (await risk.load()).record == TRIPPED


@pytest.mark.parametrize(
    ("user", "password", "foreign"),
    [("order-state", "orders' secret", "pm:{main}:risk:latch"), ("risk", "risk's secret", "pm:{main}:orders:meta")],
)
async def test_neither_service_reads_or_writes_the_others_keys(
    server: Server, user: str, password: str, foreign: str
) -> None:
    async with server.client(user, password) as client:
        for command in (("SET", foreign, "x"), ("GET", foreign), ("DEL", foreign), ("HSET", foreign, "a", "b")):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command)


async def test_risk_cannot_reach_orders_by_way_of_their_functions(server: Server) -> None:
    async with order_store(server) as orders, server.client("risk", "risk's secret") as risk:
        await orders.open()
        for command in (
            ("FCALL", "pm_own", 1, "pm:{main}:orders:meta"),
            ("FUNCTION", "FLUSH"),
            ("EVAL", "return 1", 0),
        ):
            with pytest.raises(NoPermissionError):
                await risk.execute_command(*command)


@pytest.mark.parametrize("user", ["order-state", "risk"])
async def test_nobody_may_administer_the_server(server: Server, user: str) -> None:
    async with server.client(user, (server.folder / f"{user}-password").read_text().strip()) as client:
        for command in (
            ("ACL", "LIST"),
            ("CONFIG", "SET", "appendonly", "no"),
            ("FLUSHALL",),
            ("SHUTDOWN",),
            ("CLIENT", "KILL", "TYPE", "normal"),
            ("REPLICAOF", "somewhere", "1"),
        ):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command)


@pytest.mark.parametrize(
    ("user", "password"),
    [(None, None), ("default", ""), ("default", "anything"), ("order-state", "risk's secret"), ("nobody", "x")],
)
async def test_nobody_gets_in_without_a_user_and_its_password(
    server: Server, user: str | None, password: str | None
) -> None:
    async with server.client(user, password) as client:
        with pytest.raises(AuthenticationError):
            await client.execute_command("GET", "pm:{main}:orders:meta")


async def test_what_was_durable_survives_a_kill_and_only_the_data_folder_is_written(server: Server) -> None:
    before = {path.name for path in server.folder.iterdir()}
    async with order_store(server) as orders, risk_store(server) as risk:
        await orders.open()
        await orders.commit(OPENING)
        assert await orders.acquire("BTC", 0) == 1
        await risk.load()
        await risk.save_record(TRIPPED)
        await server.end(signal.SIGKILL)
        await server.start()
        await _connected_again(orders)
        assert (await orders.replay()).entries == OPENING.entries
        assert (await risk.load()).record == TRIPPED
    assert {path.name for path in server.folder.iterdir()} == before
    assert [path.name for path in (server.folder / "data").iterdir()] == ["appendonlydir"]


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/exe").readlink().name


async def test_it_becomes_the_server_and_ends_cleanly_on_request(server: Server) -> None:
    assert server.process is not None
    assert "server" in _program(server.process.pid)
    assert await server.end(signal.SIGTERM) == 0


async def test_a_rotated_password_is_used_for_the_next_connection(server: Server) -> None:
    async with order_store(server) as orders, risk_store(server) as risk:
        await orders.open()
        await risk.load()
        server.set_passwords("new of orders", "new of risk")
        await server.end(signal.SIGTERM)
        await server.start()
        await _connected_again(orders)
        await risk.save_record(TRIPPED)


async def test_a_missing_password_file_is_named_and_no_password_is_shown(server: Server) -> None:
    wrong = server.credentials("order-state")
    async with order_store(server) as orders:
        wrong.password_file.unlink()
        with pytest.raises(StoreDownError, match="order-state-password: No such file"):
            await orders.open()
    async with risk_store(server) as risk:
        (server.folder / "risk-password").write_text("not this one")
        with pytest.raises(StoreUnavailableError) as caught:
            await risk.load()
    assert "not this one" not in str(caught.value)


def _no_acl(folder: Path) -> None:
    (folder / "users.acl").unlink()


def _open_acl(folder: Path) -> None:
    (folder / "users.acl").write_text("user risk on nopass ~* +@all\n")


def _no_data(folder: Path) -> None:
    (folder / "data").rmdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_acl, "mount the Secret"),
        (_open_acl, "user default off"),
        (_no_data, "mount a volume"),
    ],
)
async def test_it_refuses_to_start_with_words_that_help(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "users.acl").write_text(acl_file("a", "b"))
    spoil(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpmaker.cli", "store", "--port", str(free_port())),
        *("--data", str(tmp_path / "data"), "--acl-file", str(tmp_path / "users.acl")),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "1000"},
    )
    async with asyncio.timeout(HANG_S):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert said in errors.decode()


def test_the_acl_holds_digests_and_no_password() -> None:
    text = acl_file("first secret", "second secret")
    assert "secret" not in text
    assert text.splitlines()[0].startswith("user default off ")
    with pytest.raises(ValueError, match="needs a password"):
        acl_file("", "x")


def test_the_server_is_executable_by_whoever_runs_the_image() -> None:
    from perpmaker.local.store import server_binary

    assert server_binary().stat().st_mode & stat.S_IXOTH
