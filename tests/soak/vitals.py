"""What a process holds: memory, tasks, descriptors and objects, measured now and then.

Gateway and exchange share the process, and an exchange remembers what happened on it. So that its memory is not taken
for the gateway's, it is measured by itself.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_NOT_DATA: Final = (type, FunctionType, MethodType, ModuleType)


@dataclass(frozen=True)
class Vitals:
    """One measurement."""

    rss_bytes: int
    exchange_bytes: int
    """Of the former, what the exchange's own state takes."""
    tasks: int
    descriptors: int
    gateway_objects: Counter[str]
    """Objects of the gateway's own classes that are alive, by class."""


def measure(*exchange: object) -> Vitals:
    """After a collection, so that what is counted is held by somebody; `exchange` are the roots of its state."""
    gc.collect()
    kinds = Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    return Vitals(
        rss_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE,
        exchange_bytes=_bytes_of(exchange),
        tasks=len(asyncio.all_tasks()),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        gateway_objects=Counter({name: n for name, n in kinds.items() if name.startswith("perpmaker.gateway.")}),
    )


def _bytes_of(roots: tuple[object, ...]) -> int:
    """Everything that can be reached from some values, code and the shared small ones aside."""
    seen: set[int] = set()
    waiting: list[object] = list(roots)
    total = 0
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, _NOT_DATA):
            continue
        seen.add(id(value))
        total += sys.getsizeof(value)
        waiting.extend(gc.get_referents(value))
    return total
