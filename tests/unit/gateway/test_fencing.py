"""Who may place: the newest session of an armed market with permission and a good clock."""

from __future__ import annotations

import pytest

from perpmaker.gateway.orders.fencing import Fence, expiry_ms, refusal


def _ask(fence: Fence, epoch: int = 5, **changes: int) -> str | None:
    facts = {"not_after_ms": 1_000, "now_ms": 1_000, "clock_offset_ms": 0} | changes
    return refusal(fence, "BTC", epoch, **facts)


def test_newest_session_places() -> None:
    assert _ask(Fence()) is None


def test_older_session_is_fenced_once_a_newer_one_was_seen() -> None:
    fence = Fence()
    fence.observe("BTC", 6)
    assert _ask(fence, epoch=5) == "fenced"
    assert _ask(fence, epoch=6) is None
    assert refusal(fence, "ETH", 5, not_after_ms=0, now_ms=1, clock_offset_ms=0) is None


def test_an_older_session_never_lowers_the_fence() -> None:
    fence = Fence()
    fence.observe("BTC", 6)
    fence.observe("BTC", 5)
    assert _ask(fence, epoch=5) == "fenced"


def test_permission_ends_after_its_last_millisecond() -> None:
    assert _ask(Fence(), now_ms=1_001) == "permission_expired"
    assert _ask(Fence(), now_ms=1_000) is None
    assert _ask(Fence(), not_after_ms=0, now_ms=9_999) is None


@pytest.mark.parametrize(("offset", "expected"), [(999, None), (-999, None), (1_000, "clock"), (-1_000, "clock")])
def test_a_second_of_clock_offset_stops_new_orders(offset: int, expected: str | None) -> None:
    assert _ask(Fence(), clock_offset_ms=offset) == expected


def test_disarmed_market_does_not_stop_the_others() -> None:
    fence = Fence()
    fence.disarm("BTC", "kill")
    assert _ask(fence) == "disarmed"
    assert not fence.is_disarmed("ETH")
    fence.arm("BTC")
    assert _ask(fence) is None


def test_arming_the_account_leaves_a_disarmed_market_disarmed() -> None:
    fence = Fence()
    fence.disarm("", "kill")
    fence.disarm("BTC", "drain")
    assert fence.is_disarmed("ETH")
    fence.arm("")
    assert not fence.is_disarmed("ETH")
    assert fence.is_disarmed("BTC")


@pytest.mark.parametrize(
    ("now_ms", "not_after_ms", "expected"), [(1_000, 3_000, 6_040), (9_000, 3_000, 8_040), (9_000, 0, 14_040)]
)
def test_an_action_that_waited_expires_as_if_signed_at_the_end_of_its_permission(
    now_ms: int, not_after_ms: int, expected: int
) -> None:
    assert expiry_ms(now_ms=now_ms, not_after_ms=not_after_ms, clock_offset_ms=40, expires_in_ms=5_000) == expected


def test_nothing_armed_later_opens_a_closed_fence() -> None:
    fence = Fence()
    fence.close()
    fence.arm("")
    fence.arm("BTC")
    assert refusal(fence, "BTC", 1, not_after_ms=0, now_ms=0, clock_offset_ms=0) == "stopping"


def test_doubted_clock_stops_placements() -> None:
    fence = Fence()
    assert refusal(fence, "BTC", 1, not_after_ms=0, now_ms=0, clock_offset_ms=0, is_clock_doubted=True) == "clock"
    assert refusal(fence, "BTC", 1, not_after_ms=0, now_ms=0, clock_offset_ms=0) is None
