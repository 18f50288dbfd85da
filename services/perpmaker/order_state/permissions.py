"""Newest permission of each market: silence is a closed gate.

A permission is valid until its own deadline by the wall clock and for two seconds of the monotonic clock after receipt,
whichever ends first.
"""

from __future__ import annotations

from typing import Final

from perpmaker.common.clock import Clock
from perpmaker.order_state.core.gate import Permission
from perpmaker.proto.risk.v1 import risk_pb2

VALID_AFTER_RECEIPT_MS: Final = 2_000


class Permissions:
    """Permissions as received from risk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: dict[str, tuple[Permission, float]] = {}

    def receive(self, message: risk_pb2.WatchPermissionsResponse) -> None:
        """Take a permission from the stream."""
        given = message.permission
        self._newest[message.trace.market] = (
            Permission(
                min_position_e8=given.min_position_e8,
                max_position_e8=given.max_position_e8,
                reduce_only=given.reduce_only,
                killed=given.killed,
                closed=given.closed,
                not_after_ms=min(given.valid_until_ms, self._clock.now_ms() + VALID_AFTER_RECEIPT_MS),
            ),
            self._clock.monotonic_s(),
        )

    def forget(self, market: str) -> None:
        """Let nothing pass in a market until risk speaks again."""
        self._newest.pop(market, None)

    def of(self, market: str) -> tuple[Permission | None, bool]:
        """The newest permission and whether it is valid now."""
        newest = self._newest.get(market)
        if newest is None:
            return None, False
        permission, received_s = newest
        fresh = (self._clock.monotonic_s() - received_s) * 1000 < VALID_AFTER_RECEIPT_MS
        return permission, fresh and self._clock.now_ms() < permission.not_after_ms
