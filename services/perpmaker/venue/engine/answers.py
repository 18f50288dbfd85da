"""What an action is answered: the values inside `/exchange` responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ok:
    """`response` of `{"status": "ok"}`."""

    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Err:
    """`response` of `{"status": "err"}`."""

    text: str


Answer = Ok | Err
DEFAULT = Ok({"type": "default"})
