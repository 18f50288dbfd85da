"""One message of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """Channel and JSON value."""

    channel: str
    data: Any
