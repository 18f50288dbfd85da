"""One account, every service a program of its own on loopback: what a pod runs, without a cluster."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio as redis
from grpc import aio
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from tests.containers.engines import Engine, Running
from tests.support.waiting import until

from perpmaker.api.desired import Addressing, ServiceAddress, Wallet, desired_parts
from perpmaker.api.load import load
from perpmaker.api.parts import RedisCredentials
from perpmaker.api.store_acl import acl_file
from perpmaker.common import rpc
from perpmaker.common.config import Part
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import ReferenceServiceStub

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
PASSWORDS = {"order-state": "first-secret", "risk": "second-secret"}


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Store:
    """The store command with its users."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self._engine = engine
        self._folder = folder
        self._acl = folder / "users.acl"
        self._acl.write_text(acl_file(PASSWORDS["order-state"], PASSWORDS["risk"]))
        (folder / "data").mkdir()
        for user, password in PASSWORDS.items():
            (folder / f"{user}-password").write_text(password)
        self.running = self.start()

    @property
    def url(self) -> str:
        """Address without a user."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Running:
        """Start (again) on the same data."""
        self.running = self._engine.run(
            [
                "store",
                *("--data", str(self._folder / "data")),
                *("--acl-file", str(self._acl)),
                *("--host", "127.0.0.1"),
                *("--port", str(self.port)),
            ],
            self._folder,
        )
        return self.running

    def credentials(self, user: str) -> RedisCredentials:
        """How a service signs in."""
        return RedisCredentials(user=user, password_file=self._folder / f"{user}-password")

    async def client(self, user: str) -> redis.Redis:
        """A client that has been answered."""
        client = redis.Redis.from_url(self.url, username=user, password=PASSWORDS[user])
        await until("the store answers", client.ping, within_s=30, ignoring=RedisError)
        return client


async def test_the_store_gives_each_service_its_own_keys_and_nobody_else_any(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path)
    orders, risk = await store.client("order-state"), await store.client("risk")
    await orders.set("pm:{main}:orders:a", "1")
    await risk.set("pm:{main}:risk:a", "1")
    with pytest.raises(NoPermissionError):
        await orders.set("pm:{main}:risk:a", "2")
    with pytest.raises(NoPermissionError):
        await risk.set("pm:{main}:orders:a", "2")
    stranger = redis.Redis.from_url(store.url)
    with pytest.raises(AuthenticationError):
        await stranger.get("pm:{main}:orders:a")
    for client in (orders, risk, stranger):
        await client.aclose()


async def test_a_killed_store_has_what_it_was_told_to_keep(engine: Engine, tmp_path: Path) -> None:
    store = Store(engine, tmp_path)
    risk = await store.client("risk")
    await risk.set("pm:{main}:risk:latch", "halted")
    await risk.execute_command("WAITAOF", 1, 0, 1000)  # type: ignore[no-untyped-call]
    await risk.aclose()
    store.running.kill()
    store.start()
    again = await store.client("risk")
    assert await again.get("pm:{main}:risk:latch") == b"halted"
    await again.aclose()


class Account:
    """Every program of one account on a venue of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        loaded = load([EXAMPLES / "account.yaml", EXAMPLES / "btc.yaml"])
        (account,), makers = loaded.accounts, loaded.makers
        venue_port, control_port, *ports = free_ports(6)
        gateway, order_state, risk, quoter = (
            ServiceAddress(listen=f"127.0.0.1:{port}", target=f"127.0.0.1:{port}") for port in ports
        )
        self.venue_url = f"http://127.0.0.1:{venue_port}"
        # Whoever only looks asks there: what the exchange lets a network address ask is the gateway's.
        self.observers_url = f"http://127.0.0.1:{control_port}"
        self._gateway_target = gateway.target
        store = Store(engine, folder)
        addressing = Addressing(
            gateway=gateway,
            order_state=order_state,
            risk=risk,
            quoters={maker.metadata.name: quoter for maker in makers},
            order_state_redis_url=store.url,
            risk_redis_url=store.url,
            api_url=self.venue_url,
            wallet=Wallet(simulated_seed="a seed of this test"),
            order_state_redis_credentials=store.credentials("order-state"),
            risk_redis_credentials=store.credentials("risk"),
        )
        parts = desired_parts(account, makers, addressing)
        self.venue = engine.run(
            ["venue", "--host", "127.0.0.1", "--port", str(venue_port), "--control-port", str(control_port)], folder
        )
        self.services = {
            name: engine.run([name, "--config", str(_write(folder / f"{name}.json", part))], folder)
            for name, part in (
                ("order-state", parts.order_state),
                ("gateway", parts.gateway),
                ("risk", parts.risk),
                ("quoter", parts.quoters["btc"]),
            )
        }

    async def address(self) -> str:
        """The address the gateway trades as."""
        async with rpc.connect(self._gateway_target) as channel:
            stub = ReferenceServiceStub(channel)
            status = await stub.GetStatus(gateway_pb2.GetStatusRequest(), timeout=1.0)
            return str(status.account_address)

    async def open_orders(self, http: aiohttp.ClientSession, address: str) -> list[dict[str, Any]]:
        """What rests at the venue."""
        body = {"type": "openOrders", "user": address}
        async with http.post(f"{self.observers_url}/info", json=body) as response:
            orders: list[dict[str, Any]] = await response.json()
            return orders

    def said(self) -> str:
        """The last words of every service, for a failed test."""
        return "\n".join(f"--- {name}\n{running.output()[-1500:]}" for name, running in self.services.items())


def _write(path: Path, part: Part) -> Path:
    path.write_text(part.model_dump_json())
    return path


async def test_an_account_quotes_both_sides_and_leaves_an_empty_book(engine: Engine, tmp_path: Path) -> None:
    account = Account(engine, tmp_path)
    async with aiohttp.ClientSession() as http:

        async def sides() -> set[str]:
            orders = await account.open_orders(http, await account.address())
            return {order["side"] for order in orders}

        async def two_sided() -> bool:
            try:
                return await sides() == {"A", "B"}
            except (aiohttp.ClientError, aio.AioRpcError):
                return False

        try:
            await until("orders on both sides", two_sided, within_s=60)
        except AssertionError:
            pytest.fail(account.said())
        address = await account.address()
        codes = {name: await asyncio.to_thread(account.services[name].stop) for name in ("quoter", "risk")}
        assert await account.open_orders(http, address) == []
        codes |= {name: await asyncio.to_thread(account.services[name].stop) for name in ("order-state", "gateway")}
    assert codes == dict.fromkeys(account.services, 0), json.dumps(codes)
