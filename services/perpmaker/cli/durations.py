"""Durations as people write them: 60, 60s, 5m, 1h30m, 250ms."""

from __future__ import annotations

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PIECE = r"(\d+(?:\.\d+)?)(ms|h|m|s)"
_WHOLE = re.compile(rf"(?:{_PIECE})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_duration_s(text: str) -> float:
    """Seconds in a duration; a bare number is seconds. Raises ValueError with an example when it is none."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write one like 60s, 5m or 1h30m")
    return sum(float(amount) * _SECONDS[unit] for amount, unit in re.findall(_PIECE, text))
