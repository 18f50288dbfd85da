"""Prometheus endpoint shared by all services: loopback by default, with build and event-loop series of its own."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable

from prometheus_client import Gauge, Histogram, start_http_server

from perpmaker import __version__

TICK_TO_ORDER_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
RPC_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
EXCHANGE_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)

_BUILD = Gauge("mm_build_info", "Version of the running code; always 1.", ["version", "component"])
_READY = Gauge("mm_ready", "1 when the service may take part in trading.", ["component"])
_LOOP_LAG = Histogram(
    "mm_event_loop_lag_seconds",
    "How late the event loop wakes.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
)


def serve(component: str, host: str, port: int) -> int:
    """Start the endpoint in a thread of its own and return the port it listens on (`port` 0 takes any free one)."""
    _BUILD.labels(__version__, component).set(1)
    server, _thread = start_http_server(port, host)
    return int(server.server_address[1])


def set_ready(component: str, ready: bool) -> None:
    """Export readiness."""
    _READY.labels(component).set(1 if ready else 0)


async def watch_loop_lag(every_s: float = 0.5) -> None:
    """Measure, until cancelled, how late timers fire."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_s
        await asyncio.sleep(every_s)
        _LOOP_LAG.observe(max(0.0, loop.time() - due))


class Reservoir:
    """The newest samples of a duration, for exact quantiles where histogram buckets are too coarse."""

    def __init__(self, size: int = 20_000) -> None:
        self._samples: deque[float] = deque(maxlen=size)
        self.count = 0

    def add(self, value: float) -> None:
        """Record one sample."""
        self._samples.append(value)
        self.count += 1

    def quantiles(self, wanted: Iterable[float]) -> tuple[float, ...]:
        """Values at the given quantiles (0..1) by nearest rank; zeros while there is no sample."""
        ordered = sorted(self._samples)
        if not ordered:
            return tuple(0.0 for _ in wanted)
        return tuple(ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in wanted)
