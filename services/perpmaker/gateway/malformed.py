"""What the exchange said that could not be read: every piece counted by kind, one of a kind a minute shown in the log.

Nothing here decides anything: whoever could not read a message knows what its loss means.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from perpmaker.common import logs
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.gateway import metrics

Source = Literal["market_data", "account", "order_entry", "rest"]

Kind = Literal["not_json", "wrong_shape", "bad_value", "too_deep", "too_large", "time_regression", "time_ahead"]

UNREADABLE: Final = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)
"""Everything that reading a message of any content can raise."""

TOLD_EVERY_S: Final = 60.0
SAMPLE_BYTES: Final = 200

_log = logs.get(__name__)


def kind_of(error: BaseException) -> Kind:
    """Kind of a message by the error that reading it raised. Pure."""
    match error:
        case msgspec.ValidationError():
            return "wrong_shape"
        case msgspec.DecodeError() | UnicodeError():
            return "not_json"
        case RecursionError():
            return "too_deep"
        case _:
            return "bad_value"


class Complaints:
    """Counts and tells; one for the process, like its metrics."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_s: dict[tuple[Source, Kind], float] = {}
        self._untold: dict[tuple[Source, Kind], int] = {}

    def add(self, source: Source, kind: Kind, message: bytes, reason: str) -> None:
        """Count a message, and log it if none of its kind was within the last minute."""
        metrics.BAD_FRAMES.labels(source, kind).inc()
        key, now_s = (source, kind), self._clock.monotonic_s()
        told_s = self._told_s.get(key)
        if told_s is not None and now_s - told_s < TOLD_EVERY_S:
            self._untold[key] = self._untold.get(key, 0) + 1
            return
        self._told_s[key] = now_s
        _log.warning(
            "exchange.malformed",
            source=source,
            kind=kind,
            reason=reason[:SAMPLE_BYTES],
            bytes=len(message),
            sample=message[:SAMPLE_BYTES].decode(errors="replace"),
            untold=self._untold.pop(key, 0),
        )

    def unreadable(self, source: Source, message: bytes, error: BaseException) -> None:
        """The same for a message whose reading raised an error."""
        self.add(source, kind_of(error), message, str(error))


COMPLAINTS: Final = Complaints(SystemClock())
