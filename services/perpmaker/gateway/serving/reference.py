"""ReferenceService: rules, exchange reads and the gateway's own condition."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from grpc import aio

from perpmaker.api.parts import GatewayPart
from perpmaker.common.reconfigure import Configuration, answer
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.listings import Listings
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.reads import AccountReads
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as rpc

T = TypeVar("T")


class ReferenceServicer(rpc.ReferenceServiceServicer):
    """Reads and status."""

    def __init__(
        self,
        markets: Markets,
        listings: Listings,
        reads: AccountReads,
        status: Callable[[], pb.GetStatusResponse],
        configuration: Configuration[GatewayPart],
    ) -> None:
        self._markets = markets
        self._listings = listings
        self._configuration = configuration
        self._reads = reads
        self._status = status

    async def ListInstruments(
        self, request: pb.ListInstrumentsRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ListInstrumentsResponse:
        """See the contract."""
        if not self._markets.is_loaded:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "instruments are not loaded yet")
        return pb.ListInstrumentsResponse(
            instruments=self._listings.instruments(),
        )

    async def GetOrderStatus(
        self, request: pb.GetOrderStatusRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.GetOrderStatusResponse:
        """See the contract."""
        return await _or_unavailable(context, self._reads.order_status(request.cloid or request.oid))

    async def ListOpenOrders(
        self, request: pb.ListOpenOrdersRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ListOpenOrdersResponse:
        """See the contract."""
        return pb.ListOpenOrdersResponse(open_orders=await _or_unavailable(context, self._reads.open_orders()))

    async def ListFills(
        self, request: pb.ListFillsRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ListFillsResponse:
        """See the contract."""
        return pb.ListFillsResponse(fills=await _or_unavailable(context, self._reads.fills(request.since_ms)))

    async def GetAccount(
        self, request: pb.GetAccountRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.GetAccountResponse:
        """See the contract."""
        return pb.GetAccountResponse(account=await _or_unavailable(context, self._reads.account()))

    async def GetStatus(
        self, request: pb.GetStatusRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.GetStatusResponse:
        """See the contract."""
        return self._status()

    async def ApplyConfig(
        self, request: pb.ApplyConfigRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ApplyConfigResponse:
        """See the contract."""
        return pb.ApplyConfigResponse(applied_revision=await answer(self._configuration, request, context))


async def _or_unavailable(context: aio.ServicerContext[Any, Any], read: Awaitable[T]) -> T:
    try:
        return await read
    except ReadError as error:
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise
