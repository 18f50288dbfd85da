"""The target ladder on the exact tick grid.

Guarantees, for every level it returns: a price the exchange accepts, bids rounded down and asks up; prices of
one side distinct and ordered; every bid below every ask and below the best foreign ask, every ask above the
best foreign bid; a size in whole lots worth the minimum; the sizes of a side together within its capacity.
What it leaves out it says in a diagnostic; it never leaves out the side that reduces the position while that
side has room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from perpmaker.common.decimals import div_e8, mul_ppm
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.limits import Limits, SideLimit
from perpmaker.quoter.model.quote import Quote
from perpmaker.quoter.model.spread import NotQuotableError
from perpmaker.quoter.settings import Settings
from perpmaker.quoter.values import SIDES, Side, TargetLevel

_HEADROOM_PPM = 980_000
"""Used share of the adding side's room: sizes are fixed at placement, while the room moves with the price."""
_FULL_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Ladder:
    """Orders that should be in the book, best first per side, and what was left out, as short stable
    words."""

    levels: tuple[TargetLevel, ...]
    diagnostics: tuple[str, ...] = ()


EMPTY = Ladder(())


def _price(
    rules: InstrumentRules, side: Side, fair: float, distance_bps: float, clear_of_e8: int, inner_e8: int | None
) -> int:
    """Price of one level: rounded outward, clear of the opposite touch, beyond the level inside it; 0 for
    none."""
    raw = fair * (1.0 - side.sign * distance_bps / 1e4)
    if not math.isfinite(raw):
        raise NotQuotableError("level price", raw)
    if side is Side.BUY:
        px_e8 = rules.round_down(math.floor(raw))
        if clear_of_e8:
            px_e8 = min(px_e8, rules.tick_below(clear_of_e8))
        if inner_e8 is not None and px_e8 >= inner_e8:
            px_e8 = rules.tick_below(inner_e8)
        return px_e8
    px_e8 = rules.round_up(math.ceil(raw))
    if clear_of_e8:
        px_e8 = max(px_e8, rules.tick_above(clear_of_e8))
    if inner_e8 is not None and px_e8 <= inner_e8:
        px_e8 = rules.tick_above(inner_e8)
    return px_e8


def _size(rules: InstrumentRules, px_e8: int, notional_e8: int, limit: SideLimit, room_e8: int) -> int:
    """Size of one level within the room left; 0 when none is valid."""
    smallest = rules.smallest_size(px_e8)
    full = max(rules.round_size_down(div_e8(notional_e8, px_e8)), smallest)
    wanted = full
    if limit.size_factor_ppm < _FULL_PPM:
        # A shrunken order that falls below the minimum is dropped, not lifted, unless it is the way out of a position.
        wanted = rules.round_size_down(mul_ppm(full, limit.size_factor_ppm))
        if limit.reduces:
            wanted = max(wanted, smallest)
    size = rules.round_size_down(min(wanted, room_e8))
    if limit.reduce_only and 0 < room_e8 - size < smallest:
        # The rest could never be closed by an order of its own.
        size = rules.round_size_down(room_e8)
    return size


def _side(
    quote: Quote, settings: Settings, rules: InstrumentRules, side: Side, limit: SideLimit, clear_of_e8: int
) -> tuple[list[TargetLevel], list[str]]:
    word = side.name.lower()
    if limit.capacity_e8 <= 0:
        return [], [f"no_room_{word}"]
    room_e8 = limit.capacity_e8 if limit.reduces else mul_ppm(limit.capacity_e8, _HEADROOM_PPM)
    distance = quote.distances.bid_bps if side is Side.BUY else quote.distances.ask_bps
    levels: list[TargetLevel] = []
    inner_e8: int | None = None
    for level in range(settings.levels):
        px_e8 = _price(rules, side, quote.fair, distance + level * settings.level_spacing_bps, clear_of_e8, inner_e8)
        if px_e8 <= 0:
            return levels, [f"no_price_{word}"]
        if abs(px_e8 / quote.mid - 1.0) * 1e4 > settings.price_band_bps:
            return levels, [f"outside_band_{word}"]
        if not levels:
            # Headroom is given up before the whole side is.
            room_e8 = max(room_e8, min(limit.capacity_e8, rules.smallest_size(px_e8)))
        size = _size(rules, px_e8, settings.order_notional_e8, limit, room_e8)
        # Closing the whole position is exempt from the minimum value.
        closes = limit.reduce_only and not levels and size == limit.capacity_e8
        if rules.violation(px_e8, size, closes_position=closes) is not None:
            return levels, [f"below_minimum_{word}"]
        levels.append(TargetLevel(side, level, px_e8, size, limit.reduce_only))
        inner_e8 = px_e8
        room_e8 -= size
        if room_e8 <= 0:
            break
    return levels, []


def build_ladder(
    quote: Quote,
    settings: Settings,
    rules: InstrumentRules,
    limits: Limits,
    *,
    best_foreign_bid_e8: int,
    best_foreign_ask_e8: int,
) -> Ladder:
    """The ladder for a price decision. A best price of 0 means an empty side. Raises NotQuotableError."""
    levels: list[TargetLevel] = []
    diagnostics: list[str] = []
    for side in SIDES:
        clear_of = best_foreign_ask_e8 if side is Side.BUY else best_foreign_bid_e8
        found, missing = _side(quote, settings, rules, side, limits.of(side), clear_of)
        levels += found
        diagnostics += missing
    return Ladder(tuple(levels), tuple(diagnostics))
