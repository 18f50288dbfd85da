"""Whether orders are held back for want of requests, as status says it. It stops nothing: what is short refills.

The gateway sends nothing beyond its budgets, the exchange refuses who asks too much, and order-state pauses a side
after refusals. Each shows as orders that do not come about, so whoever still wants them meets it again and again: what
was not met for a while is over.
"""

from __future__ import annotations

from typing import Final

RATE_LIMITED: Final = "rate_limited"
"""Requests are short: the gateway's budgets or the exchange's limits."""
BACKOFF: Final = "backoff"
"""Order-state pauses after refusals, of whatever kind."""
REMEMBERED_NS: Final = 15_000_000_000
"""How long one refusal counts: a few looks of whoever polls status."""

_BUDGET: Final = "budget"
"""The gateway's word for an order that it did not send for want of budget."""
_RATE_LIMIT: Final = "rate_limit"
"""Class of the exchange's refusals for asking too much."""
_LONG_AGO: Final = -(10**18)


class Shortage:
    """What was refused lately. Times are monotonic ns."""

    def __init__(self) -> None:
        self._limited_ns = _LONG_AGO
        self._backoff_ns = _LONG_AGO

    def on_not_sent(self, cause: str, now_ns: int) -> None:
        """The gateway has not sent an order."""
        if cause == _BUDGET:
            self._limited_ns = now_ns

    def on_refused(self, rejection: str, now_ns: int) -> None:
        """The exchange has refused an order."""
        if rejection == _RATE_LIMIT:
            self._limited_ns = now_ns

    def on_backoff(self, now_ns: int) -> None:
        """Order-state has refused an order because its side pauses."""
        self._backoff_ns = now_ns
        if self._is_fresh(self._limited_ns, now_ns):
            # The pause is one for want of requests, so it lasts for as long as the pause.
            self._limited_ns = now_ns

    def words(self, now_ns: int) -> tuple[str, ...]:
        """Short stable words; empty when nothing is short."""
        found = ((RATE_LIMITED, self._limited_ns), (BACKOFF, self._backoff_ns))
        return tuple(word for word, at_ns in found if self._is_fresh(at_ns, now_ns))

    @staticmethod
    def _is_fresh(at_ns: int, now_ns: int) -> bool:
        return now_ns - at_ns < REMEMBERED_NS
