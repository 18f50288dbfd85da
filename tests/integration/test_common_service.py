"""The service skeleton and its streams over real gRPC on a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.support.waiting import HANG_S, until

from perpmaker.common import rpc, service
from perpmaker.common.service import LIVENESS, Endpoint, Runtime, Service, StartError
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Idle(Service):
    """A service that does nothing but tell what was done to it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.told: list[str] = []
        self.started = asyncio.Event()

    def register(self, server: aio.Server) -> None:
        self.told.append("register")

    async def start(self) -> None:
        self.told.append("start")
        self.started.set()

    async def stop(self) -> None:
        self.told.append(f"stop ready={self.runtime.is_ready}")


def endpoint(folder: Path) -> Endpoint:
    return Endpoint(listen=f"unix:{folder}/s.sock")


async def health_of(target: str, name: str) -> int:
    async with rpc.connect(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=HANG_S, wait_for_ready=True)
        return int(answer.status)


async def launch(
    at: Endpoint, build: Callable[[Runtime], Idle] = Idle
) -> tuple[asyncio.Task[int], asyncio.Future[Idle]]:
    made: asyncio.Future[Idle] = asyncio.get_running_loop().create_future()

    def remember(runtime: Runtime) -> Service:
        made.set_result(build(runtime))
        return made.result()

    return asyncio.create_task(service._live("test", at, remember)), made


async def test_ready_is_separate_from_alive(tmp_path: Path) -> None:
    at = endpoint(tmp_path)
    life, made = await launch(at)
    idle = await made
    assert await health_of(at.listen, LIVENESS) == SERVING
    assert await health_of(at.listen, "") == NOT_SERVING
    await idle.runtime.set_ready(True)
    assert await health_of(at.listen, "") == SERVING
    os.kill(os.getpid(), signal.SIGTERM)
    assert await life == 0
    assert idle.told == ["register", "start", "stop ready=False"]


async def test_a_failed_background_task_ends_the_process_with_1(tmp_path: Path) -> None:
    life, made = await launch(endpoint(tmp_path))
    idle = await made
    await idle.started.wait()

    async def fail() -> None:
        raise RuntimeError("broken")

    idle.runtime.spawn(fail(), name="failing")
    assert await life == 1
    assert idle.told[-1] == "stop ready=False"


async def test_a_task_that_swallows_a_cancellation_does_not_keep_the_service_alive(tmp_path: Path) -> None:
    life, made = await launch(endpoint(tmp_path))
    idle = await made
    await idle.started.wait()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    idle.runtime.spawn(stubborn(), name="stubborn")
    idle.runtime.stopping.set()
    async with asyncio.timeout(HANG_S):
        assert await life == 0


