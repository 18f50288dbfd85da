"""What the exchange lists, what it is and whom it knows, as typed structs; unknown keys are ignored.

Source: Hyperliquid docs, "Info endpoint" and "Perpetuals".
"""

from __future__ import annotations

import msgspec
from msgspec import Struct


class AssetWire(Struct, frozen=True, rename="camel"):
    """Universe entry; its index is the asset number."""

    name: str
    sz_decimals: int
    max_leverage: int
    is_delisted: bool = False
    margin_table_id: int = 0
    only_isolated: bool = False
    margin_mode: str | None = None


class MarginTierWire(Struct, frozen=True, rename="camel"):
    """Leverage allowed from a position value on."""

    lower_bound: str
    max_leverage: int


class MarginTableWire(Struct, frozen=True, rename="camel"):
    """Tiers, lowest first."""

    margin_tiers: tuple[MarginTierWire, ...]


class MetaWire(Struct, frozen=True, rename="camel"):
    """`meta`; a margin table that is not listed has one tier."""

    universe: tuple[AssetWire, ...]
    margin_tables: tuple[tuple[int, MarginTableWire], ...] = ()
    collateral_token: int = 0


class DexWire(Struct, frozen=True):
    """Entry of `perpDexs`; the first is null and means the main dex."""

    name: str


class UserRoleWire(Struct, frozen=True):
    """`userRole`."""

    role: str
    data: dict[str, str] | None = None


class ExtraAgentWire(Struct, frozen=True, rename="camel"):
    """Named agent."""

    address: str
    name: str = ""
    valid_until: int | None = None


class UserRateLimitWire(Struct, frozen=True, rename="camel"):
    """`userRateLimit`."""

    n_requests_used: int
    n_requests_cap: int


class ExchangeStatusWire(Struct, frozen=True):
    """`exchangeStatus`."""

    time: int


META = msgspec.json.Decoder(MetaWire)
PERP_DEXS = msgspec.json.Decoder(tuple[DexWire | None, ...])
USER_ROLE = msgspec.json.Decoder(UserRoleWire)
EXTRA_AGENTS = msgspec.json.Decoder(tuple[ExtraAgentWire, ...])
USER_RATE_LIMIT = msgspec.json.Decoder(UserRateLimitWire)
EXCHANGE_STATUS = msgspec.json.Decoder(ExchangeStatusWire)
