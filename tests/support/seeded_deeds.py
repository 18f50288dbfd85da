"""What is done to a running seeded account besides what every test of it does."""

from __future__ import annotations

from typing import Any

from tests.support.seeded_stack import SeededStack

from perpmaker.api.parts import GatewayPart, OrderStatePart
from perpmaker.common import rpc
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

_ANSWER_S = 30.0


async def apply_gateway(stack: SeededStack, **changes: Any) -> None:
    """Put fields of the gateway's part in force; once for each stack."""
    at = stack.parts.gateway
    part: GatewayPart = at.model_copy(update={"revision": at.revision + 1} | changes)
    request = gateway_pb2.ApplyConfigRequest(revision=part.revision, part_json=part.model_dump_json())
    async with rpc.connect(at.endpoint.listen) as channel:
        await gateway_pb2_grpc.ReferenceServiceStub(channel).ApplyConfig(request, timeout=_ANSWER_S)


async def apply_order_state(stack: SeededStack, **changes: Any) -> None:
    """The same of order-state's part."""
    at = stack.parts.order_state
    part: OrderStatePart = at.model_copy(update={"revision": at.revision + 1} | changes)
    request = orderstate_pb2.ApplyConfigRequest(revision=part.revision, part_json=part.model_dump_json())
    async with rpc.connect(at.endpoint.listen) as channel:
        await orderstate_pb2_grpc.OrdersServiceStub(channel).ApplyConfig(request, timeout=_ANSWER_S)


async def exchange_ms(stack: SeededStack) -> int:
    """Clock of the exchange."""
    return int((await stack.info(type="exchangeStatus"))["time"])
