"""What a simulated market looked like: measured as one would measure a real one, from books and trades."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import Rules, Trade
from perpmaker.venue.flow.parameters import MarketStyle
from perpmaker.venue.flow.participants import HouseParticipants, house_address
from perpmaker.venue.units import E8

BLOCK_MS = 70
START_MS = 1_760_000_000_000
_MARKOUT_BLOCKS = 5_000 // BLOCK_MS
_SECOND_BLOCKS = 1_000 // BLOCK_MS
_WARM_UP_BLOCKS = 5 * _SECOND_BLOCKS


@dataclass(slots=True)
class Tally:
    """Samples of one market, once a second, and its trades."""

    market: Market
    spreads_bps: list[float] = field(default_factory=list)
    touch_usd: list[float] = field(default_factory=list)
    near_usd: list[float] = field(default_factory=list)
    mids: list[float] = field(default_factory=list)
    mid_by_block: list[float] = field(default_factory=list)
    trades: list[tuple[int, Trade]] = field(default_factory=list)
    regimes: Counter[str] = field(default_factory=Counter)
    episodes: Counter[str] = field(default_factory=Counter)
    oracle_changes_ms: list[int] = field(default_factory=list)

    @property
    def spread_bps(self) -> float:
        return median(self.spreads_bps)

    @property
    def trades_per_minute(self) -> float:
        return len(self.trades) / (len(self.mid_by_block) * BLOCK_MS / 60_000)

    def volatility_pct(self, every_s: int = 10) -> float:
        """Realised over `every_s` returns of the mid, scaled to a day."""
        closes = self.mids[::every_s]
        moves = [math.log(b / a) ** 2 for a, b in pairwise(closes)]
        return 100 * math.sqrt(sum(moves) / len(moves) * 86_400 / every_s)

    def markout_bps(self, role: str) -> float:
        """Value-weighted gain of a role's taking after five seconds, against its own price, before fees."""
        address = house_address(role)
        gained = value = 0.0
        for block, trade in self.trades:
            taker = trade.buyer if trade.taker_is_buy else trade.seller
            if taker != address or block + _MARKOUT_BLOCKS >= len(self.mid_by_block):
                continue
            later = self.mid_by_block[block + _MARKOUT_BLOCKS]
            sign = 1 if trade.taker_is_buy else -1
            notional = trade.px_e8 * trade.sz_e8 / E8**2
            gained += sign * (later / trade.px_e8 - 1) * 10_000 * notional
            value += notional
        return gained / value if value else math.nan

    def line(self) -> str:
        return (
            f"{self.market.coin:>5}  spread {self.spread_bps:6.2f} bps  touch {median(self.touch_usd):10,.0f} USD"
            f"  within 10 bps {median(self.near_usd):12,.0f} USD  {self.trades_per_minute:6.1f} trades/min"
            f"  volatility {self.volatility_pct():5.2f} %/day  5 s markout: informed"
            f" {self.markout_bps('informed'):+.2f},"
            f" noise {self.markout_bps('taker'):+.2f} bps  regimes {dict(self.regimes)}  episodes {dict(self.episodes)}"
        )


def observe(
    markets: tuple[Market, ...], seed: int, seconds: int, style: MarketStyle, episode: tuple[float, str] | None = None
) -> tuple[Venue, dict[str, Tally]]:
    """Run a market in simulated time. `episode` starts one of that name in every market after so many seconds."""
    house = HouseParticipants(markets, seed, style)
    venue = build_venue(markets, Rules(), seed=seed, faucet_e8=0, participants=house)
    tallies = {market.coin: Tally(market) for market in markets}
    by_asset = {market.asset: tallies[market.coin] for market in markets}
    oracles = {market.asset: 0 for market in markets}
    for block in range(seconds * 1_000 // BLOCK_MS):
        if episode is not None and block == round(episode[0] * 1_000 / BLOCK_MS):
            for market in markets:
                house.start_episode(market.asset, episode[1])
        made = venue.step(START_MS + BLOCK_MS * block)
        for trade in made.events.trades:
            by_asset[trade.asset].trades.append((block, trade))
        for asset, tally in by_asset.items():
            book = venue.state.book(asset)
            oracle = venue.state.marks[asset].oracle_px_e8
            mid = (book.mid_e8() or oracle) / 1
            tally.mid_by_block.append(mid)
            if oracle != oracles[asset]:
                oracles[asset] = oracle
                tally.oracle_changes_ms.append(made.time_ms)
            if block < _WARM_UP_BLOCKS or block % _SECOND_BLOCKS:
                continue
            tally.mids.append(mid)
            weather = house.weather(asset)
            tally.regimes[weather.regime.name] += 1
            if weather.episode:
                tally.episodes[weather.episode] += 1
            bid, ask = book.bids.best(), book.asks.best()
            if bid is not None and ask is not None:
                tally.spreads_bps.append((ask.px_e8 - bid.px_e8) / mid * 10_000)
                tally.touch_usd.append((bid.px_e8 * bid.sz_e8 + ask.px_e8 * ask.sz_e8) / 2 / E8**2)
                near = [
                    level for side in (book.bids, book.asks) for level in side if abs(level.px_e8 / mid - 1) < 0.001
                ]
                tally.near_usd.append(sum(level.px_e8 * level.sz_e8 for level in near) / 2 / E8**2)
    return venue, tallies
