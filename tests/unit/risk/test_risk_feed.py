"""Permissions to readers."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.support.risk import BTC, ETH

from perpmaker.common.clock import ManualClock
from perpmaker.risk.controller import WATCHDOG_S
from perpmaker.risk.feed import HEARTBEAT_MS, PermissionFeed
from perpmaker.risk.permission import Permission

OPEN = Permission(min_position_e8=-1_000_000, max_position_e8=1_000_000, reduce_only=False, size_factor_ppm=1_000_000)


def test_a_new_reader_begins_with_the_newest_of_each_of_its_markets() -> None:
    feed = PermissionFeed(ManualClock())
    feed.offer(BTC, OPEN)
    feed.offer(ETH, OPEN)
    assert set(feed.subscribe(()).pending) == {BTC, ETH}
    assert set(feed.subscribe((ETH,)).pending) == {ETH}


def test_an_urgent_change_goes_at_once_and_an_unchanged_permission_waits_for_its_beat() -> None:
    clock = ManualClock()
    feed = PermissionFeed(clock)
    assert feed.offer(BTC, OPEN)
    assert not feed.offer(BTC, OPEN)
    assert feed.offer(BTC, replace(OPEN, killed=True))
    clock.advance_ms(240)
    assert feed.offer(BTC, replace(OPEN, killed=True))


def test_with_the_watchdog_no_permission_is_older_than_half_a_second() -> None:
    assert HEARTBEAT_MS < 1_000 * WATCHDOG_S
    assert HEARTBEAT_MS + 1_000 * WATCHDOG_S < 500


def test_a_permission_is_valid_for_two_seconds_from_its_publication() -> None:
    clock = ManualClock()
    feed = PermissionFeed(clock)
    feed.offer(BTC, OPEN)
    message = feed.subscribe(()).pending[BTC]
    assert message.permission.valid_until_ms == clock.now_ms() + 2_000


def test_a_withdrawn_market_ends_with_a_closed_permission_and_is_told_to_nobody_new() -> None:
    feed = PermissionFeed(ManualClock())
    feed.offer(ETH, OPEN)
    reader = feed.subscribe((ETH,))
    feed.withdraw(ETH)
    assert reader.pending[ETH].permission.closed
    assert list(reader.pending[ETH].permission.reasons) == ["removed"]
    assert not feed.subscribe(()).pending
    assert feed.offer(ETH, OPEN)


async def test_a_slow_reader_gets_only_the_newest() -> None:
    feed = PermissionFeed(ManualClock())
    mailbox = feed.subscribe((BTC,))
    feed.offer(ETH, OPEN)
    feed.offer(BTC, OPEN)
    feed.offer(BTC, replace(OPEN, killed=True, reasons=("killed",)))
    (message,) = await mailbox.take()
    assert message.permission.killed
    assert message.trace.sequence == 3
    waiting = asyncio.ensure_future(mailbox.take())
    feed.unsubscribe(mailbox)
    feed.offer(BTC, OPEN)
    done, _ = await asyncio.wait((waiting,), timeout=0)
    assert not done
    waiting.cancel()
