"""How the C library gives memory back; without this a burst at a start is kept for good."""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_BYTES: Final = 128 * 1024


def give_back_early() -> None:
    """Keep glibc from raising its thresholds as large pieces come and go, and threads from having heaps of their own.

    Other C libraries have no such thresholds, and nothing is done.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _BYTES), (_TRIM_THRESHOLD, _BYTES)):
            set_option(option, value)
