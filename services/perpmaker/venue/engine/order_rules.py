"""What is not known for certain about orders: each a switch, with what is likeliest as its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perpmaker.venue.engine.statuses import Status


@dataclass(frozen=True, slots=True)
class OrderRules:
    """Percentages are whole, values in quote scaled by 1e8, times in milliseconds."""

    band_percent: int = 95
    """How far from the mark a price may be before the whole action is refused: above the mark as many times as its
    inverse below, so 95 allows prices over 1/20 of the mark and up to 20 times it, 80 over 1/5 and up to 5 times."""
    oracle_band_percent: int = 0
    """How far from the oracle a price may be before the order alone is refused; 0 leaves only the other band."""
    tick_is_static: bool = True
    """A wrong tick refuses the whole action without a record; else only its order, with a record."""
    limits_value: bool = True
    """The largest order value per market applies."""
    trigger_limit_reaches: bool = True
    """The limit of a trigger order must be at its trigger price or beyond."""
    cloid_reuse_while_open: bool = True
    """An open order's cloid may be used again; a cancel by cloid then takes the newest."""
    alo_meets_own: bool = True
    """An own resting order counts as a match for a post-only one; else it is cancelled as a self-trade."""
    fast_cancels_triggers: bool = False
    """A cancel marked fast also takes trigger orders."""
    open_interest_growth_e8: int = 0
    """By how much open interest of a market may grow in `open_interest_window_ms`; 0 is without limit."""
    open_interest_window_ms: int = 1_000
    alo_priority_ms: int = 400
    """How lately an order must have joined its queue for a paying one to go ahead of it."""
    twap_min_per_minute: bool = False
    """A TWAP order must be worth $10 for each of its minutes; else $100 whatever its length."""
    fired_stays_trigger: bool = False
    """An order that has fired is still shown as a trigger order; else as the live order it has become."""
    texts: Mapping[Status, str] = field(default_factory=dict)
    """Words of refusals that replace the venue's own."""