class Asking(Idle):
    """A service that asks for many names of somebody who does not answer."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.asked: list[int] = []
        self.answered = threading.Event()
        self.lookups: list[asyncio.Future[None]] = []

    def _look_up(self, number: int) -> None:
        self.asked.append(number)
        self.answered.wait(HANG_S)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.lookups = [loop.run_in_executor(None, self._look_up, number) for number in range(100)]
        await super().start()


async def test_names_that_were_not_asked_for_yet_do_not_keep_a_process_that_ends(tmp_path: Path) -> None:
    life, made = await launch(endpoint(tmp_path), Asking)
    asking = await made
    assert isinstance(asking, Asking)
    await asking.started.wait()
    asking.runtime.stopping.set()
    assert await life == 0
    under_way = len(asking.asked)
    asking.answered.set()
    ends = await asyncio.gather(*asking.lookups, return_exceptions=True)
    assert len(asking.asked) == under_way
    assert sum(isinstance(end, asyncio.CancelledError) for end in ends) == 100 - under_way > 0


async def test_what_becomes_of_a_lookup_after_the_end_is_no_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answered = threading.Event()

    def fail() -> None:
        answered.wait(HANG_S)
        raise socket.gaierror("nobody answers")

    life, made = await launch(endpoint(tmp_path))
    idle = await made
    await idle.started.wait()
    lookups = [asyncio.get_running_loop().run_in_executor(None, fail)]
    idle.runtime.stopping.set()
    assert await life == 0
    answered.set()

    async def has_ended() -> bool:
        # The thread keeps the future a moment longer than the loop does.
        return lookups[0].done() and not any(thread.name.startswith("lookup") for thread in threading.enumerate())

    await until("the lookup has ended", has_ended)
    # An error that nobody has asked for is told when the future goes.
    lookups.clear()
    gc.collect()
    assert not caplog.records


async def test_a_taken_metrics_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = Endpoint(listen=f"unix:{tmp_path}/s.sock", metrics_port=taken.getsockname()[1])
        with pytest.raises(StartError, match=r"metrics endpoint .* cannot be opened .*choose another metrics_port"):
            await service._live("test", at, Idle)


async def test_a_taken_address_is_named_with_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=r"cannot listen on .*choose another address"):
            await service._live("test", Endpoint(listen=address), Idle)


class Echo(gw_grpc.ExecutionServiceServicer):
    """Answers every plan with its own request id."""

    async def Execute(  # type: ignore[override]
        self, request_iterator: AsyncIterator[gw.ExecuteRequest], context: object
    ) -> AsyncIterator[gw.ExecuteResponse]:
        async for request in request_iterator:
            yield gw.ExecuteResponse(request_id=request.request_id, done=gw.Done())


async def echo_server(target: str) -> aio.Server:
    server = aio.server(options=rpc.SERVER_OPTIONS)
    gw_grpc.add_ExecutionServiceServicer_to_server(Echo(), server)
    server.add_insecure_port(target)
    await server.start()
    return server


async def test_a_duplex_stream_fails_writes_while_down_and_comes_back(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/echo.sock"
    answers: asyncio.Queue[int] = asyncio.Queue()
    ups: asyncio.Queue[str] = asyncio.Queue()
    channel = rpc.connect(target)
    stub = gw_grpc.ExecutionServiceStub(channel)
    stream: rpc.Duplex[gw.ExecuteRequest, gw.ExecuteResponse] = rpc.Duplex(
        "echo",
        lambda: stub.Execute(),
        lambda message: answers.put_nowait(message.request_id),
        on_up=lambda: ups.put_nowait("up"),
        on_lost=lambda reason: ups.put_nowait("lost"),
        connected=lambda: rpc.ready(channel),
    )
    run = asyncio.create_task(stream.run())
    with pytest.raises(rpc.StreamDownError):
        await stream.write(gw.ExecuteRequest(request_id=1))

    async with asyncio.timeout(HANG_S):
        server = await echo_server(target)
        assert await ups.get() == "up"
        await asyncio.gather(*(stream.write(gw.ExecuteRequest(request_id=n)) for n in (2, 3, 4)))
        assert sorted([await answers.get() for _ in range(3)]) == [2, 3, 4]

        await server.stop(grace=None)
        assert await ups.get() == "lost"
        assert not stream.is_up

        server = await echo_server(target)
        assert await ups.get() == "up"
        await stream.write(gw.ExecuteRequest(request_id=5))
        assert await answers.get() == 5
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await channel.close()
    await server.stop(grace=None)


class Ticker(gw_grpc.MarketDataServiceServicer):
    """Sends one frame and then holds the stream open."""

    async def Subscribe(  # type: ignore[override]
        self, request: gw.MarketDataServiceSubscribeRequest, context: object
    ) -> AsyncIterator[gw.MarketDataServiceSubscribeResponse]:
        yield gw.MarketDataServiceSubscribeResponse(bbo=gw.Bbo())
        await asyncio.Event().wait()


async def test_a_followed_stream_tells_of_its_loss_once_and_reopens(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/ticks.sock"
    seen: asyncio.Queue[str] = asyncio.Queue()
    channel = rpc.connect(target)
    stub = gw_grpc.MarketDataServiceStub(channel)
    run = asyncio.create_task(
        rpc.follow(
            "ticks",
            lambda: stub.Subscribe(gw.MarketDataServiceSubscribeRequest()),
            lambda message: seen.put_nowait("message"),
            on_lost=lambda reason: seen.put_nowait("lost"),
        )
    )
    async with asyncio.timeout(HANG_S):
        assert await seen.get() == "lost"
        for _ in range(2):
            server = aio.server(options=rpc.SERVER_OPTIONS)
            gw_grpc.add_MarketDataServiceServicer_to_server(Ticker(), server)
            server.add_insecure_port(target)
            await server.start()
            assert await seen.get() == "message"
            await server.stop(grace=None)
            assert await seen.get() == "lost"
    assert seen.empty()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await channel.close()
