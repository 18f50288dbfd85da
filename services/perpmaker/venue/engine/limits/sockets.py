"""What one network address may do over WebSockets, all its connections together.

A refusal is the exchange's text for an `error` frame. Time is the venue's, in milliseconds, and is passed in.
Source: Hyperliquid documentation, "Rate limits and user limits".
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from perpmaker.venue.engine.limits.rules import SocketRules

TOO_MANY_MESSAGES = "Cannot send more than {most} messages per minute."
TOO_MANY_SUBSCRIPTIONS = "Cannot subscribe to more than {most} channels."
TOO_MANY_USERS = "Cannot track more than {most} total users."
TOO_MANY_POSTS = "too many pending post requests id={number}"
_MINUTE_MS = 60_000


def too_many_messages(rules: SocketRules) -> str:
    return TOO_MANY_MESSAGES.format(most=rules.messages_per_minute)


def too_many_subscriptions(rules: SocketRules) -> str:
    return TOO_MANY_SUBSCRIPTIONS.format(most=rules.subscriptions)


def too_many_users(rules: SocketRules) -> str:
    return TOO_MANY_USERS.format(most=rules.users)


def too_many_posts(number: int) -> str:
    return TOO_MANY_POSTS.format(number=number)


@dataclass(slots=True)
class SocketUse:
    """What one network address is doing."""

    rules: SocketRules
    connections: int = 0
    subscriptions: int = 0
    posts: int = 0
    _users: Counter[str] = field(default_factory=Counter)
    _connects_ms: deque[int] = field(default_factory=deque)
    _messages_ms: deque[int] = field(default_factory=deque)

    def connect(self, now_ms: int) -> bool:
        """Count a new connection, unless there are too many or they come too fast."""
        rules = self.rules
        if rules.enforced:
            if self.connections >= rules.connections:
                return False
            if not _fits(self._connects_ms, rules.new_connections_per_minute, now_ms):
                return False
        self.connections += 1
        return True

    def leave(self) -> None:
        self.connections -= 1

    def message(self, now_ms: int) -> str | None:
        """Count a message of the client."""
        rules = self.rules
        if not rules.enforced or _fits(self._messages_ms, rules.messages_per_minute, now_ms):
            return None
        return too_many_messages(rules)

    def subscribe(self, user: str | None) -> str | None:
        """Count a subscription, about a user or not."""
        rules = self.rules
        if rules.enforced:
            if self.subscriptions >= rules.subscriptions:
                return too_many_subscriptions(rules)
            if user is not None and user not in self._users and len(self._users) >= rules.users:
                return too_many_users(rules)
        self.subscriptions += 1
        if user is not None:
            self._users[user] += 1
        return None

    def unsubscribe(self, user: str | None) -> None:
        self.subscriptions -= 1
        if user is not None:
            self._users[user] -= 1
            if not self._users[user]:
                del self._users[user]

    def post(self, number: int) -> str | None:
        """Count a post that waits for its answer."""
        if self.rules.enforced and self.posts >= self.rules.posts_in_flight:
            return too_many_posts(number)
        self.posts += 1
        return None

    def answered(self) -> None:
        self.posts -= 1

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left that a later request of this address would be judged by."""
        return not self.connections and not self._connects_ms and not self._messages_ms


@dataclass(slots=True)
class SocketLimits:
    """The use of all network addresses."""

    rules: SocketRules
    _uses: dict[str, SocketUse] = field(default_factory=dict)

    def of(self, ip: str) -> SocketUse:
        return self._uses.setdefault(ip, SocketUse(self.rules))


def _fits(times_ms: deque[int], most: int, now_ms: int) -> bool:
    """Whether one more fits into the minute that ends now; counts it if so."""
    while times_ms and times_ms[0] <= now_ms - _MINUTE_MS:
        times_ms.popleft()
    if len(times_ms) >= most:
        return False
    times_ms.append(now_ms)
    return True
