"""The books, checked after every block: a venue that has lost count stops rather than misleads.

After each block: what was traded nets to zero, every fill starts where the account's last one ended, positions are the
sum of their fills, and money adds up to the last 1e-8 in every collateral. The rest (books, open orders, records,
reserved margin) is walked in full every `FULL_EVERY` blocks. That an order ends once is checked where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.engine.invariants import money_violations, violations
from perpmaker.venue.engine.state import Events, State

FULL_EVERY = 1_000


@dataclass(slots=True)
class BrokenInvariantError(Exception):
    """The venue is wrong about itself; `found` says how."""

    height: int
    found: list[str]

    def __str__(self) -> str:
        return f"block {self.height} broke its invariants: {'; '.join(self.found)}"


@dataclass(slots=True)
class Audit:
    """Positions as the fills tell them, kept beside the accounts' own."""

    _told: dict[tuple[str, int], int] = field(default_factory=dict)

    def check(self, state: State, events: Events) -> None:
        """Look at one finished block. Raises `BrokenInvariantError`."""
        found = self._fill_violations(state, events) + money_violations(state)
        if state.height % FULL_EVERY == 0:
            found += violations(state)
        if found:
            raise BrokenInvariantError(state.height, found)

    def _fill_violations(self, state: State, events: Events) -> list[str]:
        found: list[str] = []
        net: dict[int, int] = {}
        touched: dict[tuple[str, int], None] = {}
        for fill in events.fills:
            key = fill.address, fill.asset
            before = self._told.get(key, 0)
            if fill.start_position_e8 != before:
                found.append(f"fill {fill.oid} of {fill.address} starts at {fill.start_position_e8}, not at {before}")
            signed = fill.sz_e8 if fill.is_buy else -fill.sz_e8
            self._told[key] = before + signed
            net[fill.asset] = net.get(fill.asset, 0) + signed
            touched[key] = None
        found += [f"fills of asset {asset} net to {total}" for asset, total in net.items() if total]
        for address, asset in touched:
            held = state.accounts[address].szi_e8(asset)
            if held != self._told[address, asset]:
                found.append(f"{address} holds {held} of asset {asset}, its fills say {self._told[address, asset]}")
        return found
