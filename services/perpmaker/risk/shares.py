"""Shares in parts per million."""

from __future__ import annotations

from typing import Final

ONE_PPM: Final = 1_000_000
"""One, in parts per million."""


def share_ppm(value: int, limit: int) -> int:
    """Used share of a limit in parts per million, rounded up so that a breach never shows as exactly full.

    A limit of zero (an equity of zero, say) is exceeded by anything and shows as a thousandfold use.
    """
    if value <= 0:
        return 0
    if limit <= 0:
        return 1000 * ONE_PPM
    return -(-value * ONE_PPM // limit)
