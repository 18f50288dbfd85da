"""Streams whose every message is the whole present, whatever happened before."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views import accounts, clearinghouse, history, markets, orders, twaps, web_data
from perpmaker.venue.views.dexes import MAIN, dex_names
from perpmaker.venue.views.frames import Frame
from perpmaker.venue.views.spot import spot_contexts
from perpmaker.venue.wire import subscriptions as subs
from perpmaker.venue.wire.subscriptions import MarketStream, Subscription, UserStream


def is_offered(venue: Venue, stream: Subscription) -> bool:
    """Whether there is such a stream here: market and dex listed, grouping valid, not withdrawn."""
    coin, dex = getattr(stream, "coin", None), getattr(stream, "dex", None)
    if coin is not None and venue.state.market_of(coin) is None:
        return False
    if dex and dex not in dex_names(venue.state):
        return False
    match stream:
        case subs.L2Book(_, figures, mantissa):
            return markets.is_valid_grouping(figures, mantissa, mantissa_1=venue.answers.accept_mantissa_1)
        case subs.WebData2():
            return venue.answers.web_data_2
        case _:
            return True


def present(venue: Venue, stream: Subscription) -> Frame | None:
    """The message that says how things are; None for streams that report events."""
    if isinstance(stream, UserStream):
        return _of_user(venue, stream)
    market = venue.state.market_of(getattr(stream, "coin", ""))
    return _of_exchange(venue, stream) if market is None else _of_market(venue, stream, market)


def _of_market(venue: Venue, stream: MarketStream, market: Market) -> Frame | None:
    state = venue.state
    match stream:
        case subs.L2Book(_, figures, mantissa, fast):
            shown = markets.l2_book(state, market, figures=figures, mantissa=mantissa, fast=fast is True)
            return Frame("l2Book", shown)
        case subs.Bbo():
            return Frame("bbo", markets.bbo(state, market))
        case subs.ActiveAssetCtx(coin):
            return Frame("activeAssetCtx", {"coin": coin, "ctx": markets.asset_ctx(state, venue.tape, market)})
        case subs.Candle(coin, interval):
            forming = venue.tape.candles[market.asset].latest(interval)
            if forming is None:
                return None
            shown = history.candle(coin, interval, forming)
            return Frame("candle", [shown] if venue.answers.candle_as_list else shown)
        case _:
            return None


def _of_exchange(venue: Venue, stream: MarketStream) -> Frame | None:
    state = venue.state
    match stream:
        case subs.AllMids(dex):
            mids: dict[str, Any] = {"mids": markets.all_mids(state, dex or MAIN)}
            return Frame("allMids", mids | ({"dex": dex} if dex else {}))
        case subs.AssetCtxs(dex):
            ctxs = markets.asset_ctxs(state, venue.tape, dex or MAIN)
            return Frame("assetCtxs", {"dex": dex or MAIN, "ctxs": ctxs})
        case subs.AllDexsAssetCtxs():
            every = [[dex, markets.asset_ctxs(state, venue.tape, dex)] for dex in dex_names(state)]
            return Frame("allDexsAssetCtxs", {"ctxs": every})
        case subs.FastAssetCtxs():
            return fast_ctxs_frame(fast_ctxs(venue))
        case subs.SpotAssetCtxs():
            return Frame("spotAssetCtxs", spot_contexts())
        case _:
            return None


def fast_ctxs(venue: Venue) -> dict[str, dict[str, str]]:
    """Mark and middle of every market."""
    found: dict[str, dict[str, str]] = {}
    for market in venue.state.markets:
        prices = {"markPx": shown_e8(venue.state.mark_px_e8(market.asset))}
        if (mid := venue.state.book(market.asset).mid_e8()) is not None:
            prices["midPx"] = shown_e8(mid)
        found[market.coin] = prices
    return found


def fast_ctxs_frame(prices: dict[str, dict[str, str]]) -> Frame:
    """Base64 of raw DEFLATE (no header) of JSON."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(json.dumps(prices, separators=(",", ":")).encode()) + packer.flush()
    return Frame("fastAssetCtxs", base64.b64encode(packed).decode())


def _of_user(venue: Venue, stream: UserStream) -> Frame | None:
    state, user = venue.state, stream.user
    account = accounts.account_or_empty(state, user)
    match stream:
        case subs.OpenOrders(_, dex):
            listed = orders.frontend_open_orders(state, account, dex or MAIN)
            return Frame("openOrders", {"dex": dex or MAIN, "user": user, "orders": listed})
        case subs.ClearinghouseState(_, dex):
            shown = clearinghouse.clearinghouse_state(state, account, dex or MAIN, venue.answers)
            return Frame("clearinghouseState", {"dex": dex or MAIN, "user": user, "clearinghouseState": shown})
        case subs.AllDexsClearinghouseState():
            states = [
                [dex, clearinghouse.clearinghouse_state(state, account, dex, venue.answers)] for dex in dex_names(state)
            ]
            return Frame("allDexsClearinghouseState", {"user": user, "clearinghouseStates": states})
        case subs.SpotState():
            return Frame("spotState", {"user": user, "spotState": accounts.spot_clearinghouse_state(state, account)})
        case subs.ActiveAssetData(_, coin):
            market = state.market_of(coin)
            if market is None:
                return None
            return Frame("activeAssetData", clearinghouse.active_asset_data(state, account, market))
        case subs.TwapStates(_, dex):
            return Frame(
                "twapStates",
                {"dex": dex or MAIN, "user": user, "states": twaps.running_states(state, user, dex or MAIN)},
            )
        case subs.WebData3():
            return Frame("webData3", web_data.web_data_3(venue, account))
        case subs.WebData2():
            return Frame("webData2", web_data.web_data_2(venue, account))
        case _:
            return None
