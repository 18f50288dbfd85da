"""The services of one account as the operator meets them: gRPC servers that keep their contracts on a toy exchange.

They stand for the network peers. Orders live at `Exchange`; a quoter that may quote has one on each side.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

from perpmaker.common.cloid import market_tag, mint
from perpmaker.common.reconfigure import REFUSED_LEVERAGE_KEY, REFUSED_MARKETS_KEY
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

E8 = 100_000_000


@dataclass
class Exchange:
    """What is true at the exchange, and everything that was asked of the services, in order."""

    listed: dict[str, int] = field(default_factory=lambda: {"BTC": 100_000, "ETH": 4_000, "SOL": 200})
    max_leverage: int = 25
    positions: dict[str, int] = field(default_factory=dict)
    stuck_orders: dict[str, int] = field(default_factory=dict)
    """Orders by market that no cancel removes."""
    closed: dict[str, str] = field(default_factory=dict)
    trips: dict[str, risk_pb2.Trip] = field(default_factory=dict)
    last_rearmed: str = ""
    risk_markets: dict[str, Any] = field(default_factory=dict)
    quoters: dict[str, ScriptedQuoter] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    still_executing: bool = False

    def may_trade(self, market: str) -> bool:
        """Whether risk lets a market have orders."""
        return market in self.risk_markets and market not in self.closed and not ({"", market} & self.trips.keys())

    def live_orders(self, market: str) -> int:
        """Orders of ours in a market."""
        quoting = sum(2 for quoter in self.quoters.values() if quoter.market == market and quoter.is_quoting)
        return quoting + self.stuck_orders.get(market, 0)

    def said(self, word: str) -> list[str]:
        """Calls that begin with a word."""
        return [call for call in self.calls if call.startswith(word)]


@dataclass
class _Configured:
    """A service with a document and a revision."""

    exchange: Exchange
    name: str
    document: dict[str, Any] = field(default_factory=lambda: {"markets": [], "revision": 0})
    refuses: str = ""

    def start(self, text: str) -> None:
        """Begin with the document in the ConfigMap."""
        self.document = json.loads(text)

    @property
    def revision(self) -> int:
        return int(self.document["revision"])

    async def take(self, revision: int, text: str, context: Any) -> None:
        self.exchange.calls.append(f"apply {self.name}")
        if self.refuses:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.refuses)
        offered = json.loads(text)
        if revision < self.revision or (revision == self.revision and offered != self.document):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"revision {revision} is too old")
        self.document = offered


class ScriptedGateway(_Configured, gateway_pb2_grpc.ReferenceServiceServicer):
    """The gateway's reference service."""

    ready = True
    signer = "0x" + "11" * 20
    key_refusal = ""
    network = ""

    async def ApplyConfig(self, request: Any, context: Any) -> Any:
        unknown = [m for m in json.loads(request.part_json)["markets"] if m not in self.exchange.listed]
        if unknown:
            self.exchange.calls.append("refuse gateway")
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"market {unknown[0]!r} does not exist at this exchange",
                ((REFUSED_MARKETS_KEY, ",".join(unknown)),),
            )
        leverage = json.loads(request.part_json).get("leverage", ())
        excessive = [item["market"] for item in leverage if item["value"] > self.exchange.max_leverage]
        if excessive:
            self.exchange.calls.append("refuse leverage")
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"leverage of market {excessive[0]!r} exceeds the exchange's limit of {self.exchange.max_leverage}",
                ((REFUSED_LEVERAGE_KEY, ",".join(excessive)),),
            )
        await self.take(request.revision, request.part_json, context)
        return gateway_pb2.ApplyConfigResponse(applied_revision=self.revision)

    async def GetStatus(self, request: Any, context: Any) -> Any:
        return gateway_pb2.GetStatusResponse(
            ready=self.ready,
            reason="" if self.ready else "account snapshot is not complete",
            signer_address=self.signer,
            account_address="0x" + "22" * 20,
            exchange_connected=self.ready,
            signer_confirmed=self.ready,
            applied_revision=self.revision,
            dead_man_deadline_ms=1,
            dead_man_firings_left=9,
            key_refusal=self.key_refusal,
            network=self.network,
        )

    async def ListInstruments(self, request: Any, context: Any) -> Any:
        return gateway_pb2.ListInstrumentsResponse(
            instruments=[
                gateway_pb2.Instrument(
                    market=market,
                    asset_id=index,
                    sz_decimals=4,
                    max_leverage=self.exchange.max_leverage,
                    min_notional_e8=10 * E8,
                )
                for index, market in enumerate(self.document["markets"])
            ]
        )

    async def ListOpenOrders(self, request: Any, context: Any) -> Any:
        account = self.name.removesuffix("-gateway")
        orders = [
            gateway_pb2.OpenOrder(
                market=market, cloid=mint(market_tag(account, market), 1, number, is_buy=True, level=0)
            )
            for market in self.exchange.listed
            for number in range(self.exchange.live_orders(market))
        ]
        foreign = gateway_pb2.OpenOrder(market="BTC", oid=7)
        return gateway_pb2.ListOpenOrdersResponse(open_orders=gateway_pb2.OpenOrders(orders=[*orders, foreign]))


