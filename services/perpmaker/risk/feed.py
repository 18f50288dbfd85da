"""Permissions to whoever watches: the newest of each market, at once when it matters and as a heartbeat otherwise.

A slow reader skips versions, never reads old ones late: its mailbox holds one message per market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from perpmaker.common.clock import Clock
from perpmaker.proto.risk.v1 import risk_pb2 as pb
from perpmaker.risk.permission import Permission, is_urgent
from perpmaker.risk.wire import permission_message

VALID_FOR_MS: Final = 2_000
HEARTBEAT_MS: Final = 240
"""Age at which an unchanged permission is sent again; with a watchdog of 250 ms none is older than 500 ms."""


REMOVED: Final = "removed"
"""Reason of the last permission of a market that is not configured any more."""


@dataclass(slots=True, eq=False)
class Mailbox:
    """What one reader has not read yet."""

    markets: Collection[str]
    """Empty for all."""
    pending: dict[str, pb.WatchPermissionsResponse] = field(default_factory=dict)
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: pb.WatchPermissionsResponse) -> None:
        """Leave a message, replacing an older one of its market."""
        if not self.markets or message.trace.market in self.markets:
            self.pending[message.trace.market] = message
            self.filled.set()

    async def take(self) -> list[pb.WatchPermissionsResponse]:
        """Wait for messages and take them all."""
        await self.filled.wait()
        self.filled.clear()
        taken, self.pending = list(self.pending.values()), {}
        return taken


@dataclass(frozen=True, slots=True)
class _Published:
    permission: Permission
    at_ms: int
    message: pb.WatchPermissionsResponse


class PermissionFeed:
    """The current permission of every market and its readers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mailboxes: set[Mailbox] = set()
        self._published: dict[str, _Published] = {}
        self._sequence = 0

    def offer(self, market: str, permission: Permission) -> bool:
        """Publish a permission when it is urgent or the heartbeat is due. Returns whether it was."""
        last = self._published.get(market)
        monotonic_ms = self._clock.monotonic_ns() // 1_000_000
        if last is not None and monotonic_ms - last.at_ms < HEARTBEAT_MS and not is_urgent(last.permission, permission):
            return False
        self._sequence += 1
        valid_until_ms = self._clock.now_ms() + VALID_FOR_MS
        message = pb.WatchPermissionsResponse(permission=permission_message(permission, valid_until_ms))
        message.trace.market, message.trace.sequence = market, self._sequence
        self._published[market] = _Published(permission, monotonic_ms, message)
        for mailbox in self._mailboxes:
            mailbox.put(message)
        return True

    def withdraw(self, market: str) -> None:
        """Tell whoever reads a market that nothing is permitted in it any more, and say no more of it."""
        if market in self._published:
            self.offer(market, Permission(closed=True, reasons=(REMOVED,)))
            del self._published[market]

    def subscribe(self, markets: Collection[str]) -> Mailbox:
        """Add a reader; it begins with the newest permission of each of its markets."""
        mailbox = Mailbox(frozenset(markets))
        for published in self._published.values():
            mailbox.put(published.message)
        self._mailboxes.add(mailbox)
        return mailbox

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """Forget a reader."""
        self._mailboxes.discard(mailbox)
