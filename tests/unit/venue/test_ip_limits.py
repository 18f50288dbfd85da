"""Limits per network address. Documentation: "Rate limits and user limits", IP-based limits."""

from __future__ import annotations

import pytest

from perpmaker.venue.engine.limits.ip import IpBudget, answer_weight, exchange_weight, info_weight
from perpmaker.venue.engine.limits.rules import IpRules, SocketRules
from perpmaker.venue.engine.limits.sockets import SocketLimits, SocketUse
from perpmaker.venue.wire.info_requests import REQUEST_TYPES

HERE, THERE = "127.0.0.1", "127.0.0.2"
LIGHT = {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}


@pytest.mark.parametrize(
    ("items", "weight"), [(0, 1), (1, 1), (39, 1), (40, 2), (79, 2), (80, 3), (119, 3), (120, 4), (200, 6)]
)
def test_an_action_weighs_one_and_one_more_for_each_forty_items(items: int, weight: int) -> None:
    assert exchange_weight(items) == weight


@pytest.mark.parametrize("kind", sorted(REQUEST_TYPES))
def test_every_info_request_weighs_what_is_documented(kind: str) -> None:
    assert info_weight(kind) == (2 if kind in LIGHT else 60 if kind == "userRole" else 20)


@pytest.mark.parametrize(
    ("kind", "items", "weight"),
    [
        ("userFills", 2_000, 100),
        ("userFills", 19, 0),
        ("recentTrades", 20, 1),
        ("historicalOrders", 45, 2),
        ("fundingHistory", 500, 25),
        ("candleSnapshot", 5_000, 83),
        ("openOrders", 5_000, 0),
    ],
)
def test_long_answers_weigh_more(kind: str, items: int, weight: int) -> None:
    assert answer_weight(kind, items) == weight


def test_a_bucket_of_1200_refills_by_twenty_a_second() -> None:
    budget = IpBudget(IpRules())
    assert all(budget.take(HERE, 20, 0) for _ in range(60))
    assert not budget.take(HERE, 1, 0)
    assert budget.take(THERE, 1_200, 0), "another address has a bucket of its own"
    assert not budget.take(HERE, 20, 999) and budget.wait_ms(HERE, 20, 999) == 1
    assert budget.take(HERE, 20, 1_000)
    assert budget.left(HERE, 61_000) == 1_200


def test_an_answer_may_overdraw_the_bucket_and_the_next_request_waits() -> None:
    budget = IpBudget(IpRules())
    budget.take(HERE, 1_190, 0)
    budget.add(HERE, 100, 0)
    assert not budget.take(HERE, 2, 4_599) and budget.take(HERE, 2, 4_600)


def test_without_limits_nothing_is_taken() -> None:
    budget = IpBudget(IpRules(enforced=False))
    assert all(budget.take(HERE, 1_200, 0) for _ in range(10))


def test_an_emptied_bucket_refuses_at_once() -> None:
    budget = IpBudget(IpRules())
    budget.take(HERE, 1, 0)
    budget.empty(None, 0)
    assert not budget.take(HERE, 1, 0)


def test_ten_connections_and_thirty_new_ones_a_minute() -> None:
    use = SocketUse(SocketRules())
    assert [use.connect(0) for _ in range(11)] == [True] * 10 + [False]
    for _ in range(20):
        use.leave()
        assert use.connect(1_000)
    use.leave()
    assert not use.connect(2_000)
    assert use.connect(60_000)


def test_each_limit_of_a_socket_has_its_text() -> None:
    rules = SocketRules(subscriptions=2, users=1, messages_per_minute=2, posts_in_flight=1)
    use = SocketUse(rules)
    assert [use.message(0), use.message(0)] == [None, None]
    assert use.message(59_999) == "Cannot send more than 2 messages per minute."
    assert use.message(60_000) is None
    assert use.subscribe("0xa") is None
    assert use.subscribe("0xb") == "Cannot track more than 1 total users."
    assert use.subscribe("0xa") is None
    assert use.subscribe(None) == "Cannot subscribe to more than 2 channels."
    assert [use.post(1), use.post(2)] == [None, "too many pending post requests id=2"]
    use.answered()
    assert use.post(3) is None


def test_a_user_counts_until_the_last_subscription_about_it_ends() -> None:
    use = SocketUse(SocketRules(users=1))
    for _ in range(2):
        use.subscribe("0xa")
    use.unsubscribe("0xa")
    assert use.subscribe("0xb") is not None
    use.unsubscribe("0xa")
    assert use.subscribe("0xb") is None


def test_the_numbers_are_those_of_the_documentation() -> None:
    rules = SocketRules()
    numbers = (rules.connections, rules.new_connections_per_minute, rules.subscriptions, rules.users)
    assert numbers == (10, 30, 1_000, 10)
    assert (rules.messages_per_minute, rules.posts_in_flight, IpRules().weight) == (2_000, 100, 1_200)
    assert SocketLimits(rules).of(HERE) is not SocketLimits(rules).of(THERE)
