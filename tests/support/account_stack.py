"""One account's services in this process, wired to each other over real gRPC, a real store and the simulated exchange.

async with running_account(venue, folder, "BTC") as account:
    await account.quote("BTC")
    await account.apply("BTC", "ETH")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpc import aio
from tests.support.quoter import part as quoter_part
from tests.support.risk import account_limits, market_limits
from tests.support.server import StoreServer
from tests.support.venue import TestVenue
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import DeadMansSwitchPart, GatewayPart, MarketRiskPart, OrderStatePart, QuoterPart, RiskPart
from perpmaker.common import rpc
from perpmaker.common.service import Endpoint, Runtime, Service
from perpmaker.gateway.app import Gateway
from perpmaker.gateway.simulated_wallet import prepare
from perpmaker.hyperliquid.networks import Network
from perpmaker.order_state.app import OrderState
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import ReferenceServiceStub
from perpmaker.proto.orderstate.v1 import orderstate_pb2
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.proto.risk.v1 import risk_pb2
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub
from perpmaker.quoter.app import QuoterApp
from perpmaker.risk.app import RiskApp

ACCOUNT = "desk"


@dataclass
class House:
    """One running service."""

    service: Service
    runtime: Runtime
    server: aio.Server

    async def close(self) -> None:
        self.runtime.stopping.set()
        await self.service.stop()
        await self.runtime.cancel_tasks()
        await self.server.stop(grace=None)


class Account:
    """The services, and what is asked of and about them."""

    def __init__(self, venue: TestVenue, folder: Path, store: StoreServer, address: str, key_file: Path) -> None:
        self.venue = venue
        self.address = address
        self._folder = folder
        self._store = store
        self._key_file = key_file
        self._houses: dict[str, House] = {}
        self._channels = {name: rpc.connect(self._target(name)) for name in ("gateway", "orders", "risk")}
        self.gateway: Any = ReferenceServiceStub(self._channels["gateway"])
        self.orders: Any = OrdersServiceStub(self._channels["orders"])
        self.risk: Any = RiskServiceStub(self._channels["risk"])

    def _target(self, name: str) -> str:
        return f"unix:{self._folder}/{name}.sock"

    def _endpoint(self, name: str) -> Endpoint:
        return Endpoint(listen=self._target(name))

    def gateway_part(self, revision: int, *markets: str) -> GatewayPart:
        return GatewayPart(
            endpoint=self._endpoint("gateway"),
            account=ACCOUNT,
            revision=revision,
            network=Network.SIMULATED,
            api_url=self.venue.api_url,
            address=self.address,
            key_file=self._key_file,
            markets=markets,
            order_state_target=self._target("orders"),
            dead_mans_switch=DeadMansSwitchPart(enabled=False),
        )

    def orders_part(self, revision: int, *markets: str) -> OrderStatePart:
        return OrderStatePart(
            endpoint=self._endpoint("orders"),
            account=ACCOUNT,
            revision=revision,
            markets=markets,
            redis_url=self._store.url,
            gateway_target=self._target("gateway"),
            risk_target=self._target("risk"),
        )

    def risk_part(self, revision: int, *markets: MarketRiskPart) -> RiskPart:
        return RiskPart(
            endpoint=self._endpoint("risk"),
            account=ACCOUNT,
            revision=revision,
            redis_url=self._store.url,
            gateway_target=self._target("gateway"),
            order_state_target=self._target("orders"),
            limits=account_limits(),
            markets=markets,
        )

    def quoter_part(self, market: str) -> QuoterPart:
        targets = {f"{name}_target": self._target(name) for name in ("gateway", "risk")}
        changes = {
            "market": market,
            "name": market.lower(),
            "endpoint": self._endpoint(market.lower()),
            "order_state_target": self._target("orders"),
        }
        return quoter_part(self._folder).model_copy(update=changes | targets)

    async def start(self, *markets: str) -> None:
        """Start the three services of the account and wait until all are ready."""
        limits = [market_limits(market) for market in markets]
        await self._open("risk", lambda runtime: RiskApp(self.risk_part(1, *limits), runtime))
        await self._open("orders", lambda runtime: OrderState(runtime, self.orders_part(1, *markets)))
        await self._open("gateway", lambda runtime: Gateway(self.gateway_part(1, *markets), runtime))
        await self.ready("risk", "orders", "gateway")

    async def quote(self, market: str) -> QuoterApp:
        """Start a market's quoter and wait until it quotes both sides at the exchange."""
        app = await self.open_quoter(market)

        async def both() -> bool:
            return set(await self.resting(market)) == {"A", "B"}

        await until(f"{market} is quoted on both sides", both)
        return app

    async def open_quoter(self, market: str) -> QuoterApp:
        """Start a market's quoter."""
        app: list[QuoterApp] = []

        def build(runtime: Runtime) -> Service:
            app.append(QuoterApp(self.quoter_part(market), runtime))
            return app[0]

        await self._open(market, build)
        return app[0]

    async def _open(self, name: str, build: Callable[[Runtime], Service]) -> None:
        runtime = Runtime(name)
        service = build(runtime)
        server = aio.server(options=rpc.SERVER_OPTIONS)
        service.register(server)
        server.add_insecure_port(self._target(name.lower()))
        await server.start()
        self._houses[name] = House(service, runtime, server)
        runtime.spawn(service.start(), name=f"start-{name}")

    async def close(self, name: str) -> None:
        """Stop a service in order."""
        await self._houses.pop(name).close()

    def is_ready(self, name: str) -> bool:
        """Whether a service says that it may take part in trading."""
        return self._houses[name].runtime.is_ready

    async def ready(self, *names: str) -> None:
        async def all_are() -> bool:
            return all(self.is_ready(name) for name in names)

        await until(f"{names} are ready", all_are)

    async def apply(self, revision: int, *markets: MarketRiskPart) -> None:
        """Push markets and their limits to the three services, in the order in which the operator does."""
        names = [market.market for market in markets]
        for stub, package, part in (
            (self.risk, risk_pb2, self.risk_part(revision, *markets)),
            (self.orders, orderstate_pb2, self.orders_part(revision, *names)),
            (self.gateway, gateway_pb2, self.gateway_part(revision, *names)),
        ):
            request = package.ApplyConfigRequest(revision=revision, part_json=part.model_dump_json())  # type: ignore[attr-defined]
            answer = await stub.ApplyConfig(request, timeout=HANG_S)
            assert answer.applied_revision == revision

    async def resting(self, market: str) -> list[str]:
        """Sides of the account's open orders of a market at the exchange: "B" and "A"."""
        found = await self.venue.client().info("openOrders", user=self.address)
        return [order["side"] for order in found if order["coin"] == market]

    async def permission(self, market: str) -> risk_pb2.Permission:
        """The permission of a market as risk has it now."""
        state = await self.risk.GetState(risk_pb2.GetStateRequest(), timeout=HANG_S)
        (found,) = [item.permission for item in state.markets if item.market == market]
        return found

    async def position_e8(self, market: str) -> int:
        """Position in order-state's ledger."""
        summary = await self.orders.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=HANG_S)
        (found,) = [item.standing.position for item in summary.markets if item.market == market]
        assert isinstance(found, common.Position)
        return found.sz_e8

    async def stop(self) -> None:
        """Quoters first, the gateway last."""
        for name in [*(name for name in self._houses if name.isupper()), "risk", "orders", "gateway"]:
            if name in self._houses:
                await self.close(name)
        for channel in self._channels.values():
            await channel.close()


