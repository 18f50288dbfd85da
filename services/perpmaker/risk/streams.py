"""What is heard of each market, on streams of its own: a market comes or goes without touching those of the others.

A source that does not serve a market yet refuses its stream alone, which is then asked for again until it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from grpc import aio

from perpmaker.common import rpc
from perpmaker.common.service import Runtime
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import MarketDataServiceStub
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.risk.facts import Facts

Message = TypeVar("Message")


class MarketStreams:
    """Follows market data and orders of every served market."""

    def __init__(
        self,
        runtime: Runtime,
        gateway_channel: aio.Channel,
        orders_channel: aio.Channel,
        facts: Facts,
        on_heard: Callable[[], None],
    ) -> None:
        """`on_heard` is called after every message and loss."""
        self._runtime = runtime
        self._market_data = MarketDataServiceStub(gateway_channel)
        self._orders = OrdersServiceStub(orders_channel)
        self._facts = facts
        self._on_heard = on_heard
        self._running: dict[str, tuple[asyncio.Task[None], ...]] = {}

    def follow(self, markets: Iterable[str]) -> None:
        """Follow these markets from now on and no others."""
        wanted = tuple(markets)
        for market in [market for market in self._running if market not in wanted]:
            for task in self._running.pop(market):
                task.cancel()
        for market in wanted:
            if market not in self._running:
                self._running[market] = (
                    self._runtime.spawn(self._follow_orders(market), name=f"orders-{market}"),
                    self._runtime.spawn(self._follow_market_data(market), name=f"market-data-{market}"),
                )

    async def _follow_orders(self, market: str) -> None:
        request = orderstate.WatchRequest(markets=[market])
        await rpc.follow(
            f"orders.watch {market}",
            lambda: self._orders.Watch(request),
            self._heard(self._facts.on_watch),
            on_lost=self._heard(lambda _reason: self._facts.on_watch_lost(market)),
        )

    async def _follow_market_data(self, market: str) -> None:
        request = gateway.MarketDataServiceSubscribeRequest(markets=[market])
        await rpc.follow(
            f"market_data {market}",
            lambda: self._market_data.Subscribe(request),
            self._heard(self._facts.on_market_data),
            on_lost=self._heard(lambda _reason: self._facts.on_market_data_lost(market)),
        )

    def _heard(self, take: Callable[[Message], None]) -> Callable[[Message], None]:
        def taken(message: Message) -> None:
            take(message)
            self._on_heard()

        return taken
