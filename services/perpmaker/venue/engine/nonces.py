"""Which nonces a signer may still use.

A nonce must lie within two days before and one day after block time, must be new, and must not be below the
100th largest this signer has used. Sets are per signing key, so an agent and its master do not share one.
Source: Hyperliquid documentation, "Nonces and API wallets"; texts as measured.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from perpmaker.venue.engine import action_texts

_REMEMBERED = 100
_BEFORE_MS = 2 * 86_400_000
_AFTER_MS = 86_400_000
_PRUNE_AT = 20_000


@dataclass(slots=True)
class NonceSet:
    """Nonces one signer has used."""

    margin_ms: int = 0
    """By how much the window is narrower at both ends than documented."""
    _used: set[int] = field(default_factory=set)
    _highest: list[int] = field(default_factory=list)

    def admit(self, nonce: int, now_ms: int) -> str | None:
        """Consume a nonce. Returns None, or the exchange's text when it may not be used."""
        if nonce in self._used:
            return action_texts.NONCE_USED.format(nonce=nonce)
        floor = self._floor(now_ms)
        if nonce < floor:
            return action_texts.NONCE_LOW.format(nonce=nonce, least=floor)
        latest = now_ms + _AFTER_MS - self.margin_ms
        if nonce > latest:
            return action_texts.NONCE_HIGH.format(nonce=nonce, most=latest)
        self._used.add(nonce)
        if len(self._highest) < _REMEMBERED:
            heapq.heappush(self._highest, nonce)
        else:
            heapq.heappushpop(self._highest, nonce)
        if len(self._used) > _PRUNE_AT:
            # Below the floor a nonce is refused anyway, so forgetting it there loses nothing.
            self._used = {used for used in self._used if used >= floor}
        return None

    def _floor(self, now_ms: int) -> int:
        oldest = now_ms - _BEFORE_MS + self.margin_ms
        return max(oldest, self._highest[0]) if len(self._highest) == _REMEMBERED else oldest
