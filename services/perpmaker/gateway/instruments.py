"""Markets of this gateway: symbols, asset numbers and rules, and which dex a symbol belongs to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from perpmaker.gateway.decode.reference_wire import AssetWire
from perpmaker.hyperliquid.rules import InstrumentRules


class UnknownMarketError(Exception):
    """A configured market does not exist at the exchange, or can no longer be traded."""

    def __init__(self, market: str, near: Sequence[str] = (), *, delisted: InstrumentRules | None = None) -> None:
        hint = f"; names like it: {', '.join(near)}" if near else ""
        problem = "does not exist at this exchange" if delisted is None else "is delisted"
        super().__init__(f"market {market!r} {problem}{hint}")
        self.market = market
        self.near = tuple(near)
        self.delisted = delisted
        """Rules it had, for cancels of what may still rest there; None when it never existed."""


def dex_of(market: str) -> str:
    """Dex of a symbol; empty for the main one."""
    dex, colon, _ = market.partition(":")
    return dex if colon else ""


def dexes_of(markets: Sequence[str]) -> tuple[str, ...]:
    """Dexes to watch: the main one and those of the markets."""
    return tuple(dict.fromkeys(["", *(dex_of(market) for market in markets)]))


def asset_base(dex_index: int) -> int:
    """First asset number of a dex; 0 is the main one."""
    return 0 if dex_index == 0 else 100_000 + 10_000 * dex_index


def resolve(
    markets: Sequence[str], universes: Mapping[str, Sequence[AssetWire]], dex_index: Mapping[str, int]
) -> dict[str, InstrumentRules]:
    """Rules of each configured market. Raises UnknownMarketError.

    `universes` holds each dex's universe in the exchange's order, `dex_index` each dex's place in `perpDexs`.
    """
    known = {
        asset.name: (asset, asset_base(dex_index[dex]) + index)
        for dex, universe in universes.items()
        for index, asset in enumerate(universe)
    }
    rules = {}
    for market in markets:
        if market not in known:
            by_lower = {name.lower(): name for name in known}
            near = difflib.get_close_matches(market.lower(), list(by_lower), n=5, cutoff=0.5)
            raise UnknownMarketError(market, [by_lower[name] for name in near])
        asset, asset_id = known[market]
        found = InstrumentRules(
            market=market, asset_id=asset_id, sz_decimals=asset.sz_decimals, max_leverage=asset.max_leverage
        )
        if asset.is_delisted:
            raise UnknownMarketError(market, delisted=found)
        rules[market] = found
    return rules
