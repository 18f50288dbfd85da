"""Time to build, hash, sign and serialise one action of ten orders."""

from __future__ import annotations

import secrets
import time

from perpmaker.common.decimals import format_e8
from perpmaker.common.metrics import Reservoir
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.wire import LimitTerms, OrderAction, OrderType, OrderWire

_WARM_UP = 500
_SAMPLES = 10_000


def sign_ten_orders() -> Reservoir:
    """Samples in microseconds."""
    signer = Signer(SigningKey(secrets.token_bytes(32)), "b")
    alo = OrderType(limit=LimitTerms(tif="Alo"))
    samples = Reservoir()
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
        signer.sign(action, 1_760_000_000_000 + n, 1_760_000_005_000 + n)
        if n >= _WARM_UP:
            samples.add((time.perf_counter_ns() - begin) / 1_000)
    return samples
