"""The ledger of one account and the positions it adds up to.

An entry counts once, whatever how often it arrives: fills are identified by (time, market, tid, oid), funding by (time,
market), an opening balance by its market, the end of an exchange by (time, market). Position, cash, fees and volume do
not depend on the order of entries.

A price and a size on the exchange's grid multiply to at most six decimals, so every amount here is exact.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from perpmaker.common.decimals import div_e8, mul_e8


class FillEntry(msgspec.Struct, frozen=True, kw_only=True, tag="fill", omit_defaults=True):
    """One execution of ours; sizes, prices and money in 1e-8."""

    market: str
    tid: int
    oid: int
    is_buy: bool
    px_e8: int
    sz_e8: int
    exchange_time_ms: int
    fee_quote_e8: int = 0
    fee_token: str = ""
    cloid: str = ""
    taker: bool = False
    start_position_e8: int = 0
    liquidation: bool = False
    matched: bool = False

    @property
    def key(self) -> str:
        """Identity of the entry."""
        return f"f:{self.exchange_time_ms}:{self.market}:{self.tid}:{self.oid}"


class FundingEntry(msgspec.Struct, frozen=True, kw_only=True, tag="funding"):
    """Funding of one market and hour; received is positive."""

    market: str
    amount_quote_e8: int
    exchange_time_ms: int

    @property
    def key(self) -> str:
        """Identity of the entry."""
        return f"u:{self.exchange_time_ms}:{self.market}"


class OpeningEntry(msgspec.Struct, frozen=True, kw_only=True, tag="opening", omit_defaults=True):
    """Where a market's ledger begins: the position held and the totals carried over. Fills up to its time are part."""

    market: str
    sz_e8: int
    entry_px_e8: int
    exchange_time_ms: int
    cash_quote_e8: int = 0
    fees_quote_e8: int = 0
    funding_quote_e8: int = 0
    fills: int = 0
    volume_quote_e8: int = 0

    @property
    def key(self) -> str:
        """Identity of the entry."""
        return f"o:{self.market}"


class ForgottenEntry(msgspec.Struct, frozen=True, kw_only=True, tag="forgotten"):
    """A position that went with a simulated exchange which is gone: closed at its entry price, without a trade.

    What had been realised stays, what had not is forgotten, like everything else of that exchange.
    """

    market: str
    sz_e8: int
    """Signed size held until then."""
    entry_px_e8: int
    exchange_time_ms: int
    """When the exchange began that knows nothing of it."""

    @property
    def key(self) -> str:
        """Identity of the entry."""
        return f"x:{self.exchange_time_ms}:{self.market}"


