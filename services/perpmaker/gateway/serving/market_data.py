"""MarketDataService: each reader drains a mailbox that only ever holds the newest."""

from __future__ import annotations

from typing import Any

import grpc
from grpc import aio

from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as rpc


class MarketDataServicer(rpc.MarketDataServiceServicer):
    """Streams market data."""

    def __init__(self, hub: MarketHub, markets: Markets) -> None:
        self._hub = hub
        self._markets = markets

    async def Subscribe(  # type: ignore[override]
        self, request: pb.MarketDataServiceSubscribeRequest, context: aio.ServicerContext[Any, Any]
    ) -> None:
        """See the contract."""
        unknown = [market for market in request.markets if market not in self._markets]
        if unknown:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not configured here: {', '.join(unknown)}")
        mailbox = self._hub.subscribe(request.markets)
        try:
            while True:
                for message in mailbox.drain():
                    await context.write(message)
                await mailbox.wake.wait()
        finally:
            self._hub.unsubscribe(mailbox)
