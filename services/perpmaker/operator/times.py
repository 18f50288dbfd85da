"""Times as the API writes them: RFC 3339, UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def from_ms(ms: int) -> str:
    """Milliseconds since the epoch as text."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(_FORMAT)


def to_ms(text: str) -> int:
    """Text as milliseconds since the epoch. Raises ValueError."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def age_s(text: str | None, now_ms: int) -> float:
    """Seconds since a time in status; 0 where there is none or it cannot be read."""
    if not text:
        return 0.0
    try:
        return max(0.0, (now_ms - to_ms(text)) / 1000)
    except ValueError:
        return 0.0
