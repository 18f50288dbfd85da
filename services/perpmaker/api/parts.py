"""What each service is told: one typed document per process, made from the trader's objects.

The same documents are written by the local runner and by the operator; a service reads nothing else. Amounts are exact
integers (`*_e8`), ratios parts per million, times and sizes carry their unit in the name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from perpmaker.common.config import Part
from perpmaker.common.reconfigure import VersionedPart
from perpmaker.common.service import Endpoint
from perpmaker.hyperliquid.networks import Network, network_at

Item = TypeVar("Item")


def _distinct(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Refuse two entries for one market. Raises ValueError."""
    names = [str(getattr(item, "market", item)) for item in items]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"more than one entry for {', '.join(twice)}")
    return items


ByMarket = Annotated[tuple[Item, ...], AfterValidator(_distinct)]
"""At most one entry for each market."""


class DeadMansSwitchPart(Part):
    """Exchange-side cancel-all that fires when the gateway stops refreshing it."""

    enabled: bool = True
    timeout_s: int = Field(30, ge=10, le=600)
    """How far ahead the exchange is told to cancel everything."""
    refresh_s: int = Field(10, ge=2, le=300)
    """How often that time is pushed on."""


class RedisCredentials(Part):
    """How a service signs in to its store. The password is in a file, so that it is in no ConfigMap."""

    user: str
    password_file: Path


class LeveragePart(Part):
    """Leverage to set at start."""

    market: str
    value: int = Field(ge=1, le=50)
    cross: bool = True


class GatewayPart(VersionedPart):
    """Configuration of the gateway of one account."""

    endpoint: Endpoint
    account: str
    """Name of the TradingAccount."""
    revision: int = Field(1, ge=1)
    """Grows with every change of this document."""
    network: Network
    api_url: str
    """REST base address; the WebSocket address is derived from it."""
    address: str | None
    """Address whose orders, fills and margin these are; None with `simulated_seed`."""
    vault_address: str | None = None
    """Set when the account is a vault or sub-account: goes into the signature."""
    key_file: Path | None
    """File with the API wallet's key; the only secret in the system. None with `simulated_seed`."""
    key_file_group_readable: bool = False
    """Accept a key file readable by its group, as a Secret mounted with fsGroup is."""
    expected_signer: str | None = None
    """Public address the key must belong to."""
    simulated_seed: str | None = None
    """Network Simulated: derive address and API wallet from this text and have the exchange approve it. Play money."""
    markets: ByMarket[str]
    order_state_target: str
    dead_mans_switch: DeadMansSwitchPart = DeadMansSwitchPart()
    leverage: ByMarket[LeveragePart] = ()
    max_actions_per_minute: int = Field(600, ge=1)
    """Own ceiling on order items sent, cancels excepted."""
    reserved_for_cancels_percent: int = Field(30, ge=0, le=90)
    """Share of the request budgets that only cancels may use."""
    post_timeout_ms: int = Field(3_000, ge=100)
    """How long a WebSocket answer is awaited before the same bytes go by REST."""
    expires_in_ms: int = Field(5_000, ge=1_000)
    """How long after signing the exchange may still accept a placement."""
    ping_interval_s: float = Field(20.0, gt=0)
    idle_timeout_s: float = Field(60.0, gt=0)
    """Silence after which a socket counts as dead."""
    feed_timeout_s: float = Field(5.0, gt=0)
    """Silence after which the market data socket counts as dead."""

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        asked = network_at(self.api_url)
        if asked is not None and asked is not self.network:
            raise ValueError(
                f"network is {self.network.value}, but {self.api_url} is the exchange of {asked.value}:"
                " it would refuse every signature; correct one of the two"
            )
        return self

    @model_validator(mode="after")
    def _one_wallet(self) -> Self:
        if self.simulated_seed is None:
            if self.address is None or self.key_file is None:
                raise ValueError(
                    "address and key_file are both needed; only on Simulated does simulated_seed do instead"
                )
            return self
        if self.address is not None or self.key_file is not None:
            raise ValueError("simulated_seed stands for address and key_file; leave both of them out")
        if self.network is not Network.SIMULATED:
            raise ValueError(
                f"simulated_seed is for network Simulated, not {self.network.value}; give address and key_file"
            )
        if not self.simulated_seed:
            raise ValueError("simulated_seed is empty; give a text that no other account uses")
        return self


