"""Pages of fills: newest first as asked by user, oldest first as asked by time, optionally merged.

Source: Hyperliquid documentation, "Info endpoint", user fills: 2,000 in an answer, of the 10,000 most recent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from perpmaker.venue.engine.accounts import Account, Fill
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import notional_e8
from perpmaker.venue.views import orders

FILLS_PAGE = 2_000


def newest(state: State, account: Account, *, aggregated: bool) -> list[dict[str, Any]]:
    """The latest fills, newest first."""
    chosen = reversed(list(merged(account.fills))) if aggregated else reversed(account.fills)
    return [orders.fill(state, made) for made in islice(chosen, FILLS_PAGE)]


def between(
    state: State, account: Account, start_ms: int, end_ms: int | None, *, aggregated: bool
) -> list[dict[str, Any]]:
    """Fills of a time range, both ends included, oldest first."""
    last_ms = state.now_ms if end_ms is None else end_ms
    wanted: Iterable[Fill] = (made for made in account.fills if start_ms <= made.time_ms <= last_ms)
    return [orders.fill(state, made) for made in islice(merged(wanted) if aggregated else wanted, FILLS_PAGE)]


def merged(fills: Iterable[Fill]) -> Iterator[Fill]:
    """Partial fills of one crossing order at one time as one fill at the average price; oldest first."""
    for (_, _, crossed), partials in groupby(fills, key=lambda made: (made.time_ms, made.oid, made.crossed)):
        if crossed:
            yield _sum(list(partials))
        else:
            yield from partials


def _sum(partials: list[Fill]) -> Fill:
    first = partials[0]
    if len(partials) == 1:
        return first
    size = sum(made.sz_e8 for made in partials)
    value = sum(notional_e8(made.px_e8, made.sz_e8) for made in partials)
    return replace(
        first,
        px_e8=value * 10**8 // size,
        sz_e8=size,
        closed_pnl_e8=sum(made.closed_pnl_e8 for made in partials),
        fee_e8=sum(made.fee_e8 for made in partials),
    )
