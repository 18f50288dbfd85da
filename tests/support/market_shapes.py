"""The shapes of what the exchange says of markets. Source: Hyperliquid documentation, "Info endpoint", "Perpetuals"."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from tests.support.exchange_shapes import Address, Amount, Count, Hash, Pair, Shape, Side, Time


class UniverseEntry(Shape):
    sz_decimals: Count
    name: str
    max_leverage: Count
    margin_table_id: Count
    is_delisted: Literal[True] | UnsetType = UNSET
    only_isolated: Literal[True] | UnsetType = UNSET
    margin_mode: Literal["strictIsolated", "noCross"] | UnsetType = UNSET
    growth_mode: Literal["enabled"] | UnsetType = UNSET
    last_growth_mode_change_time: str | UnsetType = UNSET


class MarginTier(Shape):
    lower_bound: Amount
    max_leverage: Count


class MarginTable(Shape):
    description: str
    margin_tiers: list[MarginTier]


class PerpMeta(Shape):
    universe: list[UniverseEntry]
    margin_tables: list[tuple[Count, MarginTable]]
    collateral_token: Count


class AssetCtx(Shape):
    funding: Amount
    open_interest: Amount
    prev_day_px: Amount
    day_ntl_vlm: Amount
    premium: Amount | None
    oracle_px: Amount
    mark_px: Amount
    mid_px: Amount | None
    impact_pxs: Pair | None
    day_base_vlm: Amount


class PerpDex(Shape):
    name: str
    full_name: str
    deployer: Address
    oracle_updater: Address | None
    fee_recipient: Address | None
    asset_to_streaming_oi_cap: list[tuple[str, Amount]]
    sub_deployers: list[tuple[str, list[Address]]]
    deployer_fee_scale: Amount
    last_deployer_fee_scale_change_time: str
    asset_to_funding_multiplier: list[tuple[str, Amount]]
    asset_to_funding_interest_rate: list[tuple[str, Amount]]


class PerpDexLimits(Shape):
    total_oi_cap: Amount
    oi_sz_cap_per_perp: Amount
    max_transfer_ntl: Amount
    coin_to_oi_cap: list[tuple[str, Amount]]


class PerpDexStatus(Shape):
    total_net_deposit: Amount


class PredictedFunding(Shape):
    funding_rate: Amount
    next_funding_time: Time
    funding_interval_hours: Count | UnsetType = UNSET


class Token(Shape):
    name: str
    sz_decimals: Count
    wei_decimals: Count
    index: Count
    token_id: str
    is_canonical: bool
    evm_contract: str | None
    full_name: str | None
    deployer_trading_fee_share: Amount | UnsetType = UNSET


class SpotPair(Shape):
    name: str
    tokens: tuple[Count, Count]
    index: Count
    is_canonical: bool


class SpotMeta(Shape):
    tokens: list[Token]
    universe: list[SpotPair]


class SpotContext(Shape):
    prev_day_px: Amount
    day_ntl_vlm: Amount
    mark_px: Amount
    mid_px: Amount | None
    circulating_supply: Amount
    coin: str
    total_supply: Amount
    day_base_vlm: Amount


class ExchangeStatus(Shape):
    time: Time
    special_statuses: None


class Level(Shape):
    px: Amount
    sz: Amount
    n: Count


class L2Book(Shape):
    coin: str
    time: Time
    levels: tuple[list[Level], list[Level]]
    spread: Amount | UnsetType = UNSET
    fast: Literal[True] | UnsetType = UNSET


class Bbo(Shape):
    coin: str
    time: Time
    bbo: tuple[Level | None, Level | None]


class Trade(Shape):
    coin: str
    side: Side
    px: Amount
    sz: Amount
    time: Time
    hash: Hash
    tid: Count
    users: tuple[Address, Address]


class Candle(Struct, forbid_unknown_fields=True):
    t: Time
    T: Time
    s: str
    i: str
    o: Amount
    c: Amount
    h: Amount
    l: Amount  # noqa: E741
    v: Amount
    n: Count


class FundingRate(Shape):
    coin: str
    funding_rate: Amount
    premium: Amount
    time: Time
