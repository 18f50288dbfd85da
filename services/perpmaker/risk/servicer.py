"""The risk service's calls: thin translations between the contract and the controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, NoReturn

import grpc
from grpc import aio

from perpmaker.api.parts import RiskPart
from perpmaker.common import rpc
from perpmaker.common.clock import Clock
from perpmaker.common.reconfigure import Configuration, answer
from perpmaker.proto.risk.v1 import risk_pb2 as pb
from perpmaker.proto.risk.v1 import risk_pb2_grpc
from perpmaker.risk.controller import Controller
from perpmaker.risk.executor import Executor
from perpmaker.risk.feed import VALID_FOR_MS, PermissionFeed
from perpmaker.risk.keeper import Keeper
from perpmaker.risk.record import TripNotExecutedError, UnknownTripError
from perpmaker.risk.store import StoreUnavailableError
from perpmaker.risk.wire import state_message

_ANSWER_MARGIN_S: Final = 0.1
"""Kept of the caller's deadline for the answer's way back."""
_LONGEST_WAIT_S: Final = 30.0
_LONGEST_DISK_WAIT_S: Final = 2.0
"""A kill is answered without its record on disk after this; a store that slow closes the permissions anyway."""

Context = aio.ServicerContext[Any, Any]


class RiskServicer(risk_pb2_grpc.RiskServiceServicer):
    """Risk of one account over gRPC."""

    def __init__(
        self,
        clock: Clock,
        controller: Controller,
        keeper: Keeper,
        executor: Executor,
        feed: PermissionFeed,
        configuration: Configuration[RiskPart],
    ) -> None:
        self._configuration = configuration
        self._clock = clock
        self._controller = controller
        self._keeper = keeper
        self._executor = executor
        self._feed = feed

    async def WatchPermissions(
        self, request: pb.WatchPermissionsRequest, context: Context
    ) -> AsyncIterator[pb.WatchPermissionsResponse]:
        """Stream permissions until the reader leaves."""
        for market in request.markets:
            await self._check_market(market, context)
        mailbox = self._feed.subscribe(request.markets)
        try:
            while True:
                for message in await mailbox.take():
                    yield message
        finally:
            self._feed.unsubscribe(mailbox)

    async def Trip(self, request: pb.TripRequest, context: Context) -> pb.TripResponse:
        """Latch, then answer with the proof of emptiness or, shortly before the deadline, without it."""
        if request.market:
            await self._check_market(request.market, context)
        trip_id = self._controller.trip(request.market, request.reason or "manual")
        verified = await self._settle(self._controller.markets_of(request.market), context)
        return pb.TripResponse(trip_id=trip_id, verified_empty=verified)

    async def Rearm(self, request: pb.RearmRequest, context: Context) -> pb.RearmResponse:
        """Acknowledge a trip."""
        try:
            return pb.RearmResponse(released=await self._controller.rearm(request.trip_id))
        except UnknownTripError as error:
            return await _refuse(context, grpc.StatusCode.NOT_FOUND, str(error))
        except TripNotExecutedError as error:
            return await _refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except StoreUnavailableError as error:
            return await _refuse(context, grpc.StatusCode.UNAVAILABLE, f"the latch stays: {error}")

    async def CloseMarket(self, request: pb.CloseMarketRequest, context: Context) -> pb.CloseMarketResponse:
        """Close, then answer with the proof of emptiness or with what is in doubt shortly before the deadline."""
        await self._check_market(request.market, context)
        if not request.drain_id:
            return await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "drain_id names the drain and is required")
        self._controller.close(request.market, request.drain_id)
        verified = await self._settle((request.market,), context)
        remaining = 0 if verified else self._executor.remaining(request.market)
        return pb.CloseMarketResponse(verified_empty=verified, remaining=remaining)

    async def OpenMarket(self, request: pb.OpenMarketRequest, context: Context) -> pb.OpenMarketResponse:
        """Open a closed market; a killed one stays killed."""
        await self._check_market(request.market, context)
        try:
            await self._controller.reopen(request.market)
        except StoreUnavailableError as error:
            return await _refuse(context, grpc.StatusCode.UNAVAILABLE, f"the market stays closed: {error}")
        return pb.OpenMarketResponse()

    async def GetState(self, request: pb.GetStateRequest, context: Context) -> pb.GetStateResponse:
        """What risk sees and has decided, judged at this moment."""
        return state_message(
            self._controller.evaluate(),
            self._keeper.record,
            valid_until_ms=self._clock.now_ms() + VALID_FOR_MS,
            last_kill_latency_us=self._controller.last_kill_latency_us,
            applied_revision=self._configuration.revision,
            ready=self._controller.is_ready,
        )

    async def ApplyConfig(self, request: pb.ApplyConfigRequest, context: Context) -> pb.ApplyConfigResponse:
        """Take new markets and limits."""
        return pb.ApplyConfigResponse(applied_revision=await answer(self._configuration, request, context))

    async def _settle(self, markets: Iterable[str], context: Context) -> bool:
        """Wait until the record is on disk and the markets are proven empty, as far as the deadline lets; the proof."""
        patience_s = _patience_s(context)
        verified, _ = await asyncio.gather(
            self._executor.wait_empty(markets, patience_s),
            self._keeper.durable(min(patience_s, _LONGEST_DISK_WAIT_S)),
        )
        return verified

    async def _check_market(self, market: str, context: Context) -> None:
        if market not in self._controller.markets:
            known = ", ".join(sorted(self._controller.markets)) or "none"
            await _refuse(
                context, grpc.StatusCode.NOT_FOUND, f"market {market!r} is not configured; there are: {known}"
            )


async def _refuse(context: Context, code: grpc.StatusCode, text: str) -> NoReturn:
    await context.abort(code, text)


def _patience_s(context: Context) -> float:
    left_s: float | None = context.time_remaining()  # typed as never None, and None without a deadline
    if left_s is None:
        return rpc.PLACE_DEADLINE_S
    return min(max(0.0, left_s - _ANSWER_MARGIN_S), _LONGEST_WAIT_S)
