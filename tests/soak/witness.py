"""What the exchange did, written down block by block beside it: what its account and its markets were to be told.

Some armed faults keep messages from the wire, or spoil them there, without the connection showing it. Nobody at the
other end can know of those, so the witness also remembers when such a fault was armed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from perpmaker.venue.core import Block, Venue
from perpmaker.venue.engine.book import Level
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import DropMessages, Garble, HalfOpen, covers

REMEMBERED_MS: Final = 90_000
ON_ITS_WAY_MS: Final = 12_000
"""How long after its commit a message may still be on its way: held, delayed or behind a slow reader."""
_STALL_MS: Final = 2_500
"""No block is seen for so long when the exchange stalls, while faults go on."""

Top = tuple[tuple[int, int] | None, tuple[int, int] | None]
"""Best bid and best ask, each as price and size."""


@dataclass(slots=True)
class _Spell:
    """A fault that keeps messages from arriving, and how long it was armed."""

    switch: DropMessages | HalfOpen | Garble
    since_ms: int
    until_ms: int

    def may_have_taken(self, channel: str, committed_ms: int) -> bool:
        if not covers(getattr(self.switch, "channel", None), channel):
            return False
        late_ms = ON_ITS_WAY_MS if isinstance(self.switch, HalfOpen) else 0
        return self.since_ms <= committed_ms + late_ms and committed_ms <= self.until_ms + _STALL_MS


@dataclass(slots=True)
class Witness:
    """Sees every block of one venue. What `tell` hears of is (channel, key, time of the block)."""

    venue: Venue
    board: Board
    tell: Callable[[str, tuple[object, ...], int], None] = lambda _channel, _key, _ms: None
    address: str = ""
    """The account whose messages count; none before it is known."""
    tops: dict[str, deque[tuple[int, Top]]] = field(default_factory=dict)
    """Best prices of each market, newest last, by the time from which they were."""
    _spells: dict[int, _Spell] = field(default_factory=dict)

    def saw(self, block: Block) -> None:
        state, now_ms = self.venue.state, block.time_ms
        self._watch_faults(now_ms)
        for asset in block.events.touched_books:
            self._note_top(asset, now_ms)
        for made in block.events.trades:
            self.tell("trades", (state.market(made.asset).coin, made.tid, made.time_ms), now_ms)
        if not self.address:
            return
        for update in block.events.updates:
            if update.order.address == self.address:
                self.tell("orderUpdates", (update.order.oid, update.status.value, update.time_ms), now_ms)
        for fill in block.events.fills:
            if fill.address == self.address:
                self.tell("userFills", (state.market(fill.asset).coin, fill.tid, fill.oid, fill.sz_e8), now_ms)

        for paid in block.events.funding:
            if paid.address == self.address:
                self.tell("userFundings", (state.market(paid.asset).coin, paid.time_ms), now_ms)

    def top_at(self, coin: str, time_ms: int) -> Top | None:
        """Best prices after the newest block up to a time; None when that is no longer remembered."""
        return next((top for at_ms, top in reversed(self.tops.get(coin, ())) if at_ms <= time_ms), None)

    def may_be_lost(self, channel: str, committed_ms: int, *, unreadable_too: bool) -> bool:
        """Whether a fault may have kept a message of that block from the wire, or only have made it unreadable."""
        return any(
            spell.may_have_taken(channel, committed_ms)
            for spell in self._spells.values()
            if unreadable_too or not isinstance(spell.switch, Garble)
        )

    def _note_top(self, asset: int, now_ms: int) -> None:
        book = self.venue.state.book(asset)
        top = (_shown(book.bids.best()), _shown(book.asks.best()))
        known = self.tops.setdefault(self.venue.state.market(asset).coin, deque())
        if not known or known[-1][1] != top:
            known.append((now_ms, top))
        while known[0][0] < now_ms - REMEMBERED_MS and len(known) > 1:
            known.popleft()

    def _watch_faults(self, now_ms: int) -> None:
        for armed in self.board.armed:
            if isinstance(armed.switch, DropMessages | HalfOpen | Garble):
                spell = self._spells.setdefault(armed.number, _Spell(armed.switch, now_ms - _STALL_MS, now_ms))
                spell.until_ms = now_ms
        if self._spells:
            old_ms = now_ms - 2 * REMEMBERED_MS
            self._spells = {number: spell for number, spell in self._spells.items() if spell.until_ms >= old_ms}


def _shown(level: Level | None) -> tuple[int, int] | None:
    return None if level is None else (level.px_e8, level.sz_e8)
