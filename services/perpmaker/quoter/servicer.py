"""The quoter's control surface over gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from perpmaker.api.parts import QuoterPart
from perpmaker.common.config import ConfigError, parse_part
from perpmaker.proto.quoter.v1 import quoter_pb2 as pb
from perpmaker.proto.quoter.v1 import quoter_pb2_grpc
from perpmaker.quoter.desk import Desk, NeedsRestartError, OutdatedGenerationError
from perpmaker.quoter.settings import SettingsError
from perpmaker.quoter.values import Side
from perpmaker.quoter.wire import wire_side

Context = aio.ServicerContext[Any, Any]


class QuoterServicer(quoter_pb2_grpc.QuoterServiceServicer):
    """Answers for one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ApplyConfig(self, request: pb.ApplyConfigRequest, context: Context) -> pb.ApplyConfigResponse:
        """See the contract. INVALID_ARGUMENT tells every problem, FAILED_PRECONDITION an outdated
        generation."""
        try:
            part = parse_part(Path("part_json"), request.part_json, QuoterPart)
            if part.generation != request.generation:
                await context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"generation {request.generation} does not match the part's {part.generation}",
                )
            self._desk.apply(part)
        except (ConfigError, SettingsError, NeedsRestartError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except OutdatedGenerationError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return pb.ApplyConfigResponse(applied_generation=self._desk.generation)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """See the contract."""
        desk = self._desk
        answer = pb.GetStatusResponse(
            quoting=desk.is_quoting,
            reasons=desk.reasons,
            applied_generation=desk.generation,
            epoch=desk.submitter.epoch,
            cycles=desk.cycles,
            skipped=desk.skipped,
            live_bids=desk.sight.resting_on(Side.BUY),
            live_asks=desk.sight.resting_on(Side.SELL),
            two_sided_ppm=desk.two_sided.ppm,
            flat=desk.decision is not None and desk.decision.flat,
        )
        decision = desk.decision
        if decision is not None:
            answer.target.extend(
                pb.TargetLevel(side=wire_side(level.side), px_e8=level.px_e8, sz_e8=level.sz_e8)
                for level in decision.ladder.levels
            )
            if decision.quote is not None:
                answer.mid_px_e8 = int(decision.quote.mid)
                answer.half_spread_bps = decision.quote.half_spread.total_bps
                answer.skew_bps = decision.quote.skew_bps
                answer.sigma_bps_per_sqrt_s = decision.quote.sigma_bps
        return answer

    async def Drain(self, request: pb.DrainRequest, context: Context) -> pb.DrainResponse:
        """See the contract."""
        self._desk.drain(request.drain_id)
        return pb.DrainResponse()