class OrderStatePart(VersionedPart):
    """Configuration of the order truth of one account."""

    endpoint: Endpoint
    account: str
    revision: int = Field(1, ge=1)
    """Grows with every change of this document."""
    markets: ByMarket[str]
    left_alone: ByMarket[str] = ()
    """Markets whose orders stay in the book though nobody quotes there: their maker was deleted with policy Orphan."""
    redis_url: str
    redis_credentials: RedisCredentials | None = None
    gateway_target: str
    risk_target: str
    safety_sync_s: float = Field(15.0, gt=0)
    snapshot_grace_ms: int = Field(2_000, ge=0)
    """Age below which an order missing from a snapshot is not asked about."""
    orphan_grace_ms: int = Field(5_000, ge=0)


class MarketRiskPart(Part):
    """Limits of one market."""

    market: str
    max_notional_e8: int = Field(gt=0)
    """Largest absolute position, quote units."""
    max_daily_loss_e8: int = Field(gt=0)
    max_drawdown_e8: int | None = Field(None, gt=0)
    max_market_data_age_ms: int = Field(2_000, ge=100)
    on_breach: Literal["Halt", "ReduceOnly"] = "Halt"
    reduce_only: bool = False
    """The trader asked for reduce-only mode."""


class AccountRiskPart(Part):
    """Limits over all markets of the account."""

    max_gross_notional_e8: int = Field(gt=0)
    max_net_notional_e8: int | None = Field(None, gt=0)
    max_daily_loss_e8: int = Field(gt=0)
    max_drawdown_e8: int | None = Field(None, gt=0)
    min_equity_e8: int = Field(0, ge=0)
    max_margin_usage_ppm: int = Field(800_000, gt=0, le=1_000_000)
    on_breach: Literal["Halt", "ReduceOnly"] = "Halt"


class RiskPart(VersionedPart):
    """Configuration of the risk service of one account."""

    endpoint: Endpoint
    account: str
    revision: int = Field(1, ge=1)
    """Grows with every change of this document."""
    redis_url: str
    redis_credentials: RedisCredentials | None = None
    gateway_target: str
    order_state_target: str
    limits: AccountRiskPart
    markets: ByMarket[MarketRiskPart]


class QuotingPart(Part):
    """How a market is quoted. Basis points are floats here: they only ever reach the model."""

    model: Literal["AvellanedaStoikov", "GLFT", "Fixed"] = "GLFT"
    risk_aversion: float = Field(0.1, gt=0)
    """Gamma, normalised: inventory pressure at the limit relative to one-second volatility."""
    horizon_s: float = Field(300.0, gt=0)
    """Avellaneda-Stoikov: time to the end of the session."""
    calibration_window_s: float = Field(600.0, gt=0)
    """GLFT: memory of the fill-intensity and volatility estimates."""
    fixed_half_spread_bps: float | None = Field(None, gt=0)
    min_half_spread_bps: float = Field(1.5, gt=0)
    max_half_spread_bps: float = Field(50.0, gt=0)
    levels: int = Field(1, ge=1, le=10)
    level_spacing_bps: float = Field(2.0, gt=0)
    order_notional_e8: int = Field(gt=0)
    """Value of one order, quote units."""
    requote_tolerance_bps: float = Field(0.5, ge=0)
    min_requote_interval_ms: int = Field(500, ge=50)
    price_band_bps: float = Field(100.0, gt=0)
    """Quotes farther than this from the mid are never sent."""
    max_open_orders: int = Field(20, ge=2)
    """Live orders of the market, both sides, replacements on their way included."""


class InventoryPart(Part):
    """Inventory the quoter aims at and may hold."""

    target_notional_e8: int = 0
    max_notional_e8: int = Field(gt=0)


class QuoterPart(Part):
    """Configuration of one market's quoter."""

    endpoint: Endpoint
    account: str
    name: str
    """Name of the MarketMaker."""
    market: str
    generation: int = Field(1, ge=1)
    mode: Literal["Active", "ReduceOnly", "Shadow", "Paused", "Flatten"] = "Active"
    """Flatten, only on the way to deletion: no ladder; reduce-only IOC orders until the position is gone."""
    leave_orders: bool = False
    """Only on the way to deletion: stop without taking the orders out of the book."""
    flatten_max_slippage_bps: float = Field(20.0, ge=0)
    """Mode Flatten: worst price accepted, from the mark."""
    gateway_target: str
    order_state_target: str
    risk_target: str
    quoting: QuotingPart
    inventory: InventoryPart
    max_market_data_age_ms: int = Field(2_000, ge=100)
