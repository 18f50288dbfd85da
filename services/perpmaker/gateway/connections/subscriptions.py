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


class Confirmation(msgspec.Struct, frozen=True):
    """`subscriptionResponse`."""

    method: str
    subscription: dict[str, object]


CONFIRMATION = msgspec.json.Decoder(Confirmation)


class Pending:
    """Subscriptions asked for and not confirmed yet."""

    def __init__(self, wanted: Sequence[Subscription], now_s: float) -> None:
        self._wanted = list(wanted)
        self._deadline_s = now_s + CONFIRM_DEADLINE_S

    @property
    def is_empty(self) -> bool:
        """Whether all are confirmed."""
        return not self._wanted

    def is_overdue(self, now_s: float) -> bool:
        """Whether the exchange took too long."""
        return bool(self._wanted) and now_s > self._deadline_s

    def confirm(self, echo: Mapping[str, object]) -> None:
        """Take a confirmation: the exchange normalises, so the echo may carry more keys and other letter case."""
        for subscription in self._wanted:
            if all(_same(echo.get(key), value) for key, value in subscription.items()):
                self._wanted.remove(subscription)
                return


def _same(echoed: object, asked: object) -> bool:
    if isinstance(echoed, str) and isinstance(asked, str):
        return echoed.lower() == asked.lower()
    return echoed == asked or (echoed is None and not asked)
