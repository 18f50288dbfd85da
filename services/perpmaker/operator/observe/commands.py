"""What the operator asks of the services. Every call is idempotent and has a deadline; an answer is a value."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import grpc
from grpc import aio

from perpmaker.common import rpc
from perpmaker.common.cloid import decode, market_tag
from perpmaker.common.reconfigure import REFUSED_LEVERAGE_KEY, REFUSED_MARKETS_KEY
from perpmaker.operator.names import Role
from perpmaker.operator.observe.channels import Channels
from perpmaker.operator.observe.reads import CHANNEL_CLOSED, unreachable, was_cancelled_from_outside
from perpmaker.operator.observe.values import Unreachable, Why
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

EMPTYING_DEADLINE_S: Final = 3.0
"""For calls that answer when the exchange shows an empty book; they are repeated."""
DRAIN_DEADLINE_S: Final = 1.0

_TEXT_LENGTH: Final = 500
_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Refused:
    """The service understood and said no."""

    code: str
    text: str
    markets: tuple[str, ...] = ()
    """Markets that alone are to blame."""
    leverage: tuple[str, ...] = ()
    """Markets whose wanted leverage alone is to blame."""

    @property
    def is_outdated(self) -> bool:
        """The service has something newer."""
        return self.code == grpc.StatusCode.FAILED_PRECONDITION.name

    @property
    def is_unknown(self) -> bool:
        """The service knows nothing of what was named."""
        return self.code == grpc.StatusCode.NOT_FOUND.name


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration is in force."""

    number: int
    """Its revision, or a quoter's generation."""


