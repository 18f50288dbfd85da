"""No quote stands on an old book: past its age limit nothing is quoted, past five times the limit the book is pulled.

"Never seen" holds too, but never pulls: before the first book there is nothing of this session to pull.
"""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.risk.finding import Action, Finding, demanded, passed
from perpmaker.risk.shares import share_ppm
from perpmaker.risk.state import RiskState

LONG_STALE_FACTOR = 5


def check(state: RiskState, limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Age of the newest book or best bid and offer, and whether its feed is up."""
    if state.book_age_ms is None or state.mark_px_e8 <= 0:
        return (demanded("stale_data", "no_market_data", Action.HOLD, "no book and price seen yet"),)
    used = share_ppm(state.book_age_ms, limits.max_market_data_age_ms)
    detail = f"book is {state.book_age_ms} ms old, limit {limits.max_market_data_age_ms} ms"
    if state.book_age_ms > LONG_STALE_FACTOR * limits.max_market_data_age_ms:
        return (demanded("stale_data", "stale_data", Action.PULL, detail, used),)
    if state.book_age_ms > limits.max_market_data_age_ms:
        return (demanded("stale_data", "stale_data", Action.HOLD, detail, used),)
    if not state.market_data_live:
        return (demanded("stale_data", "feed_lost", Action.HOLD, "the feed of this market is down", used),)
    return (passed("stale_data", used),)
