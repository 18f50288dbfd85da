"""The embedded store: durable across a kill, one user for each owner, and clear words when there is none."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio as redis
from redis.exceptions import NoPermissionError
from tests.support.local import Events, ready

from perpmaker.local import store
from perpmaker.local.events import Restarted
from perpmaker.local.processes import Child, Condition

READY = frozenset({Condition.READY})


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A directory with a short path, since a socket's path is limited."""
    path = Path(tempfile.mkdtemp(prefix="pm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def events() -> Events:
    return Events()


REDIS_SERVER = shutil.which("redis-server")


@pytest.fixture(
    params=[
        None,
        pytest.param(
            REDIS_SERVER,
            marks=pytest.mark.skipif(REDIS_SERVER is None, reason="redis-server, the fallback, is not installed"),
        ),
    ],
    ids=["embedded", "redis-server"],
)
async def running(
    request: pytest.FixtureRequest, runtime: Path, tmp_path: Path, events: Events
) -> AsyncIterator[tuple[Child, store.StoreAddress]]:
    binary = None if request.param is None else Path(request.param)
    spec, address = store.embedded(runtime, tmp_path, tmp_path / "store.log", ["demo"], binary)
    child = await ready(spec, events)
    yield child, address
    await child.stop()


async def test_a_killed_store_comes_back_at_the_same_address_with_its_data(
    running: tuple[Child, store.StoreAddress], events: Events
) -> None:
    child, address = running
    async with redis.Redis.from_url(address.url) as client:
        await client.set("pm:{demo}:orders:x", "kept")
        os.kill(child.pid or 0, signal.SIGKILL)
        await events.until(lambda event: isinstance(event, Restarted))
        await child.reach(READY, 20)
    async with redis.Redis.from_url(address.url) as client:
        assert await client.get("pm:{demo}:orders:x") == b"kept"


async def test_each_owner_writes_its_own_keys_and_no_others(running: tuple[Child, store.StoreAddress]) -> None:
    _, address = running
    async with redis.Redis.from_url(address.url_for("order-state", "demo")) as client:
        assert await client.set("pm:{demo}:orders:x", "1")
        with pytest.raises(NoPermissionError):
            await client.set("pm:{demo}:risk:latch", "1")
    async with redis.Redis.from_url(address.url_for("risk", "demo")) as client:
        assert await client.set("pm:{demo}:risk:latch", "1")
        with pytest.raises(NoPermissionError):
            await client.set("pm:{demo}:orders:x", "1")


async def test_risk_can_know_that_its_latch_is_on_disk(running: tuple[Child, store.StoreAddress]) -> None:
    _, address = running
    async with redis.Redis.from_url(address.url_for("risk", "demo")) as client:
        await client.set("pm:{demo}:risk:latch", "1")
        try:
            synced = await client.execute_command("WAITAOF", 1, 0, 1_500)
        except redis.ResponseError:
            assert await client.config_get("appendfsync") == {"appendfsync": "always"}
        else:
            assert synced[0] == 1


async def test_a_new_simulated_exchange_keeps_only_the_kill_latch(running: tuple[Child, store.StoreAddress]) -> None:
    _, address = running
    async with redis.Redis.from_url(address.url) as client:
        for key in ("orders:live", "orders:ledger", "risk:days", "risk:latch"):
            await client.set(f"pm:{{demo}}:{key}", "1")
        await client.set("pm:{other}:orders:live", "1")
        assert await store.forget_simulated(address.url, "demo") == 3
        assert set(await client.keys("*")) == {b"pm:{demo}:risk:latch", b"pm:{other}:orders:live"}


async def test_an_external_server_with_records_of_the_account_is_refused(
    running: tuple[Child, store.StoreAddress],
) -> None:
    _, address = running
    await store.refuse_foreign_records(address.url, "demo")
    async with redis.Redis.from_url(address.url) as client:
        await client.set("pm:{demo}:orders:live", "1")
    with pytest.raises(store.StoreUnusableError, match="name an empty database"):
        await store.refuse_foreign_records(address.url, "demo")


async def test_an_external_server_that_does_not_answer_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(store.StoreUnusableError, match="leave --redis-url out"):
        await store.check(f"unix://{tmp_path}/nobody.sock")


async def test_a_password_in_the_url_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(store.StoreUnusableError) as failure:
        await store.check(f"unix://user:geheim@{tmp_path}/nobody.sock")
    assert "geheim" not in str(failure.value)


async def test_something_that_is_no_redis_address_is_said_to_be_none() -> None:
    with pytest.raises(store.StoreUnusableError, match="not a Redis address"):
        await store.check("localhost:6379")
