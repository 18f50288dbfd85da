"""A whole account over TCP with mutual TLS: `perpmaker certificates`, then every service as its own process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.support.server import StoreServer
from tests.support.waiting import HANG_S, until

from perpmaker.api.desired import Addressing, ServiceAddress, Wallet, desired_parts
from perpmaker.api.load import load
from perpmaker.common import rpc
from perpmaker.common.config import Part
from perpmaker.common.tls import Tls
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import ReferenceServiceStub

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
NAMESPACE = "trading"
CERTIFICATES = ("certificates", "--namespace", NAMESPACE, "--account", "demo", "--maker", "btc", "--host", "127.0.0.1")
SECRETS = {"gateway": "demo-gateway", "order-state": "demo-order-state", "risk": "demo-risk", "quoter": "btc-quoter"}


def tls_of(folder: Path) -> Tls:
    return Tls(certificate_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt")


def free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


async def perpmaker(*words: str, output: int | Any = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perpmaker.cli", *words, stdout=output, stderr=asyncio.subprocess.STDOUT
    )


async def told(*words: str) -> tuple[int | None, str]:
    """Exit code and output of one command."""
    process = await perpmaker(*words)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


class Stack:
    """The processes of one account and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = folder / "certificates"
        (self.gateway, self.order_state, self.risk, self.quoter, *self._probes, venue, self._control) = free_addresses(
            10
        )
        self.venue = f"http://{venue}"
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    def log(self, name: str) -> str:
        """Everything that a process has said."""
        return (self.folder / f"{name}.log").read_text()

    @property
    def probes(self) -> dict[str, str]:
        """Plaintext health addresses."""
        return dict(zip(SECRETS, self._probes, strict=True))

    def own(self, secret: str) -> Tls:
        """Files of a certificate."""
        return tls_of(self.certificates / f"{secret}-tls")

    async def make_certificates(self) -> None:
        """New certificates of the same authority."""
        code, output = await told(*CERTIFICATES, "--out", str(self.certificates))
        assert code == 0, output

    async def _start(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = await perpmaker(*words, output=log)

    async def start(self, store_url: str) -> None:
        """Start everything; nothing is ready yet."""
        loaded = load([EXAMPLES / "account.yaml", EXAMPLES / "btc.yaml"])
        (account,) = loaded.accounts

        def at(name: str, address: str) -> ServiceAddress:
            return ServiceAddress(
                listen=address, target=address, health_listen=self.probes[name], tls=self.own(SECRETS[name])
            )

        parts = desired_parts(
            account,
            loaded.makers,
            Addressing(
                gateway=at("gateway", self.gateway),
                order_state=at("order-state", self.order_state),
                risk=at("risk", self.risk),
                quoters={"btc": at("quoter", self.quoter)},
                order_state_redis_url=store_url,
                risk_redis_url=store_url,
                api_url=self.venue,
                wallet=Wallet(simulated_seed="a stack over TLS"),
            ),
        )
        host, port = self.venue.removeprefix("http://").split(":")
        control = self._control.split(":")[1]
        await self._start("venue", "venue", "--host", host, "--port", port, "--control-port", control)
        told_to: dict[str, Part] = {
            "order-state": parts.order_state,
            "gateway": parts.gateway,
            "risk": parts.risk,
            "quoter": parts.quoters["btc"],
        }
        for name, part in told_to.items():
            file = self.folder / f"{name}.json"
            file.write_text(part.model_dump_json())
            await self._start(name, name, "--config", str(file))

    async def stop(self) -> dict[str, int | None]:
        """End everything, the quoter first; exit codes."""
        codes = {}
        for name in ("quoter", "risk", "order-state", "gateway", "venue"):
            if (process := self._processes.get(name)) is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                codes[name] = await process.wait()
        return codes

    async def resting(self) -> list[dict[str, Any]]:
        """The account's orders as the venue has them, asked at its control port, where an observer is not limited."""
        async with rpc.connect(self.gateway, self.own("perpmaker-operator")) as channel:
            status = await ReferenceServiceStub(channel).GetStatus(gw.GetStatusRequest(), timeout=HANG_S)
        async with aiohttp.ClientSession() as http:
            body = {"type": "openOrders", "user": status.account_address}
            async with http.post(f"http://{self._control}/info", json=body) as answer:
                orders: list[dict[str, Any]] = await answer.json()
                return orders

    async def wait_quoted(self, *, after_ms: int = 0, within_s: float) -> int:
        """Wait for orders on both sides placed after a moment; returns the time of the youngest."""

        async def youngest() -> int | None:
            try:
                orders = [order for order in await self.resting() if order["timestamp"] > after_ms]
            except (aio.AioRpcError, aiohttp.ClientError):
                return None
            is_two_sided = {order["side"] for order in orders} == {"A", "B"}
            return max(order["timestamp"] for order in orders) if is_two_sided else None

        return await until(f"quotes placed after {after_ms}", youngest, within_s=within_s)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    made = Stack(tmp_path)
    store = StoreServer(tmp_path)
    store.start()
    try:
        await made.make_certificates()
        await made.start(store.url)
        yield made
    finally:
        await made.stop()
        store.kill()


async def is_serving(address: str) -> bool:
    async with rpc.connect(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=HANG_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_an_account_quotes_over_tls_while_its_certificates_are_renewed(stack: Stack) -> None:
    try:
        placed_ms = await stack.wait_quoted(within_s=60)
    except AssertionError:
        pytest.fail("\n".join(f"--- {name}\n{stack.log(name)[-1500:]}" for name in SECRETS))
    for name, address in stack.probes.items():
        await until(f"{name} is ready", lambda at=address: is_serving(at))
    lost = stack.log("quoter").count("stream.lost")
    before = stack.own("demo-risk").certificate_file.read_bytes()
    await stack.make_certificates()
    assert stack.own("demo-risk").certificate_file.read_bytes() != before
    await stack.wait_quoted(after_ms=placed_ms, within_s=30)

    person = str(stack.certificates / "demo-cli-tls")
    code, output = await told("status", "--risk", stack.risk, "--tls-dir", person)
    assert (code, "BTC: position" in output) == (0, True), output
    code, output = await told("status", "--risk", stack.risk)
    assert (code, "give --tls-dir DIR" in output) == (1, True), output
    quoter = str(stack.certificates / "btc-quoter-tls")
    code, output = await told("trip", "--risk", stack.risk, "--reason", "mutiny", "--tls-dir", quoter)
    assert (code, "allowed: cli, operator" in output) == (1, True), output

    assert stack.log("quoter").count("stream.lost") == lost
    assert await stack.stop() == dict.fromkeys(("quoter", "risk", "order-state", "gateway", "venue"), 0)
