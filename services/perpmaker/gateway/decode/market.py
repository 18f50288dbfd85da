"""Market data frames to contract messages. Pure; a malformed decimal is refused, never repaired."""

from __future__ import annotations

from perpmaker.common.decimals import parse_e8, parse_rounded_e8
from perpmaker.gateway.decode.market_wire import BboWire, BookWire, ContextWire, LevelWire, TradeWire
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


def side_of(letter: str) -> common.Side.ValueType:
    """Side of the exchange's "B" (bid, buyer) and "A" (ask, seller)."""
    match letter:
        case "B":
            return common.SIDE_BUY
        case "A":
            return common.SIDE_SELL
        case _:
            return common.SIDE_UNSPECIFIED


def _level(wire: LevelWire) -> pb.Level:
    return pb.Level(px_e8=parse_e8(wire.px), sz_e8=parse_e8(wire.sz), orders=wire.n)


def bbo_message(wire: BboWire) -> pb.Bbo:
    """Best bid and offer; an empty side stays unset."""
    bid, ask = wire.bbo
    return pb.Bbo(bid=None if bid is None else _level(bid), ask=None if ask is None else _level(ask))


def book_message(wire: BookWire) -> pb.Book:
    """Whole depth snapshot."""
    bids, asks = wire.levels
    return pb.Book(bids=[_level(level) for level in bids], asks=[_level(level) for level in asks])


def is_crossed_bbo(bbo: pb.Bbo) -> bool:
    """Whether the best bid is at or above the best ask, which no real book shows."""
    return bbo.HasField("bid") and bbo.HasField("ask") and bbo.bid.px_e8 >= bbo.ask.px_e8


def is_crossed_book(book: pb.Book) -> bool:
    """The same for depth."""
    return bool(book.bids) and bool(book.asks) and book.bids[0].px_e8 >= book.asks[0].px_e8


def trade_message(wire: TradeWire, own_address: str) -> pb.Trade:
    """Public trade; `own` when the account (lower-case address) was one of its two sides."""
    return pb.Trade(
        aggressor=side_of(wire.side),
        px_e8=parse_e8(wire.px),
        sz_e8=parse_e8(wire.sz),
        tid=wire.tid,
        exchange_time_ms=wire.time,
        own=any(user.lower() == own_address for user in wire.users),
    )


def context_message(wire: ContextWire) -> pb.AssetContext:
    """Mark, oracle, funding and open interest."""
    return pb.AssetContext(
        mark_px_e8=parse_rounded_e8(wire.mark_px),
        oracle_px_e8=parse_rounded_e8(wire.oracle_px),
        funding_rate_e8=parse_rounded_e8(wire.funding),
        open_interest_e8=parse_rounded_e8(wire.open_interest),
    )
