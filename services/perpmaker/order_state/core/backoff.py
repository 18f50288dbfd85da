"""Pause of one market side after repeated refusals.

Three refused batches in a row begin a pause of 5 s; a refused first attempt after a pause doubles it, up to 120 s. A
batch counts once however many of its orders were refused. Only refusals that more of the same would repeat count:
position limits, margin, request limits and texts nobody knows.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from perpmaker.hyperliquid.rejections import RejectionClass

THRESHOLD = 3
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 120_000

COUNTED = frozenset(
    {
        RejectionClass.POSITION_LIMIT,
        RejectionClass.MARGIN,
        RejectionClass.RATE_LIMIT,
        RejectionClass.UNRECOGNIZED,
    }
)


class Backoff(msgspec.Struct, frozen=True):
    """State of one side: refused batches in a row, pauses so far, end of the running pause (monotonic ms)."""

    refused_in_a_row: int = 0
    pauses: int = 0
    until_ms: int = 0

    def is_pausing(self, now_ms: int) -> bool:
        """Whether orders that add risk wait."""
        return now_ms < self.until_ms


def pause_ms(pauses_before: int) -> int:
    """Length of the next pause."""
    return min(FIRST_PAUSE_MS << min(pauses_before, 10), LONGEST_PAUSE_MS)


def after_batch(backoff: Backoff, *, refused: int, accepted: int, now_ms: int) -> Backoff:
    """State after the outcomes of one side of one action: `refused` of a class that counts, `accepted` ones."""
    if refused == 0:
        return Backoff() if accepted else backoff
    if backoff.is_pausing(now_ms):
        # Sent before the pause began; it tells nothing about what comes after.
        return backoff
    in_a_row = backoff.refused_in_a_row + 1
    if in_a_row < THRESHOLD and backoff.pauses == 0:
        return replace(backoff, refused_in_a_row=in_a_row)
    return Backoff(refused_in_a_row=in_a_row, pauses=backoff.pauses + 1, until_ms=now_ms + pause_ms(backoff.pauses))
