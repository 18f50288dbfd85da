"""What stands between an account and the book besides the order itself, and can be changed while the venue runs.

After a network upgrade only post-only orders pass. Open interest of a market may be capped: then nobody may add to
a position by taking, and nobody may rest closer to the other side than the oracle. And the control plane may refuse
the next orders of an account with any status of the exchange.
Source: Hyperliquid documentation, "Open interest caps" and "Error responses".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.engine.statuses import Status


@dataclass(slots=True)
class Gates:
    """`open_interest_caps_e8` is the most quote value, at mark and counted once, a market may hold; absent: no cap."""

    post_only: bool = False
    congested: bool = False
    """A busy time is declared: accounts have a share of what can be done, see `limits.busy`."""
    open_interest_caps_e8: dict[int, int] = field(default_factory=dict)
    _refusals: dict[str, list[Status]] = field(default_factory=dict)
    _grown: dict[int, tuple[int, int]] = field(default_factory=dict)

    def refuse_next(self, address: str, status: Status, count: int = 1) -> None:
        """Refuse the next `count` orders of an account that pass the static checks. Raises `ValueError`."""
        if not status.is_rejection or count < 1:
            raise ValueError(f"{status.value} cannot refuse {count} orders")
        self._refusals.setdefault(address, []).extend([status] * count)

    def take_refusal(self, address: str) -> Status | None:
        queue = self._refusals.get(address)
        if not queue:
            return None
        status = queue.pop(0)
        if not queue:
            del self._refusals[address]
        return status

    def growth_e8(self, asset: int, open_interest_e8: int, now_ms: int, window_ms: int) -> int:
        """By how much open interest has grown since this window of time began."""
        began, base = self._grown.get(asset, (-1, 0))
        if began != now_ms // window_ms:
            base = open_interest_e8
            self._grown[asset] = now_ms // window_ms, base
        return open_interest_e8 - base
