"""The shapes of what the exchange says of an account. Source: Hyperliquid documentation, "Info endpoint"."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType
from tests.support.exchange_shapes import Address, Amount, Cloid, Count, Hash, Pair, Shape, Side, Time


class MarginSummary(Shape):
    account_value: Amount
    total_ntl_pos: Amount
    total_raw_usd: Amount
    total_margin_used: Amount


class Leverage(Shape):
    type: Literal["cross", "isolated"]
    value: Count
    raw_usd: Amount | UnsetType = UNSET


class CumFunding(Shape):
    all_time: Amount
    since_open: Amount
    since_change: Amount


class Position(Shape):
    coin: str
    szi: Amount
    leverage: Leverage
    entry_px: Amount
    position_value: Amount
    unrealized_pnl: Amount
    return_on_equity: Amount
    liquidation_px: Amount | None
    margin_used: Amount
    max_leverage: Count
    cum_funding: CumFunding


class AssetPosition(Shape):
    type: Literal["oneWay"]
    position: Position


class ClearinghouseState(Shape):
    margin_summary: MarginSummary
    cross_margin_summary: MarginSummary
    cross_maintenance_margin_used: Amount
    withdrawable: Amount
    asset_positions: list[AssetPosition]
    time: Time


class SpotBalance(Shape):
    coin: str
    token: Count
    total: Amount
    hold: Amount
    entry_ntl: Amount


class SpotState(Shape):
    balances: list[SpotBalance]


class BasicOrder(Shape):
    coin: str
    limit_px: Amount
    oid: Count
    side: Side
    sz: Amount
    timestamp: Time
    orig_sz: Amount
    cloid: Cloid | UnsetType = UNSET
    reduce_only: Literal[True] | UnsetType = UNSET


class FrontendOrder(Shape):
    coin: str
    side: Side
    limit_px: Amount
    sz: Amount
    oid: Count
    timestamp: Time
    orig_sz: Amount
    trigger_condition: Annotated[str, Meta(pattern=r"^(N/A|Price (above|below) [0-9.]+)$")]
    is_trigger: bool
    trigger_px: Amount
    children: list[FrontendOrder]
    is_position_tpsl: bool
    reduce_only: bool
    order_type: Literal["Market", "Limit", "Stop Market", "Stop Limit", "Take Profit Market", "Take Profit Limit"]
    tif: Literal["Gtc", "Alo", "Ioc", "FrontendMarket", "LiquidationMarket"] | None
    cloid: Cloid | None


class OrderRecord(Shape):
    order: FrontendOrder
    status: str
    status_timestamp: Time


class KnownOrder(Shape):
    status: Literal["order"]
    order: OrderRecord


class UnknownOrder(Shape):
    status: Literal["unknownOid"]


class OrderUpdate(Shape):
    order: BasicOrder
    status: str
    status_timestamp: Time


class FillLiquidation(Shape):
    liquidated_user: Address
    mark_px: Amount
    method: Literal["market", "backstop"]


class Fill(Shape):
    coin: str
    px: Amount
    sz: Amount
    side: Side
    time: Time
    start_position: Amount
    dir: str
    closed_pnl: Amount
    hash: Hash
    oid: Count
    crossed: bool
    fee: Amount
    tid: Annotated[int, Meta(ge=0, lt=2**50)]
    fee_token: str
    twap_id: Count | None
    cloid: Cloid | UnsetType = UNSET
    builder_fee: Amount | UnsetType = UNSET
    liquidation: FillLiquidation | UnsetType = UNSET


class FundingDelta(Shape):
    type: Literal["funding"]
    coin: str
    usdc: Amount
    szi: Amount
    funding_rate: Amount
    n_samples: Count | None


class UserFunding(Shape):
    time: Time
    hash: Hash
    delta: FundingDelta


class FundingEvent(Shape):
    time: Time
    coin: str
    usdc: Amount
    szi: Amount
    funding_rate: Amount
    n_samples: Count | None


class LedgerUpdate(Shape):
    time: Time
    hash: Hash
    delta: dict[str, Any]


class RateLimit(Shape):
    cum_vlm: Amount
    n_requests_used: Count
    n_requests_cap: Count
    n_requests_surplus: Count


class DailyVolume(Shape):
    date: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    user_cross: Amount
    user_add: Amount
    exchange: Amount


class VipTier(Shape):
    ntl_cutoff: Amount
    cross: Amount
    add: Amount
    spot_cross: Amount
    spot_add: Amount


class MmTier(Shape):
    maker_fraction_cutoff: Amount
    add: Amount


class FeeTiers(Shape):
    vip: list[VipTier]
    mm: list[MmTier]


class StakingDiscount(Shape):
    bps_of_max_supply: Amount
    discount: Amount


class FeeSchedule(Shape):
    cross: Amount
    add: Amount
    spot_cross: Amount
    spot_add: Amount
    tiers: FeeTiers
    referral_discount: Amount
    staking_discount_tiers: list[StakingDiscount]


class UserFees(Shape):
    daily_user_vlm: list[DailyVolume]
    fee_schedule: FeeSchedule
    user_cross_rate: Amount
    user_add_rate: Amount
    user_spot_cross_rate: Amount
    user_spot_add_rate: Amount
    active_referral_discount: Amount
    trial: None
    fee_trial_escrow: Amount
    next_trial_available_timestamp: None
    staking_link: None
    active_staking_discount: StakingDiscount


class AgentRole(Shape):
    role: Literal["agent"]
    data: dict[Literal["user"], Address]


class SubAccountRole(Shape):
    role: Literal["subAccount"]
    data: dict[Literal["master"], Address]


class PlainRole(Shape):
    role: Literal["user", "vault", "missing"]


class ExtraAgent(Shape):
    name: str
    address: Address
    valid_until: Time | None


class SubAccount(Shape):
    name: str
    sub_account_user: Address
    master: Address
    clearinghouse_state: ClearinghouseState
    spot_state: SpotState


class ActiveAssetData(Shape):
    user: Address
    coin: str
    leverage: Leverage
    max_trade_szs: Pair
    available_to_trade: Pair
    mark_px: Amount


class Performance(Shape):
    account_value_history: list[tuple[Time, Amount]]
    pnl_history: list[tuple[Time, Amount]]
    vlm: Amount


class Referrer(Shape):
    referrer: Address
    code: str


class Referral(Shape):
    referred_by: Referrer | None
    cum_vlm: Amount
    unclaimed_rewards: Amount
    claimed_rewards: Amount
    builder_rewards: Amount
    token_to_state: list[Any]
    referrer_state: dict[str, Any]
    reward_history: list[Any]


class LegalCheck(Shape):
    ip_allowed: bool
    accepted_terms: bool
    user_allowed: bool


class PreTransferCheck(Shape):
    fee: Amount
    is_sanctioned: bool
    user_exists: bool
    user_has_sent_tx: bool