@dataclass(frozen=True, slots=True)
class Tripped:
    """The kill latch is set."""

    trip_id: str
    verified_empty: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """A market takes nothing new."""

    verified_empty: bool
    remaining: int


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. `changed` is false when it had been before."""

    changed: bool = True


Failure: TypeAlias = Refused | Unreachable


def _failure(error: aio.AioRpcError) -> Failure:
    if error.code() not in _REFUSALS:
        return unreachable(error)
    blamed = {REFUSED_MARKETS_KEY: (), REFUSED_LEVERAGE_KEY: ()} | {
        key: tuple(filter(None, (value if isinstance(value, str) else value.decode()).split(",")))
        for key, value in error.trailing_metadata() or ()
        if key in (REFUSED_MARKETS_KEY, REFUSED_LEVERAGE_KEY)
    }
    text = (error.details() or "")[:_TEXT_LENGTH]
    return Refused(error.code().name, text, blamed[REFUSED_MARKETS_KEY], blamed[REFUSED_LEVERAGE_KEY])


class Commands:
    """Calls by target."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def _call(self, call: Callable[[], Awaitable[Answer]]) -> Answer | Failure:
        try:
            return await call()
        except aio.AioRpcError as error:
            return _failure(error)
        except aio.UsageError:
            return CHANNEL_CLOSED
        except asyncio.CancelledError:
            if was_cancelled_from_outside():
                raise
            return CHANNEL_CLOSED

    def _channel(self, target: str) -> aio.Channel | Unreachable:
        try:
            return self._channels.get(target)
        except OSError as error:
            return Unreachable(Why.FAILED, f"the operator's certificate cannot be read: {error.strerror}")

    async def apply_part(self, role: Role, target: str, revision: int, part_json: str) -> Applied | Failure:
        """Put the document of one of an account's services in force."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        answer: object
        match role:
            case Role.GATEWAY:
                answer = await self._call(
                    lambda: gateway_pb2_grpc.ReferenceServiceStub(channel).ApplyConfig(
                        gateway_pb2.ApplyConfigRequest(revision=revision, part_json=part_json),
                        timeout=rpc.READ_DEADLINE_S,
                    )
                )
            case Role.ORDER_STATE:
                answer = await self._call(
                    lambda: orderstate_pb2_grpc.OrdersServiceStub(channel).ApplyConfig(
                        orderstate_pb2.ApplyConfigRequest(revision=revision, part_json=part_json),
                        timeout=rpc.CONFIG_DEADLINE_S,
                    )
                )
            case Role.RISK:
                answer = await self._call(
                    lambda: risk_pb2_grpc.RiskServiceStub(channel).ApplyConfig(
                        risk_pb2.ApplyConfigRequest(revision=revision, part_json=part_json),
                        timeout=rpc.CONFIG_DEADLINE_S,
                    )
                )
            case _:
                raise ValueError(f"{role.value} takes no document with a revision")
        if isinstance(answer, Refused | Unreachable):
            return answer
        return Applied(revision)

    async def apply_quoter(self, target: str, generation: int, part_json: str) -> Applied | Failure:
        """Put the document of a quoter in force."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        request = quoter_pb2.ApplyConfigRequest(generation=generation, part_json=part_json)
        stub = quoter_pb2_grpc.QuoterServiceStub(channel)
        answer = await self._call(lambda: stub.ApplyConfig(request, timeout=rpc.CONFIG_DEADLINE_S))
        return answer if isinstance(answer, Refused | Unreachable) else Applied(answer.applied_generation)

    async def drain(self, target: str, drain_id: str) -> Done | Failure:
        """Have a quoter propose nothing any more; there is no way back."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        stub = quoter_pb2_grpc.QuoterServiceStub(channel)
        answer = await self._call(
            lambda: stub.Drain(quoter_pb2.DrainRequest(drain_id=drain_id), timeout=DRAIN_DEADLINE_S)
        )
        return answer if isinstance(answer, Refused | Unreachable) else Done()

    async def trip(self, target: str, market: str, reason: str) -> Tripped | Failure:
        """Set the kill latch of a market, or of the account for the empty text."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        request = risk_pb2.TripRequest(market=market, reason=reason)
        answer = await self._call(
            lambda: risk_pb2_grpc.RiskServiceStub(channel).Trip(request, timeout=EMPTYING_DEADLINE_S)
        )
        if isinstance(answer, Refused | Unreachable):
            return answer
        return Tripped(answer.trip_id, answer.verified_empty)

    async def rearm(self, target: str, trip_id: str) -> Done | Failure:
        """Acknowledge a trip."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        request = risk_pb2.RearmRequest(trip_id=trip_id)
        answer = await self._call(
            lambda: risk_pb2_grpc.RiskServiceStub(channel).Rearm(request, timeout=rpc.CONFIG_DEADLINE_S)
        )
        return answer if isinstance(answer, Refused | Unreachable) else Done(answer.released)

    async def close_market(self, target: str, market: str, drain_id: str) -> Closed | Failure:
        """Close a market and have its orders cancelled; the answer says what the exchange showed afterwards."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        request = risk_pb2.CloseMarketRequest(market=market, drain_id=drain_id)
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        answer = await self._call(lambda: stub.CloseMarket(request, timeout=EMPTYING_DEADLINE_S))
        if isinstance(answer, Refused | Unreachable):
            return answer
        return Closed(answer.verified_empty, answer.remaining)

    async def open_market(self, target: str, market: str) -> Done | Failure:
        """Let a closed market trade again."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        request = risk_pb2.OpenMarketRequest(market=market)
        stub = risk_pb2_grpc.RiskServiceStub(channel)
        answer = await self._call(lambda: stub.OpenMarket(request, timeout=rpc.CONFIG_DEADLINE_S))
        return answer if isinstance(answer, Refused | Unreachable) else Done()

    async def own_open_orders(self, target: str, account: str) -> tuple[str, ...] | Failure:
        """Markets of the orders at the exchange that carry the account's mark, one for each; the gateway is asked."""
        channel = self._channel(target)
        if isinstance(channel, Unreachable):
            return channel
        stub = gateway_pb2_grpc.ReferenceServiceStub(channel)
        request = gateway_pb2.ListOpenOrdersRequest()
        answer = await self._call(lambda: stub.ListOpenOrders(request, timeout=rpc.READ_DEADLINE_S))
        if isinstance(answer, Refused | Unreachable):
            return answer
        return tuple(
            order.market
            for order in answer.open_orders.orders
            if (ours := decode(order.cloid)) is not None and ours.tag == market_tag(account, order.market)
        )
