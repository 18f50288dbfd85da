"""Subscriptions of one socket: what was asked, what the exchange confirmed, and how long it may take. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

Subscription = Mapping[str, object]

_JSON = msgspec.json.Encoder()

CONFIRM_DEADLINE_S = 5.0


def subscribe_frame(subscription: Subscription) -> bytes:
    """Frame that asks for a subscription."""
    return _JSON.encode({"method": "subscribe", "subscription": subscription})


def unsubscribe_frame(subscription: Subscription) -> bytes:
    """Frame that ends one."""
    return _JSON.encode({"method": "unsubscribe", "subscription": subscription})


class Confirmation(msgspec.Struct, frozen=True):
    """`subscriptionResponse`."""

    method: str
    subscription: dict[str, object]


CONFIRMATION = msgspec.json.Decoder(Confirmation)


class Pending:
    """Subscriptions asked for and not confirmed yet: those with which the connection began, and those added since."""

    def __init__(self, wanted: Sequence[Subscription], now_s: float) -> None:
        self._first = [(subscription, now_s + CONFIRM_DEADLINE_S) for subscription in wanted]
        self._added: list[tuple[Subscription, float]] = []

    @property
    def is_empty(self) -> bool:
        """Whether all with which the connection began are confirmed."""
        return not self._first

    def is_overdue(self, now_s: float) -> bool:
        """Whether the exchange took too long with any."""
        return any(now_s > deadline_s for _, deadline_s in (*self._first, *self._added))

    def add(self, wanted: Sequence[Subscription], now_s: float) -> None:
        """Ask for more over the open connection, which stays as complete as it was."""
        self._added += [(subscription, now_s + CONFIRM_DEADLINE_S) for subscription in wanted]

    def drop(self, unwanted: Sequence[Subscription]) -> None:
        """Wait for these no longer."""
        self._first = [item for item in self._first if item[0] not in unwanted]
        self._added = [item for item in self._added if item[0] not in unwanted]

    def confirm(self, confirmation: Confirmation) -> None:
        """Take a confirmation: the exchange normalises, so the echo may carry more keys and other letter case."""
        if confirmation.method != "subscribe":
            return
        echo = confirmation.subscription
        for waiting in (self._first, self._added):
            for item in waiting:
                if all(_same(echo.get(key), value) for key, value in item[0].items()):
                    waiting.remove(item)
                    return


def _same(echoed: object, asked: object) -> bool:
    if isinstance(echoed, str) and isinstance(asked, str):
        return echoed.lower() == asked.lower()
    return echoed == asked or (echoed is None and not asked)
