"""What a gateway reads again and again while it runs: the exchange's clock, the budget, the key's approval."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from perpmaker.common import logs
from perpmaker.gateway import metrics, preflight
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.decode import reference_wire
from perpmaker.gateway.life.composition import Composition

_CLOCK_EVERY_S: Final = 10.0
_CLOCK_AGAIN_S: Final = 1.0
_LIMITS_EVERY_S: Final = 60.0
_LIMITS_LOOKS: Final = 6
_VALIDITY_EVERY_S: Final = 600.0
_STANDING_EVERY_S: Final = 10.0

_log = logs.get(__name__)


class Upkeep:
    """Reads that go on; one that fails is repeated at its next time."""

    def __init__(self, parts: Composition) -> None:
        self._parts = parts
        self._signer_replaced = asyncio.Event()
        parts.signer.on_replaced = self._replaced

    def _replaced(self) -> None:
        self._signer_replaced.set()
        self._parts.changed.set()

    async def keep_time(self) -> None:
        """Measure the exchange's clock now and then, and soon when it is doubted: no storm of refused nonces."""
        exchange_clock = self._parts.exchange_clock
        while True:
            await _wait(exchange_clock.doubted, _CLOCK_EVERY_S)
            await _once(self.sample_clock)
            if exchange_clock.is_doubted:
                await asyncio.sleep(_CLOCK_AGAIN_S)

    async def keep_limits(self) -> None:
        """Follow what is left of the account's requests, more closely while there are none: volume brings them back."""
        while True:
            for _ in range(_LIMITS_LOOKS):
                await asyncio.sleep(_LIMITS_EVERY_S / _LIMITS_LOOKS)
                if not self._parts.budgets.address.admits(1):
                    break
            await _once(self.read_limits)

    async def keep_validity(self) -> None:
        """Follow how long the key's approval lasts; of a new key it is asked at once."""
        while True:
            await _wait(self._signer_replaced, _VALIDITY_EVERY_S)
            self._signer_replaced.clear()
            await _once(self._parts.signer.read_validity)

    async def keep_standing(self) -> None:
        """Ask about the key whenever a refusal doubts it, and now and then until the exchange takes it again."""
        signer = self._parts.signer
        while True:
            if not signer.refusal:
                await signer.desk.doubted.wait()
            await _once(signer.check)
            self._parts.changed.set()
            await asyncio.sleep(_STANDING_EVERY_S)

    async def sample_clock(self) -> None:
        """Measure the exchange's clock. Raises ReadError."""
        parts = self._parts
        await preflight.sample_clock(parts.rest, parts.clock, parts.exchange_clock)
        metrics.CLOCK_OFFSET.set(parts.exchange_clock.offset_ms / 1000)
        parts.changed.set()

    async def read_limits(self) -> None:
        """Read what is left of the account's requests. Raises ReadError."""
        parts = self._parts
        limits = await parts.rest.info(reference_wire.USER_RATE_LIMIT, "userRateLimit", user=parts.identity.address)
        address, now_s = parts.budgets.address, parts.clock.monotonic_s()
        address.observe(limits.n_requests_cap, limits.n_requests_used, now_s)
        metrics.ADDRESS_LEFT.set(address.left)
        metrics.ADDRESS_HOURS_LEFT.set(address.hours_left)
        for name, share in parts.budgets.shares_used(parts.entry.in_flight, now_s).items():
            metrics.RATE_LIMIT_USED.labels(name).set(share)


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()


async def _once(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except ReadError as error:
        _log.warning("read.failed", read=error.kind, reason=error.reason)
