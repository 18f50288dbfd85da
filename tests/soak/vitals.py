"""What a process holds: memory, tasks, descriptors and objects, measured now and then."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Vitals:
    """One measurement."""

    rss_bytes: int
    tasks: int
    descriptors: int
    gateway_objects: Counter[str]
    """Objects of the gateway's own classes that are alive, by class."""


def measure() -> Vitals:
    """After a collection, so that what is counted is held by somebody."""
    gc.collect()
    kinds = Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    return Vitals(
        rss_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE,
        tasks=len(asyncio.all_tasks()),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        gateway_objects=Counter({name: n for name, n in kinds.items() if name.startswith("perpmaker.gateway.")}),
    )
