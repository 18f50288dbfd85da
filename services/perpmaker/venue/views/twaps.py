"""TWAP orders as the exchange shows them: their state, their history and the fills of their slices.

Times of history are whole seconds, times inside a state milliseconds.
Source: Hyperliquid documentation, "Info endpoint" and "WebSocket", TWAP.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from perpmaker.venue.engine.accounts import Account, Fill
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.twap_records import Twap
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views import orders

_PAGE = 2_000


def state_of(state: State, twap: Twap) -> dict[str, Any]:
    return {
        "coin": state.market(twap.asset).coin,
        "user": twap.address,
        "side": orders.side(twap.is_buy),
        "sz": shown_e8(twap.sz_e8),
        "executedSz": shown_e8(twap.executed_sz_e8),
        "executedNtl": shown_e8(twap.executed_quote_e8),
        "minutes": twap.minutes,
        "reduceOnly": twap.reduce_only,
        "randomize": twap.is_randomized,
        "timestamp": twap.started_ms,
    }


def running_states(state: State, address: str, dex: str) -> list[list[Any]]:
    """Pairs of id and state of what runs in one dex, oldest first."""
    return [
        [twap.twap_id, state_of(state, twap)]
        for twap in state.twaps.values()
        if twap.address == address and twap.is_running and state.market(twap.asset).dex.name == dex
    ]


def record(state: State, twap: Twap) -> dict[str, Any]:
    """A TWAP order with the status it has reached."""
    return {
        "time": twap.status_ms // 1_000,
        "state": state_of(state, twap),
        "status": {"status": twap.status.value},
        "twapId": twap.twap_id,
    }


def history(state: State, address: str) -> list[dict[str, Any]]:
    """Newest first: what an address has started, each with the latest status."""
    mine = [twap for twap in state.twaps.values() if twap.address == address]
    mine.sort(key=lambda twap: (twap.status_ms, twap.twap_id), reverse=True)
    return [record(state, twap) for twap in mine[:_PAGE]]


def slice_fill(state: State, made: Fill) -> dict[str, Any]:
    return {"fill": orders.fill(state, made), "twapId": made.twap_id}


def slice_fills(state: State, account: Account) -> list[dict[str, Any]]:
    """The latest fills of slices, newest first."""
    slices = (made for made in reversed(account.fills) if made.twap_id is not None)
    return [slice_fill(state, made) for made in islice(slices, _PAGE)]


def slice_fills_between(state: State, account: Account, start_ms: int, end_ms: int | None) -> list[dict[str, Any]]:
    """Fills of slices in a time range, both ends included, oldest first."""
    last_ms = state.now_ms if end_ms is None else end_ms
    wanted = (f for f in account.fills if f.twap_id is not None and start_ms <= f.time_ms <= last_ms)
    return [slice_fill(state, made) for made in islice(wanted, _PAGE)]
