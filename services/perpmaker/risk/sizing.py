"""Smaller new sizes before a limit is reached: one scale per side that adds to the position.

Up to 70 % of the limit the scale is one, from there it falls in a line to nothing at the limit. It looks at the
position and at orders whose outcome is not known. Resting orders are left out: they are what is being sized, and
counting them would make a full ladder shrink itself, grow again and never settle. The gate in order-state bounds their
sum anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.risk.shares import ONE_PPM
from perpmaker.risk.state import RiskState

FULL_UP_TO_PPM = 700_000
HYSTERESIS_PPM = 30_000


@dataclass(frozen=True, slots=True)
class SideScales:
    """Scales in force, parts per million; remembered between evaluations for the hysteresis."""

    bid_ppm: int = ONE_PPM
    ask_ppm: int = ONE_PPM


def scale_ppm(towards_limit_e8: int, limit_e8: int) -> int:
    """Scale of the side that would carry `towards_limit_e8` (negative: away from it) to the limit."""
    if limit_e8 <= 0:
        return 0
    used_ppm = max(0, towards_limit_e8) * ONE_PPM // limit_e8
    if used_ppm <= FULL_UP_TO_PPM:
        return ONE_PPM
    return max(0, (ONE_PPM - used_ppm) * ONE_PPM // (ONE_PPM - FULL_UP_TO_PPM))


def settle_ppm(previous_ppm: int, wanted_ppm: int) -> int:
    """Follow the wanted scale only in steps of at least 3 %, but always to nothing and to full size."""
    if wanted_ppm in (0, ONE_PPM) or abs(wanted_ppm - previous_ppm) >= HYSTERESIS_PPM:
        return wanted_ppm
    return previous_ppm


def side_scales(state: RiskState, previous: SideScales) -> SideScales:
    """Scales for orders that add to a long (bid) and to a short (ask)."""
    limit = state.max_position_e8
    long_e8 = state.position_e8 + state.pending.unknown_bid_e8
    short_e8 = -state.position_e8 + state.pending.unknown_ask_e8
    return SideScales(
        bid_ppm=settle_ppm(previous.bid_ppm, scale_ppm(long_e8, limit)),
        ask_ppm=settle_ppm(previous.ask_ppm, scale_ppm(short_e8, limit)),
    )
