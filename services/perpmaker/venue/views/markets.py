"""Universe, books and prices as the exchange spells them."""

from __future__ import annotations

from itertools import islice
from typing import Any

from perpmaker.venue.engine.book import BookSide, Level
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.tape.tape import Tape
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views.dexes import MAIN
from perpmaker.venue.views.limits import open_interest_sz_e8
from perpmaker.venue.views.orders import rate_text

BOOK_DEPTH = 20
FAST_DEPTH = 5


def _margin_table(market: Market) -> dict[str, Any]:
    tiered = len(market.tiers) > 1
    tiers = [{"lowerBound": shown_e8(t.lower_bound_e8), "maxLeverage": t.max_leverage} for t in market.tiers]
    return {"description": f"tiered {market.max_leverage}x" if tiered else "", "marginTiers": tiers}


def meta(state: State, name: str = MAIN) -> dict[str, Any]:
    """The universe of the dex of this name, with the margin tables its markets use."""
    listed = state.markets_of_dex(name)
    universe = [
        {
            "szDecimals": m.sz_decimals,
            "name": m.coin,
            "maxLeverage": m.max_leverage,
            "marginTableId": m.margin_table_id,
            **_flags(state, m),
        }
        for m in listed
    ]
    tables = sorted({m.margin_table_id: m for m in listed}.items())
    return {
        "universe": universe,
        "marginTables": [[table_id, _margin_table(market)] for table_id, market in tables],
        "collateralToken": dex.token.index if (dex := state.dex_named(name)) is not None else 0,
    }


def _flags(state: State, market: Market) -> dict[str, Any]:
    """What is told of a market only when it is so."""
    flags: dict[str, Any] = {}
    if market.coin in state.delisted:
        flags["isDelisted"] = True
    if market.margin_mode:
        flags |= {"onlyIsolated": True, "marginMode": market.margin_mode}
    if market.has_growth_mode:
        flags |= {"growthMode": "enabled", "lastGrowthModeChangeTime": "1970-01-01T00:00:00"}
    return flags


def margin_table(state: State, table_id: int) -> dict[str, Any] | None:
    market = next((m for m in state.markets if m.margin_table_id == table_id), None)
    return None if market is None else _margin_table(market)


def asset_ctx(state: State, tape: Tape, market: Market) -> dict[str, Any]:
    marks, book = state.marks[market.asset], state.book(market.asset)
    bid = book.impact_px(False, market.impact_notional_e8)
    ask = book.impact_px(True, market.impact_notional_e8)
    premium, mid = marks.premium_e8(bid, ask), book.mid_e8()
    day = tape.day(market.asset)
    return {
        "funding": rate_text(marks.funding_rate_e10()),
        "openInterest": shown_e8(open_interest_sz_e8(state, market)),
        "prevDayPx": shown_e8(day.start_px_e8),
        "dayNtlVlm": shown_e8(day.quote_e8),
        "premium": None if premium is None else shown_e8(premium),
        "oraclePx": shown_e8(marks.oracle_px_e8),
        "markPx": shown_e8(marks.mark_px_e8),
        "midPx": None if mid is None else shown_e8(mid),
        "impactPxs": None if bid is None or ask is None else [shown_e8(bid), shown_e8(ask)],
        "dayBaseVlm": shown_e8(day.base_e8),
    }


def asset_ctxs(state: State, tape: Tape, dex: str) -> list[dict[str, Any]]:
    """Contexts in the order of the dex's universe."""
    return [asset_ctx(state, tape, market) for market in state.markets_of_dex(dex)]


def all_mids(state: State, dex: str = MAIN) -> dict[str, str]:
    """Middle of each book, or the last trade where a side is empty."""
    return {m.coin: shown_e8(_mid_or_last_e8(state, m)) for m in state.markets_of_dex(dex)}


def _mid_or_last_e8(state: State, market: Market) -> int:
    return state.book(market.asset).mid_e8() or state.marks[market.asset].last_px_e8


def _level(px_e8: int, sz_e8: int, count: int) -> dict[str, Any]:
    return {"px": shown_e8(px_e8), "sz": shown_e8(sz_e8), "n": count}


def _shown_level(level: Level | None) -> dict[str, Any] | None:
    return None if level is None else _level(level.px_e8, level.sz_e8, len(level.queue))


def bbo_levels(state: State, asset: int) -> list[dict[str, Any] | None]:
    book = state.book(asset)
    return [_shown_level(book.bids.best()), _shown_level(book.asks.best())]


def bbo(state: State, market: Market) -> dict[str, Any]:
    return {"coin": market.coin, "time": state.now_ms, "bbo": bbo_levels(state, market.asset)}


def _plain_side(side: BookSide, depth: int) -> list[dict[str, Any]]:
    return [_level(level.px_e8, level.sz_e8, len(level.queue)) for level in islice(side, depth)]


def _grouped_side(side: BookSide, figures: int, mantissa: int, depth: int, *, up: bool) -> list[dict[str, Any]]:
    """Levels merged onto prices of so many significant figures: bids rounded down, asks up."""
    merged: dict[int, list[int]] = {}
    for level in side:
        step = max(10 ** (len(str(level.px_e8)) - figures), 1) * mantissa
        px = -(-level.px_e8 // step) * step if up else level.px_e8 // step * step
        total = merged.setdefault(px, [0, 0])
        if len(merged) > depth:
            del merged[px]
            break
        total[0] += level.sz_e8
        total[1] += len(level.queue)
    return [_level(px, sz, count) for px, (sz, count) in merged.items()]


def l2_book(
    state: State,
    market: Market,
    *,
    figures: int | None = None,
    mantissa: int | None = None,
    fast: bool = False,
) -> dict[str, Any]:
    """A full snapshot: 20 levels a side, 5 in the fast variant, or merged onto coarser prices."""
    book = state.book(market.asset)
    shown: dict[str, Any] = {"coin": market.coin, "time": state.now_ms}
    depth = FAST_DEPTH if fast else BOOK_DEPTH
    if figures is None:
        shown["levels"] = [_plain_side(book.bids, depth), _plain_side(book.asks, depth)]
    else:
        shown["levels"] = [
            _grouped_side(book.bids, figures, mantissa or 1, depth, up=False),
            _grouped_side(book.asks, figures, mantissa or 1, depth, up=True),
        ]
        bid, ask = book.best_bid(), book.best_ask()
        shown["spread"] = shown_e8(ask - bid) if bid is not None and ask is not None else "0.0"
    if fast:
        shown["fast"] = True
    return shown


def is_valid_grouping(figures: int | None, mantissa: int | None, *, mantissa_1: bool = False) -> bool:
    """Significant figures 2 to 5; a mantissa of 2 or 5 (or 1, which is documented) only with five figures."""
    if figures is None:
        return mantissa is None
    if mantissa is None:
        return 2 <= figures <= 5
    return figures == 5 and (mantissa in (2, 5) or (mantissa == 1 and mantissa_1))


def max_px_shown(px_e8: int, decimals: int) -> str:
    """A derived price (an average) cut to the decimals a price of the market may have."""
    unit = 10 ** (8 - decimals)
    return shown_e8(px_e8 // unit * unit)
