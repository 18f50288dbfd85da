"""Questions to the exchange by way of the gateway, each with a deadline. All raise grpc.aio.AioRpcError."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import aio

from perpmaker.common.rpc import READ_DEADLINE_S
from perpmaker.hyperliquid.instruments import rules_of
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.order_state import wire
from perpmaker.order_state.core.audit import Snapshot
from perpmaker.order_state.core.ledger import FillEntry
from perpmaker.order_state.core.resolve import StatusAnswer
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc


class Reads:
    """The gateway's reading side."""

    def __init__(self, channel: aio.Channel) -> None:
        self._reference = gateway_pb2_grpc.ReferenceServiceStub(channel)
        self._execution = gateway_pb2_grpc.ExecutionServiceStub(channel)

    async def status(self, cloid: str) -> StatusAnswer:
        """What the exchange says of an order."""
        request = gateway_pb2.GetOrderStatusRequest(cloid=cloid)
        return wire.status_answer(await self._reference.GetOrderStatus(request, timeout=READ_DEADLINE_S))

    async def open_orders(self) -> Snapshot:
        """All open orders of the account."""
        request = gateway_pb2.ListOpenOrdersRequest()
        response = await self._reference.ListOpenOrders(request, timeout=READ_DEADLINE_S)
        return wire.snapshot(response.open_orders)

    async def fills(self, since_ms: int) -> Sequence[FillEntry]:
        """All fills of the account since an exchange time, oldest first."""
        request = gateway_pb2.ListFillsRequest(since_ms=since_ms)
        response = await self._reference.ListFills(request, timeout=READ_DEADLINE_S)
        return [wire.fill_entry(fill) for fill in response.fills]

    async def account(self) -> gateway_pb2.AccountState:
        """Equity, margin and positions."""
        response = await self._reference.GetAccount(gateway_pb2.GetAccountRequest(), timeout=READ_DEADLINE_S)
        return response.account

    async def instruments(self) -> Sequence[InstrumentRules]:
        """Rules of the configured markets."""
        request = gateway_pb2.ListInstrumentsRequest()
        response = await self._reference.ListInstruments(request, timeout=READ_DEADLINE_S)
        return [rules_of(instrument) for instrument in response.instruments]

    async def burn(self, nonce: int) -> gateway_pb2.BurnResult.ValueType:
        """Try to make sure that the action signed with a nonce can never land."""
        request = gateway_pb2.BurnNonceRequest(nonce=nonce)
        response = await self._execution.BurnNonce(request, timeout=READ_DEADLINE_S)
        return response.result