class Vigil:
    """Watches a market that must not notice anything, until told to end."""

    def __init__(self, account: Account, app: QuoterApp, market: str) -> None:
        self._account = account
        self._desk = app._desk
        self._market = market
        self._permissions: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self.looks = 0
        self.seen: list[str] = []
        """What should not have been."""

    async def __aenter__(self) -> Vigil:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def looks_on(self, times: int = 5) -> None:
        """Wait until it has looked a few times more."""
        wanted = self.looks + times

        async def looked() -> bool:
            return self.looks >= wanted

        await until("the vigil has looked again", looked)

    async def _watch(self) -> None:
        truth = self._account._houses["orders"].service
        assert isinstance(truth, OrderState)
        while True:
            self.looks += 1
            self.seen += [
                f"{name} is not ready" for name in ("gateway", "orders", "risk") if not self._account.is_ready(name)
            ]
            if not truth._permissions.of(self._market)[1]:
                self.seen.append("the permission is stale")
            if held := truth.truth.hold_reasons(self._market):
                self.seen.append(f"held: {held}")
            gate = self._desk.decision.gate if self._desk.decision is not None else None
            if gate is None or gate.reasons:
                self.seen.append(f"the quoter does not quote: {gate}")
            if not await self._account.resting(self._market):
                self.seen.append("nothing rests at the exchange")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running_account(venue: TestVenue, folder: Path, *markets: str) -> AsyncIterator[Account]:
    """An account with these markets, ready and not quoted yet."""
    store = StoreServer(folder)
    store.start()
    wallet = await prepare(folder / "wallet", venue.api_url)
    account = Account(venue, folder, store, wallet.account.address, wallet.key_file)
    try:
        await account.start(*markets)
        yield account
    finally:
        await account.stop()
        store.kill()
