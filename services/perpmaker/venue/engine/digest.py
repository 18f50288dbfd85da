"""A digest of everything the venue is: equal for equal histories, different as soon as anything differs.

It walks the whole object graph, so a fact that is added to the state is covered without being listed here. Sets
are taken in sorted order, everything else in its own. Fields whose name ends in `_cache` are derived
and skipped, as are callbacks.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import cache
from operator import attrgetter
from random import Random
from typing import Any

import numpy as np

_PLAIN = frozenset({int, str, float, bool, type(None), bytes})


def state_hash(*roots: object) -> str:
    """Digest of what is reachable from these objects: 32 hex digits."""
    walk = _Walk()
    for root in roots:
        walk.feed(root)
    return walk.finish()


@cache
def _fields(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for base in reversed(kind.__mro__):
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return tuple(n for n in dict.fromkeys(names) if not n.endswith("_cache") and not n.startswith(("__", "on_")))


@cache
def _values_of(kind: type) -> Callable[[Any], Any] | None:
    names = _fields(kind)
    return attrgetter(*names) if len(names) > 1 else None


class _Walk:
    """One traversal. Objects met again are written as the number of their first visit."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._seen: dict[int, int] = {}
        self._parts: list[str] = []
        self._alive: list[object] = []

    def finish(self) -> str:
        self._flush()
        return self._digest.hexdigest()

    def feed(self, value: Any) -> None:
        kind = type(value)
        if kind in _PLAIN:
            self._write(repr(value))
        elif isinstance(value, Enum):
            self._write(repr(value.value))
        elif not self._is_known(value):
            self._feed_object(value, kind)

    def _feed_object(self, value: Any, kind: type) -> None:
        if isinstance(value, dict):
            self._write("{")
            for key, item in value.items():
                self.feed(key)
                self.feed(item)
            self._write("}")
        elif isinstance(value, (list, tuple, deque)):
            self._write("[")
            for item in value:
                self.feed(item)
            self._write("]")
        elif isinstance(value, (set, frozenset)):
            self._write("<" + ",".join(sorted(map(repr, value))) + ">")
        elif isinstance(value, Random):
            self._write(repr(value.getstate()))
        elif isinstance(value, np.random.Generator):
            self._write(repr(value.bit_generator.state))
        elif isinstance(value, np.ndarray):
            self._write(repr((value.shape, value.tolist())))
        elif callable(value) or isinstance(value, type):
            self._write("call")
        else:
            self._feed_fields(value, kind)

    def _feed_fields(self, value: Any, kind: type) -> None:
        self._write(kind.__name__)
        take = _values_of(kind)
        if take is not None and not hasattr(value, "__dict__"):
            values = take(value)
            if all(type(v) in _PLAIN for v in values):
                self._write(repr(values))
                return
        for name in _fields(kind):
            if hasattr(value, name):
                self._write(name)
                self.feed(getattr(value, name))
        for name, item in getattr(value, "__dict__", {}).items():
            if not name.endswith("_cache"):
                self._write(name)
                self.feed(item)

    def _is_known(self, value: object) -> bool:
        number = self._seen.get(id(value))
        if number is not None:
            self._write(f"#{number}")
            return True
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        return False

    def _write(self, text: str) -> None:
        self._parts.append(text)
        if len(self._parts) > 10_000:
            self._flush()

    def _flush(self) -> None:
        self._digest.update("\x1f".join(self._parts).encode())
        self._digest.update(b"\x1f")
        self._parts.clear()
