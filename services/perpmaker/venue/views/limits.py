"""Caps of markets and dexes as the exchange spells them.

Source: Hyperliquid documentation, "Info endpoint" (perpetuals) and "Order types", maximum order value.
"""

from __future__ import annotations

from typing import Any

from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.open_interest import open_interest_e8
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, shown_e8

_MARKET_ORDER_NTLS = ((25, 30_000_000), (20, 5_000_000), (10, 2_000_000), (0, 500_000))
"""Most a market order may be worth in USD, by the least maximum leverage of its market."""


def max_market_order_ntls() -> list[list[Any]]:
    """Pairs of leverage bucket and notional, the highest leverage first."""
    return [[leverage, shown_e8(usd * E8)] for leverage, usd in _MARKET_ORDER_NTLS]


def open_interest_sz_e8(state: State, market: Market) -> int:
    """One side of all positions, in units of the coin."""
    return sum(max(account.szi_e8(market.asset), 0) for account in state.accounts.values())


def at_open_interest_cap(state: State, dex: str) -> list[str]:
    """Coins whose open interest is worth their cap or more."""
    return [market.coin for market in state.markets_of_dex(dex) if _is_at_cap(state, market)]


def oi_cap_e8(state: State, market: Market) -> int | None:
    """The open-interest cap of a market in quote units, or None: the operator's before the listing's own."""
    return state.gates.open_interest_caps_e8.get(market.asset, market.oi_cap_e8)


def _is_at_cap(state: State, market: Market) -> bool:
    cap = oi_cap_e8(state, market)
    return cap is not None and open_interest_e8(state, market.asset) >= cap


def coin_to_oi_cap(state: State, dex: str) -> list[list[str]]:
    """Pairs of coin and cap for the markets that have one."""
    capped = ((market.coin, oi_cap_e8(state, market)) for market in state.markets_of_dex(dex))
    return [[coin, shown_e8(cap)] for coin, cap in capped if cap is not None]


def dex_limits(state: State, dex: str) -> dict[str, Any]:
    caps = [oi_cap_e8(state, market) or 0 for market in state.markets_of_dex(dex)]
    return {
        "totalOiCap": shown_e8(sum(caps)),
        "oiSzCapPerPerp": "10000000000.0",
        "maxTransferNtl": "100000000.0",
        "coinToOiCap": coin_to_oi_cap(state, dex),
    }


def dex_status(state: State, dex: str) -> dict[str, str]:
    """What is deposited on a dex, less what was taken out."""
    found = state.dex_named(dex)
    return {"totalNetDeposit": shown_e8(0 if found is None else state.pools[found.token.index].deposits_e8)}
