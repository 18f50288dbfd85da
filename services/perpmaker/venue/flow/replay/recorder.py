"""Writes what a venue's markets do as a recording: call it with every committed block."""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO

from perpmaker.venue.core import Block, Venue
from perpmaker.venue.engine.book import BookSide
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.flow.replay.schema import (
    SCHEMA,
    BookRecord,
    DeltaRecord,
    Header,
    Levels,
    OracleRecord,
    TradeRecord,
    write_line,
)
from perpmaker.venue.units import canonical_e8

DEPTH = 20

_Sizes = dict[int, int]


class Recorder:
    """One open recording. Trades of a block come before the book that resulted."""

    def __init__(self, venue: Venue, out: BinaryIO, *, depth: int = DEPTH) -> None:
        self._venue = venue
        self._out = out
        self._depth = depth
        self._books: dict[int, tuple[_Sizes, _Sizes]] = {}
        self._oracles: dict[int, int] = {}
        self._coins = {market.asset: market.coin for market in venue.state.markets}
        out.write(write_line(Header(SCHEMA, tuple(self._coins.values()), depth)))

    def __call__(self, block: Block) -> None:
        """Write what this block changed."""
        state, t = self._venue.state, block.time_ms
        for market in state.markets:
            oracle = state.marks[market.asset].oracle_px_e8
            if self._oracles.get(market.asset) != oracle:
                self._oracles[market.asset] = oracle
                self._out.write(write_line(OracleRecord(t, market.coin, canonical_e8(oracle))))
        for trade in block.events.trades:
            px, sz = canonical_e8(trade.px_e8), canonical_e8(trade.sz_e8)
            coin = self._coins[trade.asset]
            self._out.write(write_line(TradeRecord(t, coin, "B" if trade.taker_is_buy else "A", px, sz)))
        for market in state.markets:
            if market.asset not in self._books or market.asset in block.events.touched_books:
                self._write_book(t, market)

    def _write_book(self, t: int, market: Market) -> None:
        book = self._venue.state.book(market.asset)
        bids, asks = self._top(book.bids), self._top(book.asks)
        seen = self._books.get(market.asset)
        self._books[market.asset] = bids, asks
        if seen is None:
            self._out.write(write_line(BookRecord(t, market.coin, _levels(bids), _levels(asks))))
            return
        delta = DeltaRecord(t, market.coin, _levels(_changed(seen[0], bids)), _levels(_changed(seen[1], asks)))
        if delta.bids or delta.asks:
            self._out.write(write_line(delta))

    def _top(self, side: BookSide) -> _Sizes:
        return {level.px_e8: level.sz_e8 for level in islice(side, self._depth)}


def _changed(before: _Sizes, after: _Sizes) -> _Sizes:
    gone = {px: 0 for px in before if px not in after}
    return gone | {px: sz for px, sz in after.items() if before.get(px) != sz}


def _levels(sizes: _Sizes) -> Levels:
    return tuple((canonical_e8(px), canonical_e8(sz)) for px, sz in sizes.items())