class ScriptedOrderState(_Configured, orderstate_pb2_grpc.OrdersServiceServicer):
    """order-state's summary."""

    ready = True

    async def ApplyConfig(self, request: Any, context: Any) -> Any:
        await self.take(request.revision, request.part_json, context)
        return orderstate_pb2.ApplyConfigResponse(applied_revision=self.revision)

    async def GetSummary(self, request: Any, context: Any) -> Any:
        return orderstate_pb2.GetSummaryResponse(
            ready=self.ready,
            applied_revision=self.revision,
            markets=[
                orderstate_pb2.MarketSummary(
                    market=market,
                    standing=orderstate_pb2.Standing(
                        position=common_pb2.Position(market=market, sz_e8=self.exchange.positions.get(market, 0)),
                        exposure=common_pb2.Exposure(open_orders=self.exchange.live_orders(market)),
                    ),
                )
                for market in self.document["markets"]
            ],
        )


class ScriptedRisk(_Configured, risk_pb2_grpc.RiskServiceServicer):
    """Risk: permissions, the latch, closing and opening."""

    ready = True

    def __init__(self, exchange: Exchange, name: str) -> None:
        super().__init__(exchange, name)
        self.changed = asyncio.Event()
        self.hangs = False

    def start(self, text: str) -> None:
        super().start(text)
        self.exchange.risk_markets = {item["market"]: item for item in self.document["markets"]}

    def _news(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def trip(self, market: str, reason: str) -> str:
        """Latch, as a monitor would."""
        number = len(self.exchange.said("trip ")) + 1
        self.exchange.calls.append(f"trip {market or 'account'}")
        self.exchange.trips[market] = risk_pb2.Trip(
            trip_id=f"t-{number}",
            market=market,
            reason=reason,
            tripped_time_ms=1_760_000_000_000,
            executed=not self.exchange.still_executing,
        )
        self._news()
        return f"t-{number}"

    def _permission(self, market: str) -> risk_pb2.Permission:
        trip = self.exchange.trips.get("") or self.exchange.trips.get(market)
        return risk_pb2.Permission(
            killed=trip is not None, closed=market in self.exchange.closed, trip_id=trip.trip_id if trip else ""
        )

    async def ApplyConfig(self, request: Any, context: Any) -> Any:
        await self.take(request.revision, request.part_json, context)
        self.exchange.risk_markets = {item["market"]: item for item in self.document["markets"]}
        return risk_pb2.ApplyConfigResponse(applied_revision=self.revision)

    async def WatchPermissions(self, request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            changed = self.changed
            for market in self.exchange.risk_markets:
                yield risk_pb2.WatchPermissionsResponse(
                    trace=common_pb2.Trace(market=market), permission=self._permission(market)
                )
            await changed.wait()

    async def GetState(self, request: Any, context: Any) -> Any:
        return risk_pb2.GetStateResponse(
            ready=self.ready,
            applied_revision=self.revision,
            equity_quote_e8=100_000 * E8,
            trips=list(self.exchange.trips.values()),
            last_rearmed_trip_id=self.exchange.last_rearmed,
            markets=[
                risk_pb2.MarketRisk(
                    market=market,
                    permission=self._permission(market),
                    mark_px_e8=self.exchange.listed.get(market, 0) * E8,
                )
                for market in self.exchange.risk_markets
            ],
        )

    async def _check(self, market: str, context: Any) -> None:
        if market and market not in self.exchange.risk_markets:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"market {market!r} is not configured")

    async def Trip(self, request: Any, context: Any) -> Any:
        await self._check(request.market, context)
        return risk_pb2.TripResponse(trip_id=self.trip(request.market, request.reason), verified_empty=True)

    async def Rearm(self, request: Any, context: Any) -> Any:
        self.exchange.calls.append(f"rearm {request.trip_id}")
        if self.refuses:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, self.refuses)
        for scope, trip in tuple(self.exchange.trips.items()):
            if trip.trip_id == request.trip_id:
                del self.exchange.trips[scope]
                self.exchange.last_rearmed = request.trip_id
                self._news()
                return risk_pb2.RearmResponse(released=True)
        return await context.abort(grpc.StatusCode.NOT_FOUND, "no such trip")

    async def CloseMarket(self, request: Any, context: Any) -> Any:
        await self._check(request.market, context)
        self.exchange.calls.append(f"close {request.market} {request.drain_id}")
        self.exchange.closed[request.market] = request.drain_id
        if self.hangs:
            await asyncio.Event().wait()
        self._news()
        left = self.exchange.live_orders(request.market)
        return risk_pb2.CloseMarketResponse(verified_empty=not left, remaining=left)

    async def OpenMarket(self, request: Any, context: Any) -> Any:
        await self._check(request.market, context)
        self.exchange.calls.append(f"open {request.market}")
        self.exchange.closed.pop(request.market, None)
        self._news()
        return risk_pb2.OpenMarketResponse()


