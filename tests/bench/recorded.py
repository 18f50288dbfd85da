"""Frames as the simulated exchange sends them: a calibrated BTC market and one account that quotes ten orders in it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Final

import msgspec

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.actions import Action, CancelOrders, PlaceOrders
from perpmaker.venue.engine.markets import Market, list_markets
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import E8
from perpmaker.venue.views.stream import Streams
from perpmaker.venue.wire.subscriptions import (
    ActiveAssetCtx,
    Bbo,
    ClearinghouseState,
    L2Book,
    OpenOrders,
    OrderUpdates,
    Subscription,
    Trades,
    UserFills,
)

COIN: Final = "BTC"
TRADER: Final = "0x" + "ab" * 20
START_MS: Final = 1_760_000_000_000
BLOCK_MS: Final = 70
BLOCKS: Final = 3_000
END_MS: Final = START_MS + BLOCK_MS * BLOCKS
_LEVELS: Final = 5
_REQUOTE_BLOCKS: Final = 10
_BOOK_MS: Final = 500

MARKET_STREAMS: Final[Mapping[str, Subscription]] = {
    "bbo": Bbo(COIN),
    "l2Book fast": L2Book(COIN, fast=True),
    "l2Book default": L2Book(COIN),
    "trades": Trades(COIN),
    "activeAssetCtx": ActiveAssetCtx(COIN),
}
ACCOUNT_STREAMS: Final[Mapping[str, Subscription]] = {
    "orderUpdates": OrderUpdates(TRADER),
    "userFills": UserFills(TRADER),
    "openOrders": OpenOrders(TRADER),
    "clearinghouseState": ClearinghouseState(TRADER),
}


def record() -> dict[str, list[bytes]]:
    """Frames of each stream, oldest first."""
    (market,) = markets = list_markets((COIN,))
    house = HouseParticipants(markets, 1, "calibrated")
    venue = build_venue(markets, Rules(), seed=1, faucet_e8=1_000_000 * E8, participants=house)
    streams, wanted = Streams(venue, book_ms=_BOOK_MS), {**MARKET_STREAMS, **ACCOUNT_STREAMS}
    names = {stream: name for name, stream in wanted.items()}
    frames: dict[str, list[bytes]] = {name: [] for name in wanted}
    nonces = count(START_MS)
    for n in range(BLOCKS):
        if n % _REQUOTE_BLOCKS == 1:
            for action in _requote(venue, market, n):
                venue.submit(SignedAction(action, (TRADER,), next(nonces)), lambda _: None)
        for stream, frame in streams.messages(venue.step(START_MS + BLOCK_MS * n), names):
            frames[names[stream]].append(msgspec.json.encode({"channel": frame.channel, "data": frame.data}))
    missing = [name for name, said in frames.items() if not said]
    if missing:
        raise RuntimeError(f"nothing was said on {', '.join(missing)}")
    return frames


def _requote(venue: Venue, market: Market, n: int) -> list[Action]:
    """Take what rests out of the book and quote both sides anew from the best prices on."""
    account, book = venue.state.accounts.get(TRADER), venue.state.book(market.asset)
    resting = () if account is None else tuple((market.asset, oid) for oid in account.open_orders)
    sides = ((True, book.best_bid()), (False, book.best_ask()))
    orders = tuple(
        NewOrder(
            market.asset,
            is_buy,
            px := market.round_px(best_e8 * (100_000 + (-level if is_buy else level)) // 100_000, up=not is_buy),
            market.floor_sz(200 * E8 * E8 // px),
            Tif.ALO,
            False,
            f"0x{2 * (n * _LEVELS + level) + is_buy:032x}",
        )
        for is_buy, best_e8 in sides
        if best_e8 is not None
        for level in range(_LEVELS)
    )
    return [*([CancelOrders(resting)] if resting else []), *([PlaceOrders(orders)] if orders else [])]
