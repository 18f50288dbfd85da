"""Limits per network address. Documentation: "Rate limits and user limits", IP-based limits."""

from __future__ import annotations

from perpmaker.venue.engine.limits.ip import IpBudget
from perpmaker.venue.engine.limits.rules import IpRules, SocketRules
from perpmaker.venue.engine.limits.sockets import SocketUse

HERE, THERE = "127.0.0.1", "127.0.0.2"


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
