"""A gateway in this process, on the simulated venue, spoken to over real gRPC.

async with running_gateway(venue, tmp_path) as gateway:
    plan = await gateway.execute(gateway.place("BTC", cloid=gateway.cloid(1), px="60000", sz="0.001"))
    assert plan.outcome_of(gateway.cloid(1)).HasField("resting")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from grpc import aio
from tests.support.venue import TestVenue
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import DeadMansSwitchPart, GatewayPart
from perpmaker.common import rpc
from perpmaker.common.clock import Clock
from perpmaker.common.decimals import parse_e8
from perpmaker.common.service import Endpoint, Runtime
from perpmaker.gateway.app import Gateway
from perpmaker.gateway.simulated_wallet import Wallet, prepare
from perpmaker.hyperliquid.networks import Network
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as stubs
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

Message = TypeVar("Message")


class HighestNonce(orderstate_pb2_grpc.OrdersServiceServicer):
    """The one answer of order-state that a gateway needs to start."""

    def __init__(self, nonce: int = 0) -> None:
        self.nonce = nonce

    async def GetHighestNonce(  # type: ignore[override]
        self, request: orderstate_pb2.GetHighestNonceRequest, context: Any
    ) -> orderstate_pb2.GetHighestNonceResponse:
        return orderstate_pb2.GetHighestNonceResponse(nonce=self.nonce)


@asynccontextmanager
async def nonce_server(directory: Path, nonce: int = 0) -> AsyncIterator[str]:
    """Serve HighestNonce; yields its address."""
    target = f"unix:{directory}/order-state.sock"
    server = aio.server()
    orderstate_pb2_grpc.add_OrdersServiceServicer_to_server(HighestNonce(nonce), server)
    server.add_insecure_port(target)
    await server.start()
    try:
        yield target
    finally:
        await server.stop(grace=None)


def gateway_part(venue_url: str, directory: Path, wallet: Wallet, target: str, **changes: Any) -> GatewayPart:
    """Configuration for a test; `changes` are fields of GatewayPart."""
    fields: dict[str, Any] = {
        "endpoint": Endpoint(listen=f"unix:{directory}/gateway.sock", log_level="debug"),
        "account": "main",
        "network": Network.SIMULATED,
        "api_url": venue_url,
        "address": wallet.account.address,
        "key_file": wallet.key_file,
        "expected_signer": wallet.account.signer,
        "markets": ("BTC",),
        "order_state_target": target,
        "dead_mans_switch": DeadMansSwitchPart(enabled=False),
    }
    return GatewayPart(**(fields | changes))


@dataclass
class Heard(Generic[Message]):
    """Everything a stream has said so far, and waiting for what it will say."""

    messages: list[Message] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, call: Any) -> None:
        while (message := await call.read()) is not aio.EOF:
            self.messages.append(message)
            self._news.set()

    async def until(self, matches: Callable[[Message], bool], *, after: int = 0) -> Message:
        """First message from position `after` on that matches. Raises TimeoutError."""
        async with asyncio.timeout(HANG_S):
            position = after
            while True:
                while position < len(self.messages):
                    if matches(self.messages[position]):
                        return self.messages[position]
                    position += 1
                self._news.clear()
                await self._news.wait()


@dataclass
class Told:
    """What was told of one plan."""

    responses: list[pb.ExecuteResponse]

    @property
    def kinds(self) -> list[str | None]:
        return [response.WhichOneof("event") for response in self.responses]

    @property
    def sent(self) -> list[pb.Sent]:
        return [response.sent for response in self.responses if response.HasField("sent")]

    def outcomes_of(self, cloid: str) -> list[pb.Outcome]:
        return [
            item
            for response in self.responses
            if response.HasField("outcomes")
            for item in response.outcomes.items
            if item.cloid == cloid
        ]

    def outcome_of(self, cloid: str) -> pb.Outcome:
        (outcome,) = self.outcomes_of(cloid)
        return outcome


@dataclass
class TestGateway:
    """A running gateway and its clients."""

    __test__ = False

    service: Gateway
    runtime: Runtime
    part: GatewayPart
    wallet: Wallet
    channel: aio.Channel
    _requests: int = 0
    _readers: list[asyncio.Task[None]] = field(default_factory=list)
    _execute: Any = None
    executed: Heard[pb.ExecuteResponse] = field(default_factory=Heard)

    @property
    def reference(self) -> stubs.ReferenceServiceAsyncStub:
        return stubs.ReferenceServiceStub(self.channel)

    @property
    def execution(self) -> stubs.ExecutionServiceAsyncStub:
        return stubs.ExecutionServiceStub(self.channel)

    @staticmethod
    def cloid(number: int) -> str:
        return f"0x{number:032x}"

    @staticmethod
    def order(cloid: str, *, px: str, sz: str, buy: bool = True, **changes: Any) -> pb.PlaceOrder:
        fields: dict[str, Any] = {
            "cloid": cloid,
            "side": common.SIDE_BUY if buy else common.SIDE_SELL,
            "px_e8": parse_e8(px),
            "sz_e8": parse_e8(sz),
            "time_in_force": common.TIME_IN_FORCE_POST_ONLY,
        }
        return pb.PlaceOrder(**(fields | changes))

    def account_stream(self, fills_since_ms: int = 0) -> Heard[pb.AccountServiceSubscribeResponse]:
        call = stubs.AccountServiceStub(self.channel).Subscribe(
            pb.AccountServiceSubscribeRequest(fills_since_ms=fills_since_ms)
        )
        return self._listen(call)

    def market_stream(self, *markets: str) -> Heard[pb.MarketDataServiceSubscribeResponse]:
        call = stubs.MarketDataServiceStub(self.channel).Subscribe(
            pb.MarketDataServiceSubscribeRequest(markets=markets)
        )
        return self._listen(call)

    def _listen(self, call: Any) -> Heard[Any]:
        heard: Heard[Any] = Heard()
        self._readers.append(asyncio.create_task(heard.read(call)))
        return heard

    async def submit(self, market: str = "BTC", epoch: int = 1, **request: Any) -> int:
        """Send a plan; returns its request id."""
        if self._execute is None:
            self._execute = self.execution.Execute()
            self._readers.append(asyncio.create_task(self.executed.read(self._execute)))
        self._requests += 1
        trace = common.Trace(market=market, epoch=epoch, receive_time_ns=request.pop("receive_time_ns", 0))
        await self._execute.write(pb.ExecuteRequest(trace=trace, request_id=self._requests, **request))
        return self._requests

    async def execute(self, market: str = "BTC", epoch: int = 1, **request: Any) -> Told:
        """Send a plan and wait until it is done."""
        number = await self.submit(market, epoch, **request)
        await self.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        return self.told(number)

    def told(self, number: int) -> Told:
        """What was told of a plan so far."""
        return Told([told for told in self.executed.messages if told.request_id == number])

    def readers(self) -> list[asyncio.Task[None]]:
        """Tasks that read the streams opened so far; a stream that fails fails its task."""
        return list(self._readers)

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self.channel.close()


@asynccontextmanager
async def running_gateway(
    venue: TestVenue,
    directory: Path,
    *,
    highest_nonce: int = 0,
    until_ready: bool = True,
    clock: Clock | None = None,
    **changes: Any,
) -> AsyncIterator[TestGateway]:
    """A gateway with a fresh wallet at the venue, by the machine's clock unless another is given."""
    wallet = await prepare(directory / "wallet", venue.api_url, clock)
    async with nonce_server(directory, highest_nonce) as target:
        part = gateway_part(venue.api_url, directory, wallet, target, **changes)
        runtime = Runtime("gateway")
        service = Gateway(part, runtime, clock)
        server = aio.server(options=rpc.SERVER_OPTIONS)
        service.register(server)
        server.add_insecure_port(part.endpoint.listen)
        await server.start()
        gateway = TestGateway(service, runtime, part, wallet, rpc.connect(part.endpoint.listen))
        try:
            async with asyncio.timeout(HANG_S):
                await service.start()
                if until_ready:
                    await _ready(gateway)
            yield gateway
        finally:
            await gateway.close()
            await service.stop()
            await runtime.cancel_tasks()
            await server.stop(grace=None)


async def _ready(gateway: TestGateway) -> None:
    async def is_ready() -> bool:
        return gateway.service.status().ready

    await until("the gateway is ready", is_ready)
