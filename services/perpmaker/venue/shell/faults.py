"""Misbehaviour on command: lost requests, lost answers, late messages, refused connections.

A lost answer belongs to an action that was executed; a lost request to one that never was. Both are counted down
per rule, oldest rule first, and a rule may be limited to one account.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Drop:
    left: int
    address: str | None

    def takes(self, addresses: set[str]) -> bool:
        return self.left > 0 and (self.address is None or self.address in addresses)


@dataclass(slots=True)
class Faults:
    """What is currently broken."""

    delays_ms: dict[str, int] = field(default_factory=dict)
    _before: list[_Drop] = field(default_factory=list)
    _after: list[_Drop] = field(default_factory=list)
    _closed_until_s: float = 0.0
    _rest_closed_until_s: float = 0.0

    def drop_before_commit(self, count: int, address: str | None) -> None:
        self._before.append(_Drop(count, address))

    def drop_after_commit(self, count: int, address: str | None) -> None:
        self._after.append(_Drop(count, address))

    def loses_request(self, addresses: Iterable[str]) -> bool:
        """Whether this action is to vanish before it is executed. Counts."""
        return _take(self._before, set(addresses))

    def loses_answer(self, addresses: Iterable[str]) -> bool:
        """Whether the answer to this executed action is to vanish. Counts."""
        return _take(self._after, set(addresses))

    def close_for(self, duration_ms: int, *, rest: bool) -> None:
        until_s = time.monotonic() + duration_ms / 1000
        self._closed_until_s = max(self._closed_until_s, until_s)
        if rest:
            self._rest_closed_until_s = max(self._rest_closed_until_s, until_s)

    @property
    def refuses_sockets(self) -> bool:
        return time.monotonic() < self._closed_until_s

    @property
    def refuses_rest(self) -> bool:
        return time.monotonic() < self._rest_closed_until_s


def _take(rules: list[_Drop], addresses: set[str]) -> bool:
    rule = next((rule for rule in rules if rule.takes(addresses)), None)
    if rule is None:
        return False
    rule.left -= 1
    if not rule.left:
        rules.remove(rule)
    return True
