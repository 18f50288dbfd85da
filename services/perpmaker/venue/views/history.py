"""Candles and funding rates as the exchange spells them."""

from __future__ import annotations

from itertools import islice
from typing import Any

from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.tape.candles import HOUR_MS, Candle
from perpmaker.venue.tape.tape import Tape
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views.dexes import MAIN
from perpmaker.venue.views.orders import rate_text

RANGE_PAGE = 500
"""Most items in an answer about a time range (fills have their own page)."""


def candle(coin: str, interval: str, bar: Candle) -> dict[str, Any]:
    return {
        "t": bar.start_ms,
        "T": bar.end_ms,
        "s": coin,
        "i": interval,
        "o": shown_e8(bar.open_px_e8),
        "c": shown_e8(bar.close_px_e8),
        "h": shown_e8(bar.high_px_e8),
        "l": shown_e8(bar.low_px_e8),
        "v": shown_e8(bar.base_e8),
        "n": bar.trades,
    }


def candles(tape: Tape, market: Market, interval: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Oldest first, of the 5,000 most recent."""
    bars = tape.candles[market.asset].between(interval, start_ms, end_ms)
    return [candle(market.coin, interval, bar) for bar in bars]


def funding_history(tape: Tape, market: Market, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Oldest first, one page."""
    return [
        {
            "coin": market.coin,
            "fundingRate": rate_text(rate.rate_e10),
            "premium": shown_e8(rate.premium_e8),
            "time": rate.time_ms,
        }
        for rate in islice(tape.funding(market.asset, start_ms, end_ms), RANGE_PAGE)
    ]


def predicted_fundings(state: State) -> list[Any]:
    """The rate accruing here; this venue has no quotes of other exchanges. Main dex only."""
    interval_ms = state.rules.funding_interval_ms
    next_ms = (state.now_ms // interval_ms + 1) * interval_ms
    return [
        [
            market.coin,
            [
                ["BinPerp", None],
                [
                    "HlPerp",
                    {
                        "fundingRate": rate_text(state.marks[market.asset].funding_rate_e10()),
                        "nextFundingTime": next_ms,
                        "fundingIntervalHours": max(interval_ms // HOUR_MS, 1),
                    },
                ],
                ["BybitPerp", None],
            ],
        ]
        for market in state.markets_of_dex(MAIN)
    ]