class ScriptedQuoter(quoter_pb2_grpc.QuoterServiceServicer):
    """A quoter that quotes whenever it may."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self.exchange = exchange
        self.name = name
        self.document: dict[str, Any] = {}
        self.drained = False
        self.drained_at_start = False
        """Whether it has reasons of its own not to quote."""
        self.refuses = ""
        self.flattens = True
        self.leaves: dict[str, int] = {}
        """Orders that appear at the exchange when it ends."""
        self.runs = False
        exchange.quoters[name] = self

    def start(self, text: str) -> None:
        """Begin with the document in the ConfigMap."""
        self.document, self.drained, self.runs = json.loads(text), self.drained_at_start, True
        self.exchange.calls.append(f"start {self.name}")

    def stop(self) -> None:
        """End; its orders are cancelled."""
        self.runs = False
        self.exchange.stuck_orders.update(self.leaves)
        self.exchange.calls.append(f"stop {self.name} with {self.exchange.live_orders(self.market)}")

    @property
    def market(self) -> str:
        """What it quotes."""
        return str(self.document.get("market", ""))

    @property
    def mode(self) -> str:
        """Mode in force."""
        return str(self.document.get("mode", ""))

    @property
    def is_quoting(self) -> bool:
        """Whether it has orders in the book."""
        return self.runs and not self.drained and self.mode == "Active" and self.exchange.may_trade(self.market)

    async def ApplyConfig(self, request: Any, context: Any) -> Any:
        self.exchange.calls.append(f"apply {self.name} {request.generation}")
        if self.refuses:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.refuses)
        self.document = json.loads(request.part_json)
        return quoter_pb2.ApplyConfigResponse(applied_generation=request.generation)

    async def GetStatus(self, request: Any, context: Any) -> Any:
        if self.mode == "Flatten" and self.flattens and self.exchange.may_trade(self.market):
            self.exchange.positions[self.market] = 0
        reasons = [] if self.mode == "Active" else [f"mode_{self.mode.lower()}"]
        if not self.exchange.may_trade(self.market):
            reasons.append("closed")
        return quoter_pb2.GetStatusResponse(
            quoting=self.is_quoting,
            reasons=reasons,
            applied_generation=self.document.get("generation", 0),
            epoch=1,
            live_bids=int(self.is_quoting),
            live_asks=int(self.is_quoting),
            two_sided_ppm=998_000,
            flat=self.exchange.positions.get(self.market, 0) == 0,
            target=[
                quoter_pb2.TargetLevel(side=common_pb2.SIDE_BUY),
                quoter_pb2.TargetLevel(side=common_pb2.SIDE_SELL),
            ],
        )

    async def Drain(self, request: Any, context: Any) -> Any:
        self.exchange.calls.append(f"drain {self.name}")
        self.drained = True
        return quoter_pb2.DrainResponse()


@dataclass
class Peers:
    """Servers by child name."""

    exchange: Exchange = field(default_factory=Exchange)
    services: dict[str, Any] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    _servers: list[aio.Server] = field(default_factory=list)

    async def add_account(self, name: str) -> None:
        """Gateway, order-state and risk of an account."""
        gateway = ScriptedGateway(self.exchange, f"{name}-gateway")
        order_state = ScriptedOrderState(self.exchange, f"{name}-order-state")
        risk = ScriptedRisk(self.exchange, f"{name}-risk")
        await self._serve(f"{name}-gateway", gateway, gateway_pb2_grpc.add_ReferenceServiceServicer_to_server)
        await self._serve(f"{name}-order-state", order_state, orderstate_pb2_grpc.add_OrdersServiceServicer_to_server)
        await self._serve(f"{name}-risk", risk, risk_pb2_grpc.add_RiskServiceServicer_to_server)

    async def add_quoter(self, name: str) -> None:
        """The quoter of a maker."""
        quoter = ScriptedQuoter(self.exchange, f"{name}-quoter")
        await self._serve(f"{name}-quoter", quoter, quoter_pb2_grpc.add_QuoterServiceServicer_to_server)

    async def _serve(self, child: str, servicer: Any, add: Any) -> None:
        server = aio.server()
        add(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._servers.append(server)
        self.services[child] = servicer
        self.addresses[child] = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """End all servers."""
        for server in self._servers:
            await server.stop(None)
