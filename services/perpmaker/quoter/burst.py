"""Burst guard: a side that is hit again and again within moments steps aside.

Guarantees: four executions of one side within two seconds close that side for two seconds, except while it
reduces the position, for a reducing side is never suppressed; each execution is counted once; sides are independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from perpmaker.quoter.values import OwnFill, Side

FILLS = 4
WINDOW_NS = 2_000_000_000
PAUSE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Burst:
    """Newest execution times and end of the pause, per side."""

    buys_ns: tuple[int, ...] = ()
    sells_ns: tuple[int, ...] = ()
    buy_paused_until_ns: int = 0
    sell_paused_until_ns: int = 0

    def is_paused(self, side: Side, now_ns: int, position_e8: int) -> bool:
        """Whether the side must be empty."""
        if (position_e8 < 0) if side is Side.BUY else (position_e8 > 0):
            return False
        until = self.buy_paused_until_ns if side is Side.BUY else self.sell_paused_until_ns
        return now_ns < until


def observe_fills(state: Burst, fills: Iterable[OwnFill]) -> Burst:
    """Take the executions since the last call, oldest first, each exactly once."""
    for fill in fills:
        times = state.buys_ns if fill.side is Side.BUY else state.sells_ns
        times = (*times[-(FILLS - 1) :], fill.received_ns)
        is_burst = len(times) == FILLS and times[-1] - times[0] <= WINDOW_NS
        until = fill.received_ns + PAUSE_NS if is_burst else 0
        if fill.side is Side.BUY:
            until = max(until, state.buy_paused_until_ns)
            state = replace(state, buys_ns=times, buy_paused_until_ns=until)
        else:
            until = max(until, state.sell_paused_until_ns)
            state = replace(state, sells_ns=times, sell_paused_until_ns=until)
    return state
