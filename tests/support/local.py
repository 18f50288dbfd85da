"""Builders for tests of the local runner: child programs, a place to collect events, views of a run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.waiting import HANG_S

from perpmaker.local.events import Event
from perpmaker.local.processes import Child, ChildSpec, Condition, Probe
from perpmaker.local.readiness import announces
from perpmaker.local.world import MarketView, OwnOrder, ServiceView, Snapshot

READY_LINE = 'print(\'{"event": "listening"}\', flush=True)'
"""Statement by which a child program says that it is ready."""


def probe_listening() -> Probe:
    """Ready with the `listening` line."""
    return announces("listening", lambda _entry: {})


def program(folder: Path, *lines: str, name: str = "child", restartable: bool = True) -> ChildSpec:
    """A child that runs a few lines of Python."""
    source = folder / f"{name}.py"
    source.write_text("\n".join(("import os, signal, sys, time, pathlib", *lines)))
    return ChildSpec(
        name=name,
        argv=(sys.executable, str(source)),
        log=folder / f"{name}.log",
        probe=probe_listening(),
        restartable=restartable,
    )


class Events:
    """Collects what is told and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        self._news.set()

    async def until(self, matches: Callable[[Event], bool], *, within_s: float = HANG_S) -> Event:
        """The first event, seen or to come, that matches."""
        async with asyncio.timeout(within_s):
            while True:
                for event in self.seen:
                    if matches(event):
                        return event
                self._news.clear()
                await self._news.wait()


async def ready(spec: ChildSpec, events: Events) -> Child:
    """Start a child and wait until it is ready."""
    child = Child(spec, events)
    await child.start()
    await child.reach(frozenset({Condition.READY}), HANG_S)
    return child


def own_order(number: int, *, is_buy: bool, px_e8: int, unknown: bool = False) -> OwnOrder:
    """A resting order, or one whose outcome is unknown."""
    return OwnOrder(
        cloid=f"0x{number:032x}",
        is_buy=is_buy,
        px_e8=px_e8,
        remaining_e8=1_000_000,
        is_resting=not unknown,
        is_unknown=unknown,
    )


def market_view(market: str = "BTC", *, restrictions: tuple[str, ...] = (), unknown: int = 0) -> MarketView:
    """A market quoted three deep on both sides around 64,310.5."""
    mid_px_e8 = 64_310_50000000
    orders = [
        own_order(side * 10 + level, is_buy=bool(side), px_e8=mid_px_e8 + (level + 1) * (1 - 2 * side) * 12_00000000)
        for side in (0, 1)
        for level in range(3)
    ]
    orders += [own_order(100 + index, is_buy=True, px_e8=mid_px_e8, unknown=True) for index in range(unknown)]
    return MarketView(
        market=market,
        maker=market.lower(),
        mid_px_e8=mid_px_e8,
        orders=tuple(orders),
        position_e8=1_230_000,
        pnl_quote_e8=12_34000000,
        fills=23,
        two_sided_ratio=0.982,
        half_spread_bps=2.4,
        restrictions=restrictions,
    )


def snapshot(*markets: MarketView) -> Snapshot:
    """A run of one account that quotes these markets."""
    names = ("store", "venue", "order-state/demo", "gateway/demo", "risk/demo", "quoter/btc", "quoter/eth")
    return Snapshot(
        elapsed_s=50.0,
        quoting_s=42.0,
        markets=markets,
        services=tuple(
            ServiceView(name=name, condition=Condition.READY, restarts=int(name == "risk/demo"), pid=1, rss_mb=62.5)
            for name in names
        ),
    )
