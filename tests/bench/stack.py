"""Figures of the running stack: the trading path, the event path, the kill path, recovery and memory.

The trading path is three one-way stream hops and one store call, which is its floor. Its latency is that of frames that
a quoter reacts to at once: where the requote throttle holds a change back, the plan that leaves when it ends answers to
no frame and is not counted, since that pause is the trader's choice. Waiting for the verdicts of the plan before is.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from tests.bench import floor
from tests.bench.report import Budget, Figure, duration
from tests.support.stack import Stack, running

from perpmaker.common import rpc
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc as orders_grpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1 import risk_pb2_grpc as risk_grpc

_MEASURE_S: Final = 60
_HANG_S: Final = 300.0
"""Bound on what comes in seconds: it only ends a hang."""
_SEED: Final = 7
_COINS: Final = ("BTC", "ETH")
_RECOVERY: Final = Budget(3)
_QUOTER_MB: Final = Budget(70)
_ACCOUNT_MB: Final = Budget(250)
_ACCOUNT_SERVICES: Final = ("gateway", "order-state", "risk")


@dataclass(frozen=True)
class _Paths:
    tick_to_order: gw.Quantiles
    sign: gw.Quantiles
    event_to_subscribers_us: Sequence[float]
    """p50, p90, p99."""


@dataclass(frozen=True)
class _Kill:
    orders: int
    last_cancel_us: float
    """Until the last of their cancels was on record, which is when it goes to the gateway; exact to a millisecond."""
    empty_us: float
    """Until the exchange showed an empty book."""


@dataclass(frozen=True)
class _Run:
    """What one run of the examples measured."""

    paths: _Paths
    kill: _Kill
    recovery_s: dict[str, float]
    rss_mb: dict[str, float]


def figures() -> Sequence[Figure]:
    """The bare transport, then the examples."""
    hop, store = floor.stream_ping_pong(), floor.store_round_trip()
    paced_hop, paced_store = floor.stream_ping_pong(floor.PACE_S), floor.store_round_trip(floor.PACE_S)
    (hop_us,), (store_us,) = paced_hop.quantiles((0.5,)), paced_store.quantiles((0.5,))
    run = uvloop.run(_measure())
    paced = f"the same, {1 / floor.PACE_S:.0f} a second"
    return [
        duration("floor: stream ping-pong, 10 orders", hop),
        duration(f"  {paced}", paced_hop),
        duration("floor: store round trip", store),
        duration(f"  {paced}", paced_store),
        *_path_figures(run, 1.5 * hop_us + store_us, store_us),
        *(
            Figure(f"SIGKILL of {service} to ready again", "s", seconds, budget=_RECOVERY)
            for service, seconds in run.recovery_s.items()
        ),
        *_memory_figures(run.rss_mb),
    ]


def _path_figures(run: _Run, path_floor_us: float, store_floor_us: float) -> Sequence[Figure]:
    tick, sign = run.paths.tick_to_order, run.paths.sign
    event_p50, _, event_p99 = run.paths.event_to_subscribers_us
    return [
        Figure("sign, in the running gateway", "us", sign.p50_us, sign.p99_us, samples=sign.count),
        Figure(
            "book frame in to signed orders out",
            "us",
            tick.p50_us,
            tick.p99_us,
            samples=tick.count,
            budget=Budget(1_000, 3_000),
            floor_p50=path_floor_us,
        ),
        Figure(
            "order event in to durable and told",
            "us",
            event_p50,
            event_p99,
            budget=Budget(200, 1_000),
            floor_p50=store_floor_us,
        ),
        Figure(
            "kill trip to last cancel on its way",
            "us",
            run.kill.last_cancel_us,
            samples=run.kill.orders,
            budget=Budget(50_000),
        ),
        Figure("kill trip to book verified empty", "us", run.kill.empty_us, budget=Budget(1_000_000)),
    ]


def _memory_figures(rss_mb: dict[str, float]) -> Sequence[Figure]:
    account_mb = sum(mb for service, mb in rss_mb.items() if service.split("/")[0] in _ACCOUNT_SERVICES)
    return [
        *(
            Figure(f"memory of {service}", "MB", mb, budget=_QUOTER_MB if service.startswith("quoter") else None)
            for service, mb in sorted(rss_mb.items())
        ),
        Figure(f"memory of {', '.join(_ACCOUNT_SERVICES)} together", "MB", account_mb, budget=_ACCOUNT_MB),
    ]


async def _paths(stack: Stack) -> _Paths:
    async with rpc.connect(stack.target("gateway/demo")) as channel:
        status = await gw_grpc.ReferenceServiceStub(channel).GetStatus(gw.GetStatusRequest(), timeout=_HANG_S)
    async with rpc.connect(stack.target("order-state/demo")) as channel:
        summary = await orders_grpc.OrdersServiceStub(channel).GetSummary(orders.GetSummaryRequest(), timeout=_HANG_S)
    return _Paths(status.tick_to_order, status.sign, summary.event_to_subscribers_us)


async def _recovery_s(stack: Stack, service: str) -> float:
    seen = len(stack.lines)
    begin = time.monotonic()
    stack.kill(service)
    seen = await stack.wait_event("restarted", after=seen, service=service, within_s=_HANG_S)
    await stack.wait_event("ready", after=seen, service=service, within_s=_HANG_S)
    return time.monotonic() - begin


async def _kill(stack: Stack) -> _Kill:
    await stack.wait_quoted(*_COINS, after_ms=0, within_s=_HANG_S)
    async with rpc.connect(stack.target("risk/demo")) as channel, rpc.connect(stack.target("order-state/demo")) as told:
        stub, journal = risk_grpc.RiskServiceStub(channel), orders_grpc.OrdersServiceStub(told)
        live = (await journal.ListOrders(orders.ListOrdersRequest(), timeout=_HANG_S)).orders
        begun_ms = time.time_ns() / 1e6
        await stub.Trip(risk.TripRequest(market="", reason="bench"), timeout=_HANG_S)
        empty_us = (await stub.GetState(risk.GetStateRequest(), timeout=_HANG_S)).last_kill_latency_us
        histories = [await journal.Explain(orders.ExplainRequest(cloid=order.cloid), timeout=_HANG_S) for order in live]
    cancelled_ms = [ms for history in histories if (ms := _cancelled_ms(history)) >= int(begun_ms)]
    if not cancelled_ms:
        raise RuntimeError("the trip found nothing to cancel")
    return _Kill(len(cancelled_ms), max(0.0, max(cancelled_ms) - begun_ms) * 1_000, empty_us)


def _cancelled_ms(history: orders.ExplainResponse) -> int:
    """When the newest cancel of an order was recorded; 0 when none was."""
    entries = (entry for entry in history.entries if entry.to_state == common.ORDER_STATE_CANCEL_PENDING)
    return max((entry.time_ms for entry in entries), default=0)


async def _measure() -> _Run:
    """Quote the examples, read the paths, kill every service once, trip, stop."""
    with tempfile.TemporaryDirectory(prefix="perpmaker-bench-") as folder:
        async with running(Path(folder), seed=_SEED) as stack:
            await stack.wait_event("quoting", within_s=_HANG_S)
            begun_ms = await stack.exchange_time_ms()
            await stack.wait_exchange_time(begun_ms + _MEASURE_S * 1_000, within_s=_MEASURE_S + _HANG_S)
            paths = await _paths(stack)
            recovery_s = {service: await _recovery_s(stack, f"{service}/demo") for service in _ACCOUNT_SERVICES}
            recovery_s["quoter"] = await _recovery_s(stack, "quoter/btc")
            kill = await _kill(stack)
            summary = await stack.stop()
    return _Run(paths, kill, recovery_s, dict(summary["rss_mb"]))