Entry = FillEntry | FundingEntry | OpeningEntry | ForgottenEntry


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one market since its ledger began; see `Position` in the contract."""

    market: str
    sz_e8: int = 0
    entry_px_e8: int = 0
    cash_quote_e8: int = 0
    fees_quote_e8: int = 0
    funding_quote_e8: int = 0
    fills: int = 0
    volume_quote_e8: int = 0
    last_fill_time_ms: int = 0


def _entry_px(position: Position, signed_e8: int, px_e8: int) -> int:
    held, after = position.sz_e8, position.sz_e8 + signed_e8
    if after == 0:
        return 0
    if held == 0 or (held > 0) != (after > 0):
        return px_e8
    if (signed_e8 > 0) != (held > 0):
        return position.entry_px_e8
    cost = mul_e8(abs(held), position.entry_px_e8) + mul_e8(abs(signed_e8), px_e8)
    return div_e8(cost, abs(after))


def fold(position: Position, entry: Entry) -> Position:
    """Position after one more distinct entry of its market."""
    match entry:
        case FillEntry():
            signed = entry.sz_e8 if entry.is_buy else -entry.sz_e8
            value = mul_e8(entry.px_e8, entry.sz_e8)
            return replace(
                position,
                sz_e8=position.sz_e8 + signed,
                entry_px_e8=_entry_px(position, signed, entry.px_e8),
                cash_quote_e8=position.cash_quote_e8 - (value if entry.is_buy else -value) - entry.fee_quote_e8,
                fees_quote_e8=position.fees_quote_e8 + entry.fee_quote_e8,
                fills=position.fills + 1,
                volume_quote_e8=position.volume_quote_e8 + value,
                last_fill_time_ms=max(position.last_fill_time_ms, entry.exchange_time_ms),
            )
        case FundingEntry():
            return replace(
                position,
                cash_quote_e8=position.cash_quote_e8 + entry.amount_quote_e8,
                funding_quote_e8=position.funding_quote_e8 + entry.amount_quote_e8,
            )
        case OpeningEntry():
            return replace(
                position,
                sz_e8=position.sz_e8 + entry.sz_e8,
                entry_px_e8=entry.entry_px_e8 if entry.sz_e8 else 0,
                cash_quote_e8=position.cash_quote_e8 + entry.cash_quote_e8,
                fees_quote_e8=position.fees_quote_e8 + entry.fees_quote_e8,
                funding_quote_e8=position.funding_quote_e8 + entry.funding_quote_e8,
                fills=position.fills + entry.fills,
                volume_quote_e8=position.volume_quote_e8 + entry.volume_quote_e8,
                last_fill_time_ms=max(position.last_fill_time_ms, entry.exchange_time_ms),
            )
        case ForgottenEntry():
            left = position.sz_e8 - entry.sz_e8
            return replace(
                position,
                sz_e8=left,
                entry_px_e8=position.entry_px_e8 if left else 0,
                cash_quote_e8=position.cash_quote_e8 + mul_e8(entry.sz_e8, entry.entry_px_e8),
                last_fill_time_ms=max(position.last_fill_time_ms, entry.exchange_time_ms),
            )


def forgotten(position: Position, since_ms: int) -> ForgottenEntry | None:
    """What ends a market's position when the exchange knows nothing from before `since_ms`; None when ours is newer."""
    if position.last_fill_time_ms >= since_ms:
        return None
    return ForgottenEntry(
        market=position.market,
        sz_e8=position.sz_e8,
        entry_px_e8=position.entry_px_e8,
        exchange_time_ms=since_ms,
    )


def opening_at_cost(market: str, sz_e8: int, entry_px_e8: int, exchange_time_ms: int) -> OpeningEntry:
    """Opening balance of a position bought at its entry price: the ledger's P&L begins with the unrealised one."""
    return OpeningEntry(
        market=market,
        sz_e8=sz_e8,
        entry_px_e8=entry_px_e8,
        exchange_time_ms=exchange_time_ms,
        cash_quote_e8=-mul_e8(sz_e8, entry_px_e8),
    )


def carried_over(position: Position) -> OpeningEntry:
    """Opening balance that stands for a whole ledger: folds to the same totals."""
    return OpeningEntry(
        market=position.market,
        sz_e8=position.sz_e8,
        entry_px_e8=position.entry_px_e8,
        exchange_time_ms=position.last_fill_time_ms,
        cash_quote_e8=position.cash_quote_e8,
        fees_quote_e8=position.fees_quote_e8,
        funding_quote_e8=position.funding_quote_e8,
        fills=position.fills,
        volume_quote_e8=position.volume_quote_e8,
    )


class Ledger:
    """Distinct entries seen and the positions they fold to."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._keys: set[str] = set()
        self._openings: dict[str, int] = {}
        self.positions: dict[str, Position] = {}
        for entry in entries:
            self.add(entry)

    def counts(self, entry: Entry) -> bool:
        """Whether the entry would change anything: not seen before, and not already part of the opening balance."""
        if entry.key in self._keys:
            return False
        return isinstance(entry, OpeningEntry) or entry.exchange_time_ms > self._openings.get(entry.market, -1)

    def add(self, entry: Entry) -> bool:
        """Fold an entry; False and no change when it does not count."""
        if not self.counts(entry):
            return False
        self._keys.add(entry.key)
        if isinstance(entry, OpeningEntry):
            self._openings[entry.market] = entry.exchange_time_ms
        self.positions[entry.market] = fold(self.position(entry.market), entry)
        return True

    def has_begun(self, market: str) -> bool:
        """Whether the market has its opening balance."""
        return market in self._openings

    def position(self, market: str) -> Position:
        """Totals of a market; zeros before its first entry."""
        return self.positions.get(market) or Position(market=market)

    @property
    def watermark_ms(self) -> int:
        """Exchange time of the newest fill or opening balance over all markets; 0 for none."""
        return max((position.last_fill_time_ms for position in self.positions.values()), default=0)
