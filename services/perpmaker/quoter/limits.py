"""How much each side may offer: local limit, permission and mode folded into one capacity per side.

Guarantees: capacities are never negative; each side is bounded by its own room, so a position at the limit
loses the side that adds to it and keeps the other in full; beyond the limit the adding side is empty and the
reducing side stays; with reduce-only, both sides together cannot turn the position around.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.common.decimals import E8, mul_ppm
from perpmaker.quoter.settings import Mode, Settings
from perpmaker.quoter.values import Permission, Side


@dataclass(frozen=True, slots=True)
class SideLimit:
    """Room of one side."""

    capacity_e8: int
    """Largest total size of the side's orders."""
    size_factor_ppm: int
    """Scale of each order."""
    reduces: bool
    """Whether fills of this side shrink the position."""
    reduce_only: bool
    """Whether orders of this side must carry the flag: their total may not exceed the position."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Room of both sides."""

    buy: SideLimit
    sell: SideLimit

    def of(self, side: Side) -> SideLimit:
        """The side's room."""
        return self.buy if side is Side.BUY else self.sell


_CLOSED = SideLimit(capacity_e8=0, size_factor_ppm=0, reduces=False, reduce_only=True)
CLOSED = Limits(_CLOSED, _CLOSED)


def _side_limit(side: Side, position_e8: int, room_e8: int, permission: Permission, reduce_only: bool) -> SideLimit:
    reduces = position_e8 * side.sign < 0
    size_e8 = abs(position_e8)
    factor = permission.bid_size_factor_ppm if side is Side.BUY else permission.ask_size_factor_ppm
    adding_factor = mul_ppm(permission.size_factor_ppm, factor)
    if not reduces:
        capacity = 0 if reduce_only else max(0, room_e8)
        return SideLimit(capacity, adding_factor, reduces=False, reduce_only=reduce_only)
    # The reducing side always has room for the whole position, whatever range is left to the market.
    capacity = size_e8 if reduce_only else max(size_e8, room_e8)
    return SideLimit(capacity, permission.size_factor_ppm, reduces=True, reduce_only=capacity <= size_e8)


def side_limits(position_e8: int, permission: Permission, settings: Settings, fair: float) -> Limits:
    """Room of both sides at a position; `fair` (1e-8 quote) turns the local notional limit into size."""
    if permission.killed or permission.closed:
        return CLOSED
    local_e8 = int(settings.max_notional_e8 / fair * E8)
    highest = min(local_e8, permission.max_position_e8)
    lowest = max(-local_e8, permission.min_position_e8)
    reduce_only = permission.reduce_only or settings.mode is Mode.REDUCE_ONLY
    return Limits(
        buy=_side_limit(Side.BUY, position_e8, highest - position_e8, permission, reduce_only),
        sell=_side_limit(Side.SELL, position_e8, position_e8 - lowest, permission, reduce_only),
    )
