"""The gateway's way from a plan to a frame, with an exchange that takes every order.

The plans' clock is moved by hand, so that each finds budgets full and no other plan to leave with.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

import msgspec

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.connections.socket import Link
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.orders.admission import Admission
from perpmaker.gateway.orders.execution import Execution
from perpmaker.gateway.orders.fencing import Fence
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

AMPLE: Final = BudgetSettings(max_actions_per_minute=1_000_000, reserved_for_cancels_percent=30)
_RULES: Final = InstrumentRules(market="BTC", asset_id=0, sz_decimals=5, max_leverage=40)
_NO_REST: Final = "http://127.0.0.1:9"
_APART_MS: Final = 10_000
_POST_TIMEOUT_MS: Final = 60_000


class _Items(msgspec.Struct):
    orders: tuple[msgspec.Raw, ...]


class _Payload(msgspec.Struct):
    action: _Items


class _Request(msgspec.Struct):
    payload: _Payload


class _Post(msgspec.Struct):
    id: int
    request: _Request


_POST = msgspec.json.Decoder(_Post)


def rested(frame: bytes) -> bytes:
    """The exchange's answer to a post of placements: all of them rest."""
    post = _POST.decode(frame)
    statuses = [{"resting": {"oid": oid}} for oid in range(len(post.request.payload.action.orders))]
    payload = {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
    data = {"id": post.id, "response": {"type": "action", "payload": payload}}
    return msgspec.json.encode({"channel": "post", "data": data})


class WrittenLink(Link):
    """An open connection that remembers the newest frame."""

    __slots__ = ("newest",)

    async def send(self, frame: bytes) -> None:
        """See Link."""
        self.newest = frame
        await super().send(frame)


class UnwrittenLink(WrittenLink):
    """The same without a connection: frames go nowhere."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    @property
    def is_open(self) -> bool:
        """See Link."""
        return True

    async def send(self, frame: bytes) -> None:
        """See Link."""
        self.newest = frame


class Entry(OrderEntry):
    """Order entry whose link is known."""

    link: WrittenLink

    async def opened(self, link: Link) -> None:
        """See SocketOwner."""
        self.link = link if isinstance(link, WrittenLink) else WrittenLink(link._socket)
        await super().opened(self.link)


class OrderPath:
    """Everything of a gateway between a plan and its order-entry socket."""

    def __init__(self) -> None:
        self.entry = Entry()
        clock, measurements, markets = ManualClock(), Measurements(), Markets(("BTC",))
        markets.serve(("BTC",), {"BTC": _RULES})
        budgets, exchange_clock = Budgets(AMPLE, clock.monotonic_s()), ExchangeClock(clock)
        budgets.address.observe(10**9, 0)
        desk = SigningDesk(Signer(SigningKey(secrets.token_bytes(32)), "b"), Nonces(clock, 0), clock, measurements)
        dispatch = Dispatch(self.entry, Rest(_NO_REST, budgets, clock), clock, measurements, _POST_TIMEOUT_MS)
        admission = Admission(markets, self.entry, budgets, Fence(), clock, exchange_clock, 5_000, lambda _: 0)
        self._clock = clock
        self._execution = Execution(
            markets, admission, desk, self.entry, dispatch, budgets, clock, exchange_clock, measurements
        )

    async def send(self, request: pb.ExecuteRequest) -> float:
        """Send a plan and wait for its outcome; returns the microseconds until its bytes were handed over."""
        told: list[pb.ExecuteResponse] = []
        is_done = asyncio.Event()

        def emit(response: pb.ExecuteResponse) -> None:
            told.append(response)
            if response.HasField("done"):
                is_done.set()

        self._clock.advance_ms(_APART_MS)
        begun = time.perf_counter_ns()
        await self._execution.execute(request, emit)
        taken_us = (time.perf_counter_ns() - begun) / 1_000
        if isinstance(self.entry.link, UnwrittenLink):
            self.entry.received(rested(self.entry.link.newest), 0)
        await is_done.wait()
        resting = [item for response in told for item in response.outcomes.items if item.HasField("resting")]
        if len(resting) != len(request.places):
            raise RuntimeError(f"a plan of {len(request.places)} was told {told}")
        return taken_us
