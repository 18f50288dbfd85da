"""Plays a recording as the house side of a venue.

The recording begins with the venue's first block; what it recorded up to a block's time happens before what clients
sent for that block. After its last record the book stays as it is. Markets it does not know stay empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from perpmaker.venue.core import HOUSE_FUNDS_E8, Venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.flow.participants import house_address
from perpmaker.venue.flow.replay.queueing import QueueModel
from perpmaker.venue.flow.replay.reading import read_recording
from perpmaker.venue.flow.replay.recorded_book import RecordedBook
from perpmaker.venue.flow.replay.schema import (
    BookRecord,
    DeltaRecord,
    Levels,
    OracleRecord,
    Record,
    RecordingError,
    TradeRecord,
)
from perpmaker.venue.units import parse_e8

MAKER = house_address("recorded-makers")
TAKER = house_address("recorded-takers")


class RecordedParticipants:
    """Implements the venue's `Participants` from a recording.

    Raises `RecordingError` when the file is none, or speaks of no market of the venue.
    """

    def __init__(self, markets: tuple[Market, ...], path: Path, model: QueueModel) -> None:
        header, self._records = read_recording(path)
        self._markets = {market.coin: market for market in markets if market.coin in header.coins}
        if not self._markets:
            raise RecordingError(f"{path}: has {', '.join(header.coins)}, the venue lists none of them")
        self._model = model
        self._oracle_e8 = {market.asset: market.start_px_e8 for market in markets}
        for record in reversed(self._records):
            if isinstance(record, OracleRecord) and record.coin in self._markets:
                self._oracle_e8[self._markets[record.coin].asset] = parse_e8(record.px)
        self._books: dict[str, RecordedBook] = {}
        self._next = 0
        self._offset_ms = 0
        self._volume_e8 = 0

    @property
    def is_over(self) -> bool:
        """Whether everything recorded has happened."""
        return self._next == len(self._records)

    def fair_px_e8(self, asset: int) -> int:
        return self._oracle_e8[asset]

    def act(self, venue: Venue) -> None:
        if not self._books:
            self._begin(venue)
        if self._volume_e8 != venue.state.accounts[MAKER].volume_e8:
            for book in self._books.values():
                book.restore()
        until_ms = venue.state.now_ms - self._offset_ms
        while not self.is_over and self._records[self._next].t <= until_ms:
            self._play(self._records[self._next])
            self._next += 1
        self._volume_e8 = venue.state.accounts[MAKER].volume_e8

    def _begin(self, venue: Venue) -> None:
        for address in (MAKER, TAKER):
            venue.state.deposit(address, HOUSE_FUNDS_E8, is_house=True)
        for coin, market in self._markets.items():
            self._books[coin] = RecordedBook(venue.state, market, self._model, MAKER, TAKER)
        if self._records:
            self._offset_ms = venue.state.now_ms - self._records[0].t

    def _play(self, record: Record) -> None:
        book = self._books.get(record.coin)
        if book is None:
            return
        match record:
            case BookRecord(_, _, bids, asks):
                book.set_book(_sizes(bids), _sizes(asks))
            case DeltaRecord(_, _, bids, asks):
                sizes = {(True, px): sz for px, sz in _sizes(bids).items()}
                book.set_levels(sizes | {(False, px): sz for px, sz in _sizes(asks).items()})
            case TradeRecord(_, _, side, px, sz):
                book.trade(parse_e8(px), parse_e8(sz), taker_is_buy=side == "B")
            case OracleRecord(_, coin, px):
                self._oracle_e8[self._markets[coin].asset] = parse_e8(px)
            case _:
                assert_never(record)


def _sizes(levels: Levels) -> dict[int, int]:
    return {parse_e8(px): parse_e8(sz) for px, sz in levels}
