"""A running order-state on a store that it has for itself, with scripted neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.order_state_stack import RedisProcess, Stack, redis_server, stack


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server("valkey", tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
async def running(server: RedisProcess, tmp_path: Path) -> AsyncIterator[Stack]:
    with server.client() as client:
        client.flushall()
    async with stack(tmp_path, server.url) as made:
        yield made
