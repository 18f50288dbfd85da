"""How the runner learns that a child answers and that it may be relied on: one probe for each kind of child."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from grpc_health.v1 import health_pb2

from perpmaker.common import rpc
from perpmaker.local.childlog import announcement
from perpmaker.local.processes import Answer, Incarnation, Probe

_POLL_S = 0.03


def grpc_health(target: str) -> Probe:
    """Watch `grpc.health.v1`: any answer means listening, SERVING means ready."""

    async def watch(_incarnation: Incarnation, report: Callable[[Answer], None]) -> None:
        async with rpc.connect(target) as channel:
            health_watch = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )

            def heard(message: health_pb2.HealthCheckResponse) -> None:
                report(Answer(ready=message.status == health_pb2.HealthCheckResponse.SERVING))

            await rpc.follow(
                f"health {target}",
                lambda: health_watch(health_pb2.HealthCheckRequest(), wait_for_ready=True),
                heard,
                on_lost=lambda _reason: report(Answer(ready=False)),
            )

    return watch


def announces(event: str, found: Callable[[dict[str, Any]], Mapping[str, str]]) -> Probe:
    """Ready with the first JSON line of that event in the child's output; `found` keeps it and words it for people."""

    async def watch(incarnation: Incarnation, report: Callable[[Answer], None]) -> None:
        while (  # noqa: ASYNC110  a file cannot be awaited
            entry := announcement(incarnation.log, incarnation.log_offset, event)
        ) is None:
            await asyncio.sleep(_POLL_S)
        report(Answer(ready=True, facts=found(entry)))
        await asyncio.Event().wait()

    return watch


def answers(question: Callable[[], Awaitable[bool]], facts: Mapping[str, str]) -> Probe:
    """Ready as soon as the question is answered with yes."""

    async def watch(_incarnation: Incarnation, report: Callable[[Answer], None]) -> None:
        while not await question():  # noqa: ASYNC110  nor can a server that is not there yet
            await asyncio.sleep(_POLL_S)
        report(Answer(ready=True, facts=facts))
        await asyncio.Event().wait()

    return watch
