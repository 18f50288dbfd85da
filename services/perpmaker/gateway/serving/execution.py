"""ExecutionService: plans in, outcomes out, on one stream; and the calls that close and open the gate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from perpmaker.common import logs
from perpmaker.common.attendance import Attendance, Caller
from perpmaker.gateway.orders.execution import Execution
from perpmaker.gateway.orders.fencing import Fence
from perpmaker.gateway.resolution import Question
from perpmaker.gateway.resolving import PlacementResolver
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as rpc

_log = logs.get(__name__)


class ExecutionServicer(rpc.ExecutionServiceServicer):
    """Order entry."""

    def __init__(self, execution: Execution, fence: Fence, resolver: PlacementResolver, attendance: Attendance) -> None:
        self._execution = execution
        self._attendance = attendance
        self._fence = fence
        self._resolver = resolver

    async def Execute(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.ExecuteRequest], context: aio.ServicerContext[Any, Any]
    ) -> None:
        """See the contract."""
        outbox: asyncio.Queue[pb.ExecuteResponse] = asyncio.Queue()

        async def read(caller: Caller) -> None:
            async for request in request_iterator:
                if request.HasField("presence"):
                    caller.seen(leaving=request.presence.leaving)
                else:
                    await self._execution.execute(request, outbox.put_nowait)

        async def write() -> None:
            while True:
                await context.write(await outbox.get())

        with self._attendance.caller() as caller:
            writer = asyncio.create_task(write(), name="execute-writer")
            reader = asyncio.create_task(read(caller), name="execute-reader")
            try:
                # The caller ends the stream by ending its side; what is still open is then nobody's to be told.
                await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (reader, writer):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, aio.UsageError, aio.AioRpcError):
                        await task

    async def BurnNonce(
        self, request: pb.BurnNonceRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.BurnNonceResponse:
        """See the contract."""
        return pb.BurnNonceResponse(result=await self._resolver.burn(request.nonce))

    async def Resolve(self, request: pb.ResolveRequest, context: aio.ServicerContext[Any, Any]) -> pb.ResolveResponse:
        """See the contract."""
        question = Question(request.cloid.lower(), request.nonce, request.expires_after_ms)
        return await self._resolver.resolve(question)

    async def Disarm(self, request: pb.DisarmRequest, context: aio.ServicerContext[Any, Any]) -> pb.DisarmResponse:
        """See the contract."""
        _log.warning("gate.disarmed", market=request.market or "all", reason=request.reason)
        self._fence.disarm(request.market, request.reason)
        return pb.DisarmResponse()

    async def Arm(self, request: pb.ArmRequest, context: aio.ServicerContext[Any, Any]) -> pb.ArmResponse:
        """See the contract."""
        _log.info("gate.armed", market=request.market or "all")
        self._fence.arm(request.market)
        return pb.ArmResponse()
