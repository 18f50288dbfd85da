"""What this venue can list: its dexes, their collateral, and one typed row per market.

Dex 0 is the exchange's own; its leverage tiers are those of the real markets of the same name. Dex 1 (`tst`) stands
for a builder-deployed one: prefixed names, asset numbers from 110000, its own collateral and its own balances.
Start prices and impact notionals are in quote units. Sources: Hyperliquid documentation, "Margin tiers", "Asset IDs"
and "HIP-3: Builder-deployed perpetuals".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MarginMode = Literal["", "strictIsolated", "noCross"]
"""Empty: cross or isolated. `noCross`: isolated only. `strictIsolated`: isolated, and margin may not be taken out."""

ASSETS_PER_DEX = 10_000
FIRST_BUILDER_ASSET = 100_000


@dataclass(frozen=True, slots=True)
class Token:
    """What a dex is margined in. `index` is its place among the spot tokens."""

    index: int
    name: str
    token_id: str


@dataclass(frozen=True, slots=True)
class Dex:
    """A set of markets with one collateral and one cross balance per account.

    `deployer_fee_scale_e6` is the builder's fee on top, as a multiple of the base fee scaled by 1e6.
    """

    index: int
    name: str
    full_name: str
    deployer: str
    token: Token
    deployer_fee_scale_e6: int = 0


USDC = Token(0, "USDC", "0x6d1e7cde53ba9467b783cb7c530ce054")
TUSD = Token(1, "TUSD", "0x5c0f3d0e8f1b4a63a8d1f4a7e0c97b21")

DEXES = (
    Dex(0, "", "", "", USDC),
    Dex(1, "tst", "Test builder dex", "0x" + "7e57" * 10, TUSD, deployer_fee_scale_e6=1_000_000),
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One market. `tiers` are (position value from which it holds, most leverage); `start_px` is a plain decimal.

    A table number below 50 means one tier of that leverage, which need not be listed anywhere else.
    """

    coin: str
    sz_decimals: int
    start_px: str
    margin_table_id: int
    tiers: tuple[tuple[int, int], ...]
    impact_notional: int = 6_000
    margin_mode: MarginMode = ""
    has_growth_mode: bool = False
    funding_multiplier_e6: int = 10**6
    """The deployer's factor on the funding rate, scaled by 1e6."""
    oi_cap_quote: int | None = None
    """Open interest (at mark, in quote units) from which positions may not grow; None: no cap."""


_TIERS_10X_20M = ((0, 10), (20_000_000, 5))
_TIERS_10X_3M = ((0, 10), (3_000_000, 5))

LISTINGS = (
    Listing("BTC", 5, "64000", 56, ((0, 40), (150_000_000, 20)), impact_notional=20_000),
    Listing("ETH", 4, "2450", 55, ((0, 25), (100_000_000, 15)), impact_notional=20_000),
    Listing("SOL", 2, "180", 54, ((0, 20), (70_000_000, 10))),
    Listing("HYPE", 2, "38", 52, _TIERS_10X_20M),
    Listing("XRP", 0, "2.35", 53, ((0, 20), (40_000_000, 10))),
    Listing("DOGE", 0, "0.185", 52, _TIERS_10X_20M),
    Listing("AVAX", 2, "24.5", 52, _TIERS_10X_20M),
    Listing("LINK", 1, "17.2", 52, _TIERS_10X_20M),
    Listing("SUI", 1, "2.6", 52, _TIERS_10X_20M),
    Listing("AAVE", 2, "215", 52, _TIERS_10X_20M),
    Listing("LTC", 2, "96", 52, _TIERS_10X_20M),
    Listing("ADA", 0, "0.62", 52, _TIERS_10X_20M),
    Listing("NEAR", 1, "2.4", 52, _TIERS_10X_20M),
    Listing("BCH", 3, "512", 52, _TIERS_10X_20M),
    Listing("BNB", 3, "980", 51, _TIERS_10X_3M),
    Listing("ARB", 1, "0.31", 51, _TIERS_10X_3M),
    Listing("TRX", 0, "0.29", 51, _TIERS_10X_3M),
    Listing("kPEPE", 0, "0.0062", 52, _TIERS_10X_20M),
    Listing("OLD", 1, "4", 3, ((0, 3),)),
    Listing("tst:GOLD", 3, "4100", 20, ((0, 20),), oi_cap_quote=50_000_000),
    Listing("tst:OIL", 2, "61.5", 10, ((0, 10),), margin_mode="noCross", oi_cap_quote=5_000_000),
    Listing(
        "tst:THIN", 1, "12.4", 5, ((0, 5),), margin_mode="strictIsolated", has_growth_mode=True, oi_cap_quote=1_000_000
    ),
)

TESTNET_TIERS = {
    "BTC": ((0, 40), (10_000, 25), (50_000, 10)),
    "ETH": ((0, 25), (20_000, 10), (50_000, 5)),
}
"""The testnet's tiny tiers, which a small account can reach. Chosen by an option; other markets keep theirs."""


def dex_of_coin(coin: str) -> Dex:
    """The dex a coin's prefix names. Raises `ValueError` for an unknown prefix."""
    prefix = coin.partition(":")[0] if ":" in coin else ""
    dex = next((dex for dex in DEXES if dex.name == prefix), None)
    if dex is None:
        raise ValueError(f"unknown dex {prefix!r}; this venue knows {', '.join(d.name for d in DEXES if d.name)}")
    return dex
