"""What a TWAP order is. Who runs it is in `twaps`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SLICE_EVERY_MS = 30_000


class TwapStatus(StrEnum):
    """`activated` is passed through; the others end a TWAP order. Spelled as on the wire."""

    ACTIVATED = "activated"
    FINISHED = "finished"
    TERMINATED = "terminated"


@dataclass(slots=True)
class Twap:
    """One TWAP order, running or remembered. Sizes and values are scaled by 1e8, times are block times in ms."""

    twap_id: int
    address: str
    asset: int
    is_buy: bool
    sz_e8: int
    reduce_only: bool
    minutes: int
    is_randomized: bool
    started_ms: int
    status: TwapStatus = TwapStatus.ACTIVATED
    status_ms: int = 0
    executed_sz_e8: int = 0
    executed_quote_e8: int = 0
    slices_sent: int = 0

    @property
    def is_running(self) -> bool:
        return self.status is TwapStatus.ACTIVATED

    @property
    def slices(self) -> int:
        """How many slices there are: one at once, the last when the minutes are over."""
        return self.minutes * 60_000 // SLICE_EVERY_MS + 1

    @property
    def next_slice_ms(self) -> int:
        return self.started_ms + self.slices_sent * SLICE_EVERY_MS
