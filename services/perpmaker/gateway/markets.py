"""The markets this gateway serves now: everybody in it asks here, so that they change for all at once.

A market that is let go or delisted takes no placements, but its orders may live on: its rules are kept for cancels, and
its dex stays among those that are watched until the process ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perpmaker.gateway.instruments import dexes_of
from perpmaker.hyperliquid.rules import InstrumentRules


class Markets:
    """Served markets and their trading rules."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._rules: dict[str, InstrumentRules] = {}
        self._dexes = dexes_of(names)
        self.is_loaded = False
        """Whether the rules were read; until then every plan is refused for an unknown market."""

    def __contains__(self, market: object) -> bool:
        return market in self._names

    @property
    def names(self) -> tuple[str, ...]:
        """Symbols, as configured."""
        return self._names

    @property
    def dexes(self) -> tuple[str, ...]:
        """Dexes to watch: the main one and those of all markets served so far."""
        return self._dexes

    @property
    def rules(self) -> tuple[InstrumentRules, ...]:
        """Rules of the served markets; empty until loaded."""
        return tuple(self._rules[name] for name in self._names if name in self._rules)

    def rules_of(self, market: str) -> InstrumentRules | None:
        """Rules by which orders of a market may be placed."""
        return self._rules.get(market) if market in self._names else None

    def tick_e8(self, market: str, px_e8: int) -> int:
        """Price step of a market at a price; 0 when its rules are not known."""
        rules = self._rules.get(market)
        return 0 if rules is None else rules.tick_e8(px_e8)

    def rules_for_cancels(self, market: str) -> InstrumentRules | None:
        """The same for cancels, which go to markets that were let go, too."""
        return self._rules.get(market)

    def watch_dexes_of(self, names: Sequence[str]) -> None:
        """Have the dexes of markets to come watched before the first order can rest there."""
        self._dexes = tuple(dict.fromkeys((*self._dexes, *dexes_of(names))))

    def let_go(self, market: str) -> None:
        """Serve one market no longer."""
        self._names = tuple(name for name in self._names if name != market)

    def serve(self, names: Sequence[str], rules: Mapping[str, InstrumentRules]) -> None:
        """Serve these markets from now on and no others.

        `rules` holds at least those that were not served before; rules of further ones are kept for cancels.
        """
        self.watch_dexes_of(names)
        self._rules |= rules
        self._names = tuple(names)
        self.is_loaded = True
