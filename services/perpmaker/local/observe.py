"""Listens to the services of one account and keeps the folds of its markets current; asks for nothing that trades."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from grpc import aio

from perpmaker.common import rpc
from perpmaker.local.world import MarketFold
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

_POLL_S = 1.0


class AccountObserver:
    """Streams and polls of one account."""

    def __init__(
        self,
        *,
        gateway: str,
        order_state: str,
        risk: str,
        quoters: Mapping[str, str],
        folds: Sequence[MarketFold],
    ) -> None:
        """Targets of the services; `quoters` by name of the MarketMaker; one fold for each market."""
        self._gateway = gateway
        self._order_state = order_state
        self._risk = risk
        self._quoters = quoters
        self._folds = {fold.market: fold for fold in folds}

    async def run(self) -> None:
        """Follow everything until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_orders())
            group.create_task(self._follow_market_data())
            group.create_task(self._poll_risk())
            for fold in self._folds.values():
                group.create_task(self._poll_quoter(fold))

    async def _follow_orders(self) -> None:
        def heard(message: orderstate_pb2.WatchResponse) -> None:
            fold = self._folds.get(message.trace.market)
            if fold is not None:
                fold.on_orders(message, time.monotonic())

        def lost(_reason: str) -> None:
            for fold in self._folds.values():
                fold.on_orders_lost(time.monotonic())

        async with rpc.connect(self._order_state) as channel:
            stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
            request = orderstate_pb2.WatchRequest()
            await rpc.follow("orders", lambda: stub.Watch(request, wait_for_ready=True), heard, on_lost=lost)

    async def _follow_market_data(self) -> None:
        def heard(message: gateway_pb2.MarketDataServiceSubscribeResponse) -> None:
            fold = self._folds.get(message.trace.market)
            if fold is not None:
                fold.on_market_data(message)

        async with rpc.connect(self._gateway) as channel:
            stub = gateway_pb2_grpc.MarketDataServiceStub(channel)
            request = gateway_pb2.MarketDataServiceSubscribeRequest(markets=list(self._folds))
            await rpc.follow("market data", lambda: stub.Subscribe(request, wait_for_ready=True), heard)

    async def _poll_risk(self) -> None:
        async with rpc.connect(self._risk) as channel:
            stub = risk_pb2_grpc.RiskServiceStub(channel)
            while True:
                try:
                    state = await stub.GetState(risk_pb2.GetStateRequest(), timeout=rpc.CONFIG_DEADLINE_S)
                    for market in state.markets:
                        if (fold := self._folds.get(market.market)) is not None:
                            fold.on_permission(market.permission)
                except aio.AioRpcError:
                    for fold in self._folds.values():
                        fold.on_permission(risk_pb2.Permission(reasons=["risk away"]))
                await asyncio.sleep(_POLL_S)

    async def _poll_quoter(self, fold: MarketFold) -> None:
        async with rpc.connect(self._quoters[fold.maker]) as channel:
            stub = quoter_pb2_grpc.QuoterServiceStub(channel)
            while True:
                try:
                    status = await stub.GetStatus(quoter_pb2.GetStatusRequest(), timeout=rpc.CONFIG_DEADLINE_S)
                    fold.on_quoter(tuple(status.reasons), status.half_spread_bps)
                except aio.AioRpcError:
                    fold.on_quoter_lost()
                await asyncio.sleep(_POLL_S)
