"""The answers of `POST /info`.

Asking about an address announces it, which tells the faucet later that it is a real one.
"""

from __future__ import annotations

from typing import Any, assert_never

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.views import dexes, history, limits, markets, orders, spot
from perpmaker.venue.views.dexes import MAIN, dex_names
from perpmaker.venue.views.info_users import about_user
from perpmaker.venue.wire import info_requests as ask
from perpmaker.venue.wire.decode import UnreadableError


def answer_info(venue: Venue, request: ask.InfoRequest) -> Any:
    """The JSON value of the answer. Raises `UnreadableError` with status 500 where the exchange fails."""
    _check_dex(venue, getattr(request, "dex", None))
    if isinstance(request, ask.UserRequest):
        venue.admission.announced.add(request.user)
        return about_user(venue, request)
    return _about_markets(venue, request)


def _check_dex(venue: Venue, dex: str | None) -> None:
    if dex and dex not in dex_names(venue.state):
        raise UnreadableError(500, "null")


def known_market(venue: Venue, coin: str) -> Market:
    """The market of a coin. Raises `UnreadableError` (500), which is how the exchange takes an unknown one."""
    market = venue.state.market_of(coin)
    if market is None:
        raise UnreadableError(500, "null")
    return market


def _about_markets(venue: Venue, request: ask.MarketRequest) -> Any:
    state, tape = venue.state, venue.tape
    match request:
        case ask.Meta(dex):
            return markets.meta(state, dex or MAIN)
        case ask.MetaAndAssetCtxs(dex):
            return [markets.meta(state, dex or MAIN), markets.asset_ctxs(state, tape, dex or MAIN)]
        case ask.AllPerpMetas():
            return [markets.meta(state, dex) for dex in dex_names(state)]
        case ask.PerpDexs():
            return dexes.descriptions(state)
        case ask.MarginTable(number):
            return markets.margin_table(state, number)
        case ask.PerpsAtOpenInterestCap(dex):
            return limits.at_open_interest_cap(state, dex or MAIN)
        case ask.MaxMarketOrderNtls():
            return limits.max_market_order_ntls()
        case ask.PerpDexLimits(dex):
            return limits.dex_limits(state, dex) if dex else None
        case ask.PerpDexStatus(dex):
            return limits.dex_status(state, dex or MAIN)
        case ask.PredictedFundings():
            return history.predicted_fundings(state)
        case ask.SpotMeta():
            return spot.spot_meta(state)
        case ask.SpotMetaAndAssetCtxs():
            return [spot.spot_meta(state), spot.spot_contexts()]
        case ask.ExchangeStatus():
            return {"time": state.now_ms, "specialStatuses": None}
        case ask.AllMids(dex):
            return markets.all_mids(state, dex or MAIN)
        case ask.L2Book():
            return _book(venue, request)
        case ask.RecentTrades(coin):
            return [orders.trade(state, t) for t in reversed(state.trades[known_market(venue, coin).asset])]
        case ask.CandleSnapshot(wanted):
            market, last_ms = known_market(venue, wanted.coin), _until(venue, wanted.end_time)
            return history.candles(tape, market, wanted.interval, wanted.start_time, last_ms)
        case ask.FundingHistory(coin, start_ms, end_ms):
            return history.funding_history(tape, known_market(venue, coin), start_ms, _until(venue, end_ms))
        case _:
            assert_never(request)


def _until(venue: Venue, end_ms: int | None) -> int:
    return venue.state.now_ms if end_ms is None else end_ms


def _book(venue: Venue, request: ask.L2Book) -> Any:
    figures, mantissa = request.n_sig_figs, request.mantissa
    if not markets.is_valid_grouping(figures, mantissa, mantissa_1=venue.answers.accept_mantissa_1):
        raise UnreadableError(500, "null")
    market = venue.state.market_of(request.coin)
    if market is None:
        return None
    return markets.l2_book(venue.state, market, figures=figures, mantissa=mantissa)
