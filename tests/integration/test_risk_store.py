"""The latch's store on a real server: durable, honest about loss, and its own keys only."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.support.server import StoreServer, embedded_binary

from perpmaker.common.clock import ManualClock
from perpmaker.risk import record as records
from perpmaker.risk.day import Day
from perpmaker.risk.keeper import Keeper
from perpmaker.risk.record import LATCH_LOST, Record
from perpmaker.risk.store import RiskStore, StoreNotDurableError, StoreUnavailableError

TRIPPED = records.trip(Record(), "BTC", "t1", "manual", 5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    running = StoreServer(tmp_path)
    running.start()
    yield running
    running.kill()


def keeper_on(store: RiskStore) -> Keeper:
    return Keeper(store, ManualClock(), lambda: "new-trip")


async def test_a_record_survives_a_kill_of_the_server_right_after_the_write(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    await store.load()
    await store.save_record(TRIPPED)
    server.kill()
    server.start()
    assert (await store.load()).record == TRIPPED
    await store.close()


async def test_every_key_is_risks_own(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    await store.load()
    await store.save_record(TRIPPED)
    await store.save_days({"BTC": Day(date="2026-03-02", base_e8=1)})
    with redis.Redis.from_url(server.url) as client:
        keys = {key.decode() for key in client.scan_iter("*")}
    assert keys == {"pm:{acct}:risk:latch", "pm:{acct}:risk:initialised", "pm:{acct}:risk:days"}
    await store.close()


async def test_an_empty_store_is_fresh_until_order_state_says_otherwise(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    keeper = keeper_on(store)
    await keeper.load()
    assert not keeper.verified_fresh
    keeper.confirm_fresh(ever_traded=False)
    assert await keeper.durable(5)
    assert keeper.verified_fresh
    assert keeper.record == Record()
    again = await store.load()
    assert (again.record, again.initialised) == (Record(), True)
    await store.close()


async def test_an_empty_store_of_an_account_that_has_traded_is_a_lost_latch(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    keeper = keeper_on(store)
    await keeper.load()
    keeper.confirm_fresh(ever_traded=True)
    assert await keeper.durable(5)
    assert keeper.record.latch("").reason == LATCH_LOST
    assert (await store.load()).record == keeper.record
    await store.close()


@pytest.mark.parametrize("damage", ["missing", "unreadable", "only the days are left"])
async def test_a_lost_record_means_halted(server: StoreServer, damage: str) -> None:
    store = RiskStore(server.url, "acct")
    await store.load()
    await store.save_record(Record())
    await store.save_days({})
    with redis.Redis.from_url(server.url) as client:
        if damage == "unreadable":
            client.set("pm:{acct}:risk:latch", b"\xff{")
        else:
            client.delete("pm:{acct}:risk:latch")
        if damage == "only the days are left":
            client.delete("pm:{acct}:risk:initialised")
    keeper = keeper_on(store)
    await keeper.load()
    assert keeper.verified_fresh
    assert keeper.record.latch("").reason == LATCH_LOST
    await store.close()


async def test_a_trip_holds_while_the_store_is_down_and_a_release_does_not(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    keeper = keeper_on(store)
    await keeper.load()
    keeper.confirm_fresh(ever_traded=False)
    assert await keeper.durable(5)
    server.kill()
    keeper.tighten(lambda record: records.trip(record, "BTC", "t1", "manual", 5))
    keeper.tighten(lambda record: records.verified_empty(record, "t1"))
    assert keeper.record.latch("BTC").trip_id == "t1"
    assert not await keeper.durable(0.2)
    assert not keeper.store_live
    with pytest.raises(StoreUnavailableError):
        await keeper.loosen(lambda record: records.acknowledge(record, "t1")[0])
    assert keeper.record.latch("BTC").is_latched
    server.start()
    await keeper.loosen(lambda record: records.acknowledge(record, "t1")[0])
    assert not keeper.record.latch("BTC").is_latched
    assert (await store.load()).record == keeper.record
    await store.close()


async def test_a_trip_before_the_record_could_be_read_joins_it(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    await store.load()
    await store.save_record(records.close(Record(), "ETH", "d1"))
    keeper = keeper_on(store)
    keeper.tighten(lambda record: records.trip(record, "BTC", "t1", "manual", 5))
    await keeper.load()
    assert keeper.record.latch("BTC").trip_id == "t1"
    assert keeper.record.closed == {"ETH": "d1"}
    await store.close()


async def test_a_change_that_tightens_while_a_release_is_written_is_not_lost(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    keeper = keeper_on(store)
    await keeper.load()
    keeper.confirm_fresh(ever_traded=False)
    assert await keeper.durable(5)
    keeper.tighten(lambda record: records.close(record, "BTC", "d1"))
    assert await keeper.durable(5)
    release = asyncio.create_task(keeper.loosen(lambda record: records.reopen(record, "BTC")))
    await asyncio.sleep(0)
    assert not release.done()
    keeper.tighten(lambda record: records.trip(record, "ETH", "t1", "manual", 5))
    await release
    assert await keeper.durable(5)
    assert keeper.record.closed == {}
    assert keeper.record.latch("ETH").is_latched
    assert (await store.load()).record == keeper.record
    await store.close()


async def test_nothing_is_written_before_the_record_was_read(server: StoreServer) -> None:
    store = RiskStore(server.url, "acct")
    with pytest.raises(StoreUnavailableError):
        await store.save_record(TRIPPED)
    await store.close()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = RiskStore(f"unix://{tmp_path}/nobody.sock", "acct")
    with pytest.raises(StoreUnavailableError):
        await store.load()
    with pytest.raises(StoreUnavailableError):
        await store.save_days({})
    await store.close()


class PlainServer(StoreServer):
    """The same server with options of its own."""

    def __init__(self, folder: Path, program: Path, options: str) -> None:
        super().__init__(folder, program)
        self._options = options

    def start(self) -> None:
        wrapper = self._folder / "server"
        real = self._program
        wrapper.write_text(f'#!/bin/sh\nexec {real} "$@" {self._options}\n')
        wrapper.chmod(0o755)
        self._program = wrapper
        super().start()


async def test_a_server_without_append_only_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    server = PlainServer(tmp_path, embedded_binary(), "--appendonly no")
    server.start()
    store = RiskStore(server.url, "acct")
    with pytest.raises(StoreNotDurableError, match="appendonly yes"):
        await store.load()
    await store.close()
    server.kill()


async def test_an_older_server_is_taken_with_appendfsync_always_and_refused_without(tmp_path: Path) -> None:
    """The command is renamed away, which is how a server looks that never had it."""
    server = PlainServer(tmp_path, embedded_binary(), "--rename-command WAITAOF gone")
    server.start()
    store = RiskStore(server.url, "acct")
    with pytest.raises(StoreNotDurableError):
        await store.load()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("appendfsync", "always")
    await store.load()
    await store.save_record(TRIPPED)
    assert (await store.load()).record == TRIPPED
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-config")
    with pytest.raises(StoreNotDurableError):
        await store.load()
    await store.close()
    server.kill()


REDIS_SERVER = shutil.which("redis-server")


@pytest.mark.skipif(REDIS_SERVER is None, reason="no redis-server on PATH")
async def test_redis_from_the_path_works_with_appendfsync_always(tmp_path: Path) -> None:
    server = PlainServer(tmp_path, Path(str(REDIS_SERVER)), "--appendfsync always")
    server.start()
    store = RiskStore(server.url, "acct")
    await store.load()
    await store.save_record(TRIPPED)
    assert (await store.load()).record == TRIPPED
    await store.close()
    server.kill()
