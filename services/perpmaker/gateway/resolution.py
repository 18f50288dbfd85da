"""What became of a placement, by what the exchange said: pure, and never more certain than the evidence.

A placement landed when the exchange has a record of it: a status, an open order, a fill. It is dead when it can land no
more and left no trace. It can land no more once its nonce is spent (by a noop in its place, by itself, or by an earlier
noop) or once the exchange's clock has passed its `expiresAfter`; traces count as absent only in answers that are
younger than that by the lag of the exchange's indexes. Source: Hyperliquid documentation, "Nonces and API wallets" and
"Expires after".
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@dataclass(frozen=True, slots=True)
class Question:
    """Which placement."""

    cloid: str
    nonce: int
    expires_after_ms: int
    """0 when it never expires."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where else it was looked for, after its status was not found."""

    open_orders: pb.OpenOrders
    is_filled: bool
    """Whether some fill carries its cloid."""
    fills_as_of_ms: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one placement; times are lower bounds of exchange time, ms."""

    status: pb.GetOrderStatusResponse | None = None
    burn: pb.BurnResult.ValueType = pb.BURN_RESULT_UNSPECIFIED
    spent_ms: int = 0
    """When its nonce was known to be spent by somebody else than this noop; 0 when it is not."""
    traces: Traces | None = None


def settled_after_ms(question: Question, evidence: Evidence) -> int:
    """Time from which on it cannot land any more, exchange time, ms; 0 when no such time is known."""
    times = [time_ms for time_ms in (evidence.spent_ms, question.expires_after_ms) if time_ms]
    return min(times, default=0)


def verdict(question: Question, evidence: Evidence) -> tuple[pb.Resolution.ValueType, str]:
    """The resolution and the word for what decided it."""
    status, traces = evidence.status, evidence.traces
    if status is not None and status.found:
        return pb.RESOLUTION_LANDED, "status"
    if evidence.burn == pb.BURN_RESULT_BURNED:
        return pb.RESOLUTION_DEAD, "nonce_burned"
    if traces is not None and any(order.cloid == question.cloid for order in traces.open_orders.orders):
        return pb.RESOLUTION_LANDED, "open_order"
    if traces is not None and traces.is_filled:
        return pb.RESOLUTION_LANDED, "fill"
    settled_ms = settled_after_ms(question, evidence)
    if settled_ms and status is not None and traces is not None:
        youngest_needed_ms = settled_ms + INDEX_LAG_MS
        oldest_ms = min(status.as_of_ms, traces.open_orders.as_of_ms, traces.fills_as_of_ms)
        if oldest_ms > youngest_needed_ms:
            return pb.RESOLUTION_DEAD, "nonce_used" if settled_ms == evidence.spent_ms else "expired"
    return pb.RESOLUTION_STILL_UNKNOWN, "nothing"


def answer(question: Question, evidence: Evidence) -> pb.ResolveResponse:
    """The verdict with its evidence."""
    resolution, proof = verdict(question, evidence)
    status, traces = evidence.status, evidence.traces
    found = status if status is not None and status.found else None
    seen = [order.market for order in traces.open_orders.orders if order.cloid == question.cloid] if traces else []
    return pb.ResolveResponse(
        resolution=resolution,
        proof=proof,
        update=found.update if found is not None else None,
        market=found.market if found is not None else next(iter(seen), ""),
        burn=evidence.burn,
        status_as_of_ms=status.as_of_ms if status is not None else 0,
        open_orders_as_of_ms=traces.open_orders.as_of_ms if traces is not None else 0,
        fills_as_of_ms=traces.fills_as_of_ms if traces is not None else 0,
    )
