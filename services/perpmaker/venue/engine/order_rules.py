"""What is not known for certain about orders: each a switch, with what is likeliest as its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perpmaker.venue.engine.statuses import Status


@dataclass(frozen=True, slots=True)
class OrderRules:
    """What is not known for certain about orders, with what is likeliest as default.

    `oracle_band_percent`: how far from the oracle a price may be before the order alone is refused; 0 leaves only
    the band around the mark. `tick_is_static`: a wrong tick refuses the whole action; else only its order, with
    a record. `limits_value`: the largest order value per market applies. `trigger_limit_reaches`: the limit
    of a trigger order must be at or beyond its trigger price. `cloid_reuse_while_open`: an open order's cloid may
    be used again. `alo_meets_own`: an own resting order counts as a match for a post-only one; else it is
    cancelled as a self-trade. `fast_cancels_triggers`: a cancel marked fast also takes trigger orders.
    `open_interest_growth_e8`: by how much quote value open interest may grow in `open_interest_window_ms`; 0 is
    without limit. `alo_priority_ms`: how young an order must be for a paying one to go ahead of it.
    `twap_min_per_minute`: a TWAP order must be worth $10 for each of its minutes; else $100 whatever its length.
    `texts` replaces words of refusals.
    """

    oracle_band_percent: int = 0
    tick_is_static: bool = True
    limits_value: bool = True
    trigger_limit_reaches: bool = True
    cloid_reuse_while_open: bool = True
    alo_meets_own: bool = True
    fast_cancels_triggers: bool = False
    open_interest_growth_e8: int = 0
    open_interest_window_ms: int = 1_000
    alo_priority_ms: int = 400
    twap_min_per_minute: bool = False
    texts: Mapping[Status, str] = field(default_factory=dict)
