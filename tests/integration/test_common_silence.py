"""Peers that fall silent without a word, and peers that only stall, over real gRPC on loopback."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc import aio
from tests.support.silence import way_to

from perpmaker.common import rpc
from perpmaker.common.attendance import Attendance
from perpmaker.common.clock import SystemClock
from perpmaker.common.rpc import BEAT_S
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc

HANG_S = 30.0
PING_TIMEOUT_S = 3.0
SLOW_PEER_S = 0.7
"""How long a peer on a busy machine may take over a handshake."""
STALL_S = 6.0
"""Longer than a ping is waited for, pause before it included."""


class Receiver(gw_grpc.ExecutionServiceServicer):
    """Notes its callers' signs of life and when a stream of theirs ended."""

    def __init__(self) -> None:
        self.attendance = Attendance(SystemClock())
        self.beats = 0
        self.ended = asyncio.Event()

    async def Execute(  # type: ignore[override]
        self, request_iterator: AsyncIterator[gw.ExecuteRequest], context: Any
    ) -> AsyncIterator[gw.ExecuteResponse]:
        try:
            with self.attendance.caller() as caller:
                async for request in request_iterator:
                    caller.seen(leaving=request.presence.leaving)
                    self.beats += 1
                    yield gw.ExecuteResponse()
        finally:
            self.ended.set()


class Sender:
    """A stream that is kept open, and what became of it."""

    def __init__(self, target: str) -> None:
        self.lost = asyncio.Event()
        self.answers: asyncio.Queue[gw.ExecuteResponse] = asyncio.Queue()
        self._channel = rpc.connect(target)
        stub = gw_grpc.ExecutionServiceStub(self._channel)
        self.stream: rpc.Duplex[gw.ExecuteRequest, gw.ExecuteResponse] = rpc.Duplex(
            "beats",
            lambda: stub.Execute(),
            self.answers.put_nowait,
            on_lost=lambda _reason: self.lost.set(),
            connected=lambda: rpc.ready(self._channel),
            sign_of_life=lambda: gw.ExecuteRequest(presence=common.Presence()),
        )

    async def close(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Receiver, int]]:
    server = aio.server(options=rpc.SERVER_OPTIONS)
    receiver = Receiver()
    gw_grpc.add_ExecutionServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield receiver, port
    finally:
        await server.stop(grace=None)


@asynccontextmanager
async def sending(target: str) -> AsyncIterator[Sender]:
    sender = Sender(target)
    running = asyncio.create_task(sender.stream.run())
    try:
        async with asyncio.timeout(HANG_S):
            await sender.answers.get()
        yield sender
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sender.close()


async def test_both_ends_notice_a_silence_that_closes_no_connection() -> None:
    async with served() as (receiver, port), way_to(port) as (way, at), sending(f"127.0.0.1:{at}") as sender:
        way.cut()
        began = time.monotonic()
        async with asyncio.timeout(HANG_S):
            await sender.lost.wait()
            caller_s = time.monotonic() - began
            await receiver.ended.wait()
        receiver_s = time.monotonic() - began
        sys.stdout.write(
            f"silence noticed by the caller after {caller_s:.1f} s, by the receiver after {receiver_s:.1f} s\n"
        )
        # What is missed counts from the last sign of life, not from the end of the stream.
        assert receiver.attendance.silence_s >= PING_TIMEOUT_S - BEAT_S
        assert not receiver.attendance.is_attached


async def test_a_peer_that_is_slow_to_greet_is_waited_for() -> None:
    async with served() as (_, port), way_to(port) as (way, at):
        way.cut()
        async with rpc.connect(f"127.0.0.1:{at}") as channel:
            ready = asyncio.create_task(rpc.ready(channel))
            done, _pending = await asyncio.wait((ready,), timeout=SLOW_PEER_S)
            assert not done
            assert way.met == 1, "the first connection was given up"
            way.mend()
            async with asyncio.timeout(HANG_S):
                await ready
        assert way.met == 1


def stall() -> None:
    """Keep the event loop from turning."""
    end = time.monotonic() + STALL_S
    while time.monotonic() < end:
        time.sleep(0.1)


async def test_an_event_loop_that_stalls_loses_no_peer() -> None:
    async with served() as (receiver, port), sending(f"127.0.0.1:{port}") as sender:
        stall()
        beats = receiver.beats
        async with asyncio.timeout(HANG_S):
            while receiver.beats < beats + 2:
                await sender.answers.get()
        assert not sender.lost.is_set()
        assert receiver.attendance.is_attached


async def test_a_stream_without_plans_shows_life_again_and_again() -> None:
    async with served() as (receiver, port), sending(f"127.0.0.1:{port}") as sender:
        async with asyncio.timeout(HANG_S):
            while receiver.beats < 3:
                await sender.answers.get()
        await sender.stream.show_life()
        assert receiver.attendance.is_attached
