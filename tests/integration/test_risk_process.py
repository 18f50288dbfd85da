"""Risk as a process of its own: what a kill of it cannot undo, and what it refuses to start on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
from grpc import aio
from tests.support.risk import BTC
from tests.support.risk_house import RiskHouse, Watched
from tests.support.waiting import HANG_S, until

from perpmaker.common import rpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub

PROGRAM = "import pathlib, sys; from perpmaker.risk.app import main; main(pathlib.Path(sys.argv[1]))"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[RiskHouse]:
    house = RiskHouse(tmp_path)
    house.store.start()
    await house.open_gateway()
    await house.open_orders()
    yield house
    await house.close()


async def start(house: RiskHouse) -> asyncio.subprocess.Process:
    config = house.folder / "risk.json"
    config.write_text(house.part.model_dump_json())
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(config), stderr=asyncio.subprocess.PIPE
    )


async def open_within(house: RiskHouse) -> tuple[aio.Channel, Watched]:
    channel = rpc.connect(house.part.endpoint.listen)
    await asyncio.wait_for(rpc.ready(channel), HANG_S)
    return channel, Watched(RiskServiceStub(channel))


async def test_a_latch_outlives_sigkill_right_after_its_answer(house: RiskHouse) -> None:
    process = await start(house)
    channel, watched = await open_within(house)
    await watched.wait("an open permission", lambda p: not p.reasons)
    answer = await RiskServiceStub(channel).Trip(risk.TripRequest(market=BTC), timeout=HANG_S)
    process.kill()
    await process.wait()
    await watched.close()
    await channel.close()

    house.orders.cancels.clear()
    process = await start(house)
    channel, watched = await open_within(house)
    killed = await watched.wait("a killed permission", lambda p: p.killed)
    assert killed.trip_id == answer.trip_id

    async def emptied() -> bool:
        return any(market == BTC for market, _ in house.orders.cancels)

    await until("the book is emptied again", emptied)
    await watched.close()
    await channel.close()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), HANG_S) == 0


async def test_a_store_that_cannot_keep_a_latch_is_refused_with_the_remedy(house: RiskHouse) -> None:
    with redis.Redis.from_url(house.store.url) as client:
        client.config_set("appendonly", "no")
    process = await start(house)
    assert process.stderr is not None
    said = await asyncio.wait_for(process.stderr.read(), HANG_S)
    assert await process.wait() == 2
    assert b"appendonly yes" in said


async def test_a_store_that_dies_before_the_stop_does_not_stop_the_stop(house: RiskHouse) -> None:
    process = await start(house)
    channel, watched = await open_within(house)
    await watched.wait("an open permission", lambda p: not p.reasons)
    house.store.kill()
    await watched.wait("no store", lambda p: "store" in p.reasons)
    await watched.close()
    await channel.close()
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), HANG_S) == 0
