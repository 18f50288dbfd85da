"""Who reaches whom: connections tried from inside pods, held against the table of flows the policies are made of."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.e2e.netns import within

from perpmaker.operator.children.network_policies import End, Flow, Outside, Port
from perpmaker.operator.names import METRICS_PORT, Role

DROPPED_AFTER_S: Final = 1.5
"""Longer than the kernel's first repetition of a lost packet; a refused one is dropped without a word."""
ALLOWED_WITHIN_S: Final = 10.0
_AT_ONCE: Final = 300


class Chart(StrEnum):
    """Ends that only the chart's own policies name."""

    UNINSTALL = "uninstall"
    API_SERVER = "api-server"
    STRANGER = "stranger"
    """Somebody whom no flow names."""


@dataclass(frozen=True, slots=True)
class Place:
    """One end of connections. `pid` is a process of its pod; None for an end that is no pod and so only a target."""

    name: str
    kind: End | Chart
    ip: str
    ports: tuple[int, ...]
    """Where others may try."""
    pid: int | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection from one end to a port of another."""

    source: Place
    target: Place
    port: int

    def __str__(self) -> str:
        return f"{self.source.name} -> {self.target.name}:{self.port}"


def attempts(places: Sequence[Place]) -> list[Attempt]:
    """Every pair, in both directions, at every port; strangers among each other are nobody's business."""
    return [
        Attempt(source, target, port)
        for source in places
        if source.pid is not None
        for target in places
        if target is not source and not (_is_foreign(source) and _is_foreign(target))
        for port in target.ports
    ]


def _is_foreign(place: Place) -> bool:
    return not isinstance(place.kind, Role) and place.kind not in {Outside.OPERATOR, Chart.UNINSTALL}


def chart_flows(api_port: int) -> list[tuple[End | Chart, End | Chart, int]]:
    """What the chart's policies let through beside the flows of accounts."""
    starters = (Outside.OPERATOR, Chart.UNINSTALL)
    return [
        *((starter, Outside.DNS, 53) for starter in starters),
        *((starter, Chart.API_SERVER, api_port) for starter in starters),
        (Outside.METRICS_READER, Outside.OPERATOR, METRICS_PORT),
    ]


def is_allowed(attempt: Attempt, flows: Iterable[Flow], chart: Iterable[tuple[End | Chart, End | Chart, int]]) -> bool:
    """Whether a flow names it. Flows between roles hold inside one account."""
    source, target = attempt.source, attempt.target
    if (source.kind, target.kind, attempt.port) in set(chart):
        return True
    if source.account and target.account and source.account != target.account:
        return False
    return any(
        flow.source is source.kind and flow.target is target.kind and Port(attempt.port) in flow.ports for flow in flows
    )


async def reached(tried: Sequence[Attempt], allowed: Sequence[bool]) -> list[str]:
    """Try all of them; how each differs from what is allowed, in words. Empty when all is as it should be."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(attempt: Attempt, expected: bool) -> str | None:
        async with gate:
            outcome = await connect(attempt, ALLOWED_WITHIN_S if expected else DROPPED_AFTER_S)
        if expected:
            return None if outcome == "connected" else f"{attempt} is allowed and was {outcome}"
        # Whoever is told that nobody listens has got through all the same.
        return None if outcome == "dropped" else f"{attempt} is not allowed and was {outcome}"

    found = await asyncio.gather(*map(one, tried, allowed))
    return [text for text in found if text is not None]


async def connect(attempt: Attempt, within_s: float) -> str:
    """Try once: connected, refused (by a machine that was reached), dropped, or the error's text."""
    pid = attempt.source.pid
    assert pid is not None
    made = await asyncio.to_thread(within, pid, _tcp)
    with made:
        try:
            async with asyncio.timeout(within_s):
                await asyncio.get_running_loop().sock_connect(made, (attempt.target.ip, attempt.port))
        except TimeoutError:
            return "dropped"
        except ConnectionRefusedError:
            return "refused"
        except OSError as error:
            return str(error)
    return "connected"


def _tcp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made
