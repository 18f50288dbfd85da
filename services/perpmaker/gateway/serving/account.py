"""AccountService: ordered account events, with gaps told and closed."""

from __future__ import annotations

from typing import Any

from grpc import aio

from perpmaker.gateway.account_hub import AccountHub
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as rpc


class AccountServicer(rpc.AccountServiceServicer):
    """Streams account events."""

    def __init__(self, hub: AccountHub) -> None:
        self._hub = hub

    async def Subscribe(  # type: ignore[override]
        self, request: pb.AccountServiceSubscribeRequest, context: aio.ServicerContext[Any, Any]
    ) -> None:
        """See the contract."""
        subscriber = self._hub.subscribe(request.fills_since_ms)
        try:
            while True:
                for message in subscriber.drain():
                    await context.write(message)
                await subscriber.wake.wait()
        finally:
            self._hub.unsubscribe(subscriber)
