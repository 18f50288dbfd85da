"""The gateway process: its parts (`life.composition`), set going, offered as services and taken leave of in order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from grpc import aio

from perpmaker.api.parts import GatewayPart
from perpmaker.common import service
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.common.config import load_part
from perpmaker.common.service import Runtime, Service
from perpmaker.gateway import custody
from perpmaker.gateway.life.composition import Composition
from perpmaker.gateway.life.condition import Condition
from perpmaker.gateway.life.departure import depart
from perpmaker.gateway.life.start_up import spawn_all, start_up
from perpmaker.gateway.life.upkeep import Upkeep
from perpmaker.gateway.serving.account import AccountServicer
from perpmaker.gateway.serving.execution import ExecutionServicer
from perpmaker.gateway.serving.market_data import MarketDataServicer
from perpmaker.gateway.serving.reference import ReferenceServicer
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc

COMPONENT = "gateway"


def main(config_path: Path) -> None:
    """Run the gateway until it is told to stop. Raises ConfigError; ends the process otherwise."""
    custody.shield()
    part = load_part(config_path, GatewayPart)
    service.run(COMPONENT, part.endpoint, lambda runtime: Gateway(part, runtime), account=part.account)


class Gateway(Service):
    """One gateway."""

    stop_deadline_s: ClassVar[float] = 55.0

    def __init__(self, part: GatewayPart, runtime: Runtime, clock: Clock | None = None) -> None:
        """Raises StartError when the key cannot be used or signing does not work on this machine."""
        self.parts = Composition(part, clock or SystemClock())
        self._runtime = runtime
        self._upkeep = Upkeep(self.parts)
        self._condition = Condition(self.parts)
        self._switch_task: asyncio.Task[None] | None = None

    def register(self, server: aio.Server) -> None:
        """See Service."""
        parts = self.parts
        gateway_pb2_grpc.add_MarketDataServiceServicer_to_server(
            MarketDataServicer(parts.market_hub, parts.markets), server
        )
        gateway_pb2_grpc.add_AccountServiceServicer_to_server(AccountServicer(parts.account_hub), server)
        gateway_pb2_grpc.add_ExecutionServiceServicer_to_server(
            ExecutionServicer(parts.execution, parts.fence, parts.resolver, parts.attendance), server
        )
        gateway_pb2_grpc.add_ReferenceServiceServicer_to_server(
            ReferenceServicer(parts.markets, parts.listings, parts.reads, self.status, parts.configuration), server
        )

    async def start(self) -> None:
        """See Service."""
        await start_up(self.parts, self._upkeep)
        spawn_all(self.parts, self._upkeep, lambda work, name: self._runtime.spawn(work, name=name))
        self._runtime.spawn(self._condition.keep_readiness(self._runtime), name="readiness")
        self._switch_task = self._runtime.spawn(self.parts.switch.run(), name="dead-mans-switch")

    def status(self) -> pb.GetStatusResponse:
        """Condition of the gateway."""
        return self._condition.status()

    async def stop(self) -> None:
        """See Service."""
        await depart(self.parts, self._runtime, self._switch_task)
