"""Time to build, hash, sign and serialise one action of ten orders; its floor is the curve alone."""

from __future__ import annotations

import secrets
import time

from tests.bench.report import Budget, Figure, Rounds, duration

from perpmaker.common.decimals import format_e8
from perpmaker.gateway.curve import open_curve
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.wire import LimitTerms, OrderAction, OrderType, OrderWire

_WARM_UP = 500
_SAMPLES = 10_000
_BUDGET = Budget(60, 150)


def figures() -> list[Figure]:
    """Ten orders beside one bare signature."""
    curve = _bare_signature()
    signed, size_bytes = _ten_orders()
    return [
        duration("floor: one signature of a digest", curve),
        duration("action of 10 orders", signed, size_bytes=size_bytes, budget=_BUDGET, floor=curve),
    ]


def _bare_signature() -> Rounds:
    curve, digest, samples = open_curve(secrets.token_bytes(32)), secrets.token_bytes(32), Rounds()
    for _ in range(_SAMPLES):
        begun = time.perf_counter_ns()
        curve.sign(digest)
        samples.add((time.perf_counter_ns() - begun) / 1_000)
    return samples


def _ten_orders() -> tuple[Rounds, int]:
    """Samples in microseconds, and the length of one body."""
    signer = Signer(SigningKey(secrets.token_bytes(32)), "b")
    alo = OrderType(limit=LimitTerms(tif="Alo"))
    samples = Rounds()
    for n in range(_WARM_UP + _SAMPLES):
        begin = time.perf_counter_ns()
        action = OrderAction(
            orders=tuple(
                OrderWire(
                    a=0,
                    b=True,
                    p=format_e8(6_400_000_000_000 - level * 100_000_000),
                    s=format_e8(123_000),
                    r=False,
                    t=alo,
                    c=f"0x{n:016x}{level:016x}",
                )
                for level in range(10)
            ),
            grouping="na",
        )
        signed = signer.sign(action, 1_760_000_000_000 + n, 1_760_000_005_000 + n)
        if n >= _WARM_UP:
            samples.add((time.perf_counter_ns() - begin) / 1_000)
    return samples, len(signed.body)
