"""What the exchange lists: rules, margin tiers and collateral of each market, read again now and then, or when asked.

A market that turns out to be delisted is told of, and served no longer.

Source: Hyperliquid documentation, "Retrieve perpetuals metadata" and "Margin tiers".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.common.decimals import parse_rounded_e8
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.decode import reference_wire
from perpmaker.gateway.instruments import dex_of
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.reads import AccountReads
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_READ_EVERY_S: Final = 60.0
_READ_AGAIN_S: Final = 1.0
"""Shortest time between two readings, however often they are asked for."""

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """A market beyond its trading rules."""

    dex: str
    collateral_token: int
    """0 for USDC."""
    tiers: tuple[tuple[int, int], ...]
    """Lowest position value (1e-8 quote units) and largest leverage, lowest first."""
    only_isolated: bool
    delisted: bool
    sz_decimals: int
    max_leverage: int


def listings_of(meta: reference_wire.MetaWire, dex: str) -> dict[str, Listing]:
    """Every market of a dex by symbol. Raises ValueError for a malformed tier. Pure."""
    tables = {
        number: tuple((parse_rounded_e8(tier.lower_bound), tier.max_leverage) for tier in table.margin_tiers)
        for number, table in meta.margin_tables
    }
    return {
        asset.name: Listing(
            dex=dex,
            collateral_token=meta.collateral_token,
            tiers=tables.get(asset.margin_table_id) or ((0, asset.max_leverage),),
            only_isolated=asset.only_isolated or asset.margin_mode is not None,
            delisted=asset.is_delisted,
            sz_decimals=asset.sz_decimals,
            max_leverage=asset.max_leverage,
        )
        for asset in meta.universe
    }


def instrument(rules: InstrumentRules, listing: Listing | None, px_e8: int) -> pb.Instrument:
    """All that is known of a market; `px_e8` is its newest price, 0 when none is known. Pure."""
    message = pb.Instrument(
        market=rules.market,
        asset_id=rules.asset_id,
        sz_decimals=rules.sz_decimals,
        max_leverage=rules.max_leverage,
        min_notional_e8=rules.min_notional_e8,
        lot_e8=rules.lot_e8,
        finest_tick_e8=rules.finest_tick_e8,
        tick_e8=rules.tick_e8(px_e8) if px_e8 > 0 else 0,
        dex=dex_of(rules.market),
    )
    if listing is not None:
        message.collateral_token = listing.collateral_token
        message.only_isolated = listing.only_isolated
        message.delisted = listing.delisted
        message.margin_tiers.extend(
            pb.MarginTier(lower_bound_e8=bound_e8, max_leverage=leverage) for bound_e8, leverage in listing.tiers
        )
    return message


class Listings:
    """Newest listing of every served market."""

    def __init__(
        self,
        markets: Markets,
        reads: AccountReads,
        hub: MarketHub,
        clock: Clock,
        on_delisted: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_delisted` is called when fewer markets are served because one was delisted."""
        self._markets = markets
        self._reads = reads
        self._hub = hub
        self._clock = clock
        self._on_delisted = on_delisted
        self._known: dict[str, Listing] = {}
        self._doubted = asyncio.Event()

    def instruments(self) -> list[pb.Instrument]:
        """Every served market."""
        return [self._instrument(rules) for rules in self._markets.rules]

    def _instrument(self, rules: InstrumentRules) -> pb.Instrument:
        return instrument(rules, self._known.get(rules.market), self._hub.mark_px_e8(rules.market))

    async def run(self) -> None:
        """Keep up with the exchange until cancelled."""
        while True:
            try:
                await self.refresh()
            except ReadError as error:
                _log.warning("listings.not_read", reason=error.reason)
            await asyncio.sleep(_READ_AGAIN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_READ_EVERY_S):
                    await self._doubted.wait()
            self._doubted.clear()

    def doubt(self) -> None:
        """Have them read again soon: the exchange has done something that a change would explain."""
        self._doubted.set()

    def tell(self) -> None:
        """Tell readers what is known of every served market; those who were there before may hold older rules."""
        for rules in self._markets.rules:
            self._publish(rules)

    async def refresh(self) -> None:
        """Read again, and tell what changed. Raises ReadError."""
        metas = await self._reads.metas(self._markets.dexes)
        try:
            found = {name: entry for dex, meta in metas.items() for name, entry in listings_of(meta, dex).items()}
        except ValueError as error:
            raise ReadError("meta", f"malformed: {error}") from error
        if self._take(found):
            await self._on_delisted()

    def _take(self, found: Mapping[str, Listing]) -> bool:
        """Whether a market was delisted."""
        delisted: list[str] = []
        for rules in self._markets.rules:
            after, before = found.get(rules.market), self._known.get(rules.market)
            if after is None or after == before:
                continue
            self._known[rules.market] = after
            is_as_ruled = (after.sz_decimals, after.max_leverage) == (rules.sz_decimals, rules.max_leverage)
            if before is None and is_as_ruled and not after.delisted:
                continue  # the first reading of what was known at start
            changed = InstrumentRules(
                market=rules.market,
                asset_id=rules.asset_id,
                sz_decimals=after.sz_decimals,
                max_leverage=after.max_leverage,
                min_notional_e8=rules.min_notional_e8,
            )
            self._markets.serve(self._markets.names, {rules.market: changed})
            _log.warning("instrument.changed", market=rules.market, before=str(before), after=str(after))
            self._publish(changed)
            if after.delisted:
                delisted.append(rules.market)
        for market in delisted:
            _log.error("market.delisted", market=market, remedy="take it out of the configuration")
            self._markets.let_go(market)
        return bool(delisted)

    def _publish(self, rules: InstrumentRules) -> None:
        message = pb.MarketDataServiceSubscribeResponse(
            trace=common.Trace(market=rules.market, receive_time_ns=self._clock.monotonic_ns()),
            instrument=self._instrument(rules),
        )
        self._hub.publish("instrument", message)
