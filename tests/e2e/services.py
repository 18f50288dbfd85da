"""The account's services asked by RPC from inside their pods: over TLS, past NetworkPolicies, without an API server.

What `kubectl port-forward` does for people needs the API server and the kubelet; this needs neither.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from grpc import aio
from tests.e2e.netns import dial

from perpmaker.common import rpc
from perpmaker.common.tls import Tls
from perpmaker.operator.names import GRPC_PORT
from perpmaker.proto.common.v1.common_pb2 import Order
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders_pb
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.proto.risk.v1 import risk_pb2 as risk_pb
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub

OPERATOR: Final = "perpmaker-operator-tls"
_DIAL_S: Final = 3.0
_EMPTYING_S: Final = 15.0


def person(account: str) -> str:
    """Name of the certificate for people of an account."""
    return f"{account}-cli-tls"


class Services:
    """One account's services. Calls raise grpc.aio.AioRpcError, or OSError while there is no process."""

    def __init__(self, account: str, pid: Callable[[str], int], certificates: Path | None) -> None:
        """`pid` names a process of a child's pod as the host numbers it; `certificates` is None without TLS."""
        self._account = account
        self._pid = pid
        self._certificates = certificates

    async def orders(self, market: str) -> list[Order]:
        """Orders that order-state takes for living."""
        async with self._channel("order-state", OPERATOR) as channel:
            request = orders_pb.ListOrdersRequest(market=market)
            answer = await OrdersServiceStub(channel).ListOrders(request, timeout=rpc.READ_DEADLINE_S)
            return list(answer.orders)

    async def position_e8(self, market: str) -> int:
        """Position in order-state's ledger."""
        async with self._channel("order-state", OPERATOR) as channel:
            request = orders_pb.GetSummaryRequest()
            answer = await OrdersServiceStub(channel).GetSummary(request, timeout=rpc.READ_DEADLINE_S)
            return sum(int(one.standing.position.sz_e8) for one in answer.markets if one.market == market)

    async def risk(self) -> risk_pb.GetStateResponse:
        """What risk sees and allows."""
        async with self._channel("risk", person(self._account)) as channel:
            return await RiskServiceStub(channel).GetState(risk_pb.GetStateRequest(), timeout=rpc.READ_DEADLINE_S)

    async def trip(self, reason: str, market: str = "") -> risk_pb.TripResponse:
        """Fire the kill switch as a person; of the account when no market is named."""
        async with self._channel("risk", person(self._account)) as channel:
            request = risk_pb.TripRequest(market=market, reason=reason)
            return await RiskServiceStub(channel).Trip(request, timeout=_EMPTYING_S)

    async def rearm(self, trip_id: str) -> risk_pb.RearmResponse:
        """Acknowledge a trip as a person."""
        async with self._channel("risk", person(self._account)) as channel:
            request = risk_pb.RearmRequest(trip_id=trip_id)
            return await RiskServiceStub(channel).Rearm(request, timeout=rpc.READ_DEADLINE_S)

    @asynccontextmanager
    async def _channel(self, role: str, who: str) -> AsyncIterator[aio.Channel]:
        child = f"{self._account}-{role}"
        pid = await asyncio.to_thread(self._pid, child)
        async with forwarded(pid) as target, rpc.connect(target, self._tls(who), server_name=child) as channel:
            yield channel

    def _tls(self, who: str) -> Tls | None:
        if self._certificates is None:
            return None
        folder = self._certificates / who
        return Tls(certificate_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt")


@asynccontextmanager
async def forwarded(pid: int, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """An address here whose connections go on from the pod of a process: to its own loopback, or to another pod."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inside = await asyncio.to_thread(dial, pid, host, GRPC_PORT, _DIAL_S)
        except OSError:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(sock=inside)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        here, port = server.sockets[0].getsockname()
        yield f"{here}:{port}"
    finally:
        server.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
