"""Reading what a child wrote: its last words for people, its announcements for the runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perpmaker.common.logs import redact

_TAIL_BYTES = 64 * 1024
_MAX_TEXT = 600


def lines_since(path: Path, offset: int) -> list[str]:
    """Complete lines written at or after a byte offset, the last 64 kB at most."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(offset, end - _TAIL_BYTES))
            data = file.read()
    except FileNotFoundError:
        return []
    whole, _, _ = data.rpartition(b"\n")
    return whole.decode(errors="replace").splitlines()


def _as_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def last_words(path: Path, offset: int) -> str:
    """Why a process ended, as far as its log says: its newest error, else its newest plain line, else nothing."""
    lines = [line.strip() for line in lines_since(path, offset) if line.strip()]
    unstructured = ""
    for line in reversed(lines):
        entry = _as_object(line)
        if entry is None:
            unstructured = unstructured or line
        elif entry.get("level") in {"error", "critical"}:
            facts = [str(entry[key]) for key in ("event", "reason", "error") if entry.get(key)]
            exception = str(entry.get("exception") or "").strip().splitlines()
            return redact(": ".join([*facts, *exception[-1:]]))[:_MAX_TEXT]
    return redact(unstructured)[:_MAX_TEXT]


def announcement(path: Path, offset: int, event: str) -> dict[str, Any] | None:
    """The first JSON line written since `offset` whose `event` is the given word."""
    for line in lines_since(path, offset):
        entry = _as_object(line)
        if entry is not None and entry.get("event") == event:
            return entry
    return None
