"""Durations of the trading path: exact recent samples for status, histograms for Prometheus."""

from __future__ import annotations

from perpmaker.common.metrics import Reservoir
from perpmaker.gateway import metrics
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


class Measurements:
    """Samples since start."""

    def __init__(self) -> None:
        self._tick_to_order = Reservoir()
        self._sign = Reservoir()
        self._round_trip = Reservoir()

    def tick_to_order(self, duration_ns: int) -> None:
        """Frame in to signed orders handed to the socket.

        A plan names a frame only when the quoter's decision on that very frame made it, be it after the verdicts of the
        plan before. What the quoter holds back, by its throttle or for an order in doubt, leaves later and names none:
        the pause is its decision, and no part of how fast the path is.
        """
        self._tick_to_order.add(duration_ns / 1000)
        metrics.TICK_TO_ORDER_SECONDS.observe(duration_ns / 1e9)

    def signed(self, duration_ns: int) -> None:
        """One action signed."""
        self._sign.add(duration_ns / 1000)
        metrics.SIGN_SECONDS.observe(duration_ns / 1e9)

    def answered(self, action: str, transport: str, duration_ns: int) -> None:
        """Send to answer of one action."""
        self._round_trip.add(duration_ns / 1000)
        metrics.REQUEST_SECONDS.labels(action, transport).observe(duration_ns / 1e9)

    def fill_in(self, status: pb.GetStatusResponse) -> None:
        """Write the quantiles into a status."""
        status.tick_to_order.CopyFrom(_quantiles(self._tick_to_order))
        status.sign.CopyFrom(_quantiles(self._sign))
        status.round_trip.CopyFrom(_quantiles(self._round_trip))


def _quantiles(samples: Reservoir) -> pb.Quantiles:
    p50, p90, p99 = samples.quantiles((0.5, 0.9, 0.99))
    return pb.Quantiles(count=samples.count, p50_us=p50, p90_us=p90, p99_us=p99)
