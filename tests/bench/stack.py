"""Figures of the running stack: the trading path, the event path, the kill path, recovery and memory."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import Stack, running

from perpmaker.common import rpc
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc as orders_grpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1 import risk_pb2_grpc as risk_grpc

MEASURE_S = 30
SEED = 7


@dataclass(frozen=True)
class Quantiles:
    """p50, p90, p99 in microseconds and the number of samples."""

    p50_us: float
    p90_us: float
    p99_us: float
    count: int


@dataclass(frozen=True)
class StackFigures:
    """What one run of the examples measured."""

    tick_to_order: Quantiles
    sign: Quantiles
    event_to_subscribers: Quantiles
    kill_us: int
    recovery_s: dict[str, float]
    rss_mb: dict[str, float]


async def _paths(stack: Stack) -> tuple[Quantiles, Quantiles, Quantiles]:
    async with rpc.connect(stack.target("gateway/demo")) as channel:
        status = await gw_grpc.ReferenceServiceStub(channel).GetStatus(gw.GetStatusRequest(), timeout=5)
    async with rpc.connect(stack.target("order-state/demo")) as channel:
        summary = await orders_grpc.OrdersServiceStub(channel).GetSummary(orders.GetSummaryRequest(), timeout=5)
    p50, p90, p99 = summary.event_to_subscribers_us
    return _quantiles(status.tick_to_order), _quantiles(status.sign), Quantiles(p50, p90, p99, 0)


def _quantiles(message: gw.Quantiles) -> Quantiles:
    return Quantiles(message.p50_us, message.p90_us, message.p99_us, message.count)


async def _recovery_s(stack: Stack, service: str) -> float:
    seen = len(stack.lines)
    begin = time.monotonic()
    stack.kill(service)
    seen = await stack.wait_event("restarted", after=seen, service=service, within_s=30)
    await stack.wait_event("ready", after=seen, service=service, within_s=60)
    return time.monotonic() - begin


async def _kill_us(stack: Stack) -> int:
    async with rpc.connect(stack.target("risk/demo")) as channel:
        stub = risk_grpc.RiskServiceStub(channel)
        await stub.Trip(risk.TripRequest(market="", reason="bench"), timeout=10)
        return int((await stub.GetState(risk.GetStateRequest(), timeout=5)).last_kill_latency_us)


async def measure() -> StackFigures:
    """Quote the examples, read the paths, kill every service once, trip, stop."""
    with tempfile.TemporaryDirectory(prefix="perpmaker-bench-") as folder:
        async with running(Path(folder), seed=SEED) as stack:
            await stack.wait_event("quoting", within_s=60)
            begun_ms = await stack.exchange_time_ms()
            await stack.wait_exchange_time(begun_ms + MEASURE_S * 1_000, within_s=MEASURE_S * 2)
            tick, sign, events = await _paths(stack)
            recovery = {
                service: await _recovery_s(stack, f"{service}/demo") for service in ("gateway", "order-state", "risk")
            }
            recovery["quoter"] = await _recovery_s(stack, "quoter/btc")
            kill_us = await _kill_us(stack)
            summary = await stack.stop()
    return StackFigures(tick, sign, events, kill_us, recovery, dict(summary["rss_mb"]))
