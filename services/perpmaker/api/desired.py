"""What each service of an account must be told, from the trader's objects: one pure function for every way of running.

The operator and the local runner call the same function; they differ only in the `Addressing` they pass: where each
service listens, how the others reach it, and where store, exchange and key are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perpmaker.api.parts import (
    AccountRiskPart,
    DeadMansSwitchPart,
    GatewayPart,
    InventoryPart,
    LeveragePart,
    MarketRiskPart,
    OrderStatePart,
    QuoterPart,
    QuotingPart,
    RedisCredentials,
    RiskPart,
)
from perpmaker.api.v1alpha1.marketmaker import MarginMode, MarketMaker, Mode
from perpmaker.api.v1alpha1.quoting import Quoting, QuotingModel
from perpmaker.api.v1alpha1.tradingaccount import AccountType, SwitchMode, TradingAccount
from perpmaker.common.service import Endpoint
from perpmaker.common.tls import Tls
from perpmaker.hyperliquid.networks import Network

_PPM_PER_E8 = 100


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where one service is."""

    listen: str
    """gRPC address it binds."""
    target: str
    """gRPC address by which others reach it."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    health_listen: str | None = None
    """Plaintext address with nothing but health, for probes."""
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class Wallet:
    """Whose orders these are and where the key that signs for them lies. Never holds key material."""

    address: str | None = None
    key_file: Path | None = None
    expected_signer: str | None = None
    key_file_group_readable: bool = False
    simulated_seed: str | None = None
    """Instead of address and key: a Simulated account's wallet is derived from this text."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """Everything about an account that depends on where it runs."""

    gateway: ServiceAddress
    order_state: ServiceAddress
    risk: ServiceAddress
    quoters: Mapping[str, ServiceAddress]
    """By name of the MarketMaker."""
    order_state_redis_url: str
    risk_redis_url: str
    api_url: str
    wallet: Wallet
    order_state_redis_credentials: RedisCredentials | None = None
    risk_redis_credentials: RedisCredentials | None = None


@dataclass(frozen=True, slots=True)
class Revisions:
    """Revisions of the documents of an account's services."""

    gateway: int = 1
    order_state: int = 1
    risk: int = 1


@dataclass(frozen=True, slots=True)
class AccountParts:
    """Configuration of every service of one account."""

    gateway: GatewayPart
    order_state: OrderStatePart
    risk: RiskPart
    quoters: Mapping[str, QuoterPart]
    """By name of the MarketMaker, in the order of the objects."""


def _endpoint(at: ServiceAddress, log_level: str) -> Endpoint:
    return Endpoint(
        listen=at.listen,
        health_listen=at.health_listen,
        tls=at.tls,
        metrics_host=at.metrics_host,
        metrics_port=at.metrics_port,
        log_level=log_level.lower(),
    )


def _gateway(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    addressing: Addressing,
    revisions: Revisions,
    log_level: str,
) -> GatewayPart:
    spec, wallet = account.spec, addressing.wallet
    return GatewayPart(
        endpoint=_endpoint(addressing.gateway, log_level),
        account=account.metadata.name,
        revision=revisions.gateway,
        network=Network(spec.network.value),
        api_url=addressing.api_url,
        address=wallet.address,
        simulated_seed=wallet.simulated_seed,
        vault_address=None if spec.account_type is AccountType.MASTER else wallet.address,
        key_file=wallet.key_file,
        key_file_group_readable=wallet.key_file_group_readable,
        expected_signer=wallet.expected_signer,
        markets=tuple(maker.spec.market.symbol for maker in makers),
        order_state_target=addressing.order_state.target,
        dead_mans_switch=DeadMansSwitchPart(
            enabled=spec.dead_mans_switch.mode is SwitchMode.ENABLED,
            timeout_s=spec.dead_mans_switch.timeout_seconds,
            refresh_s=spec.dead_mans_switch.refresh_seconds,
        ),
        leverage=tuple(
            LeveragePart(
                market=maker.spec.market.symbol,
                value=maker.spec.leverage.value,
                cross=maker.spec.leverage.margin_mode is MarginMode.CROSS,
            )
            for maker in makers
            if maker.spec.leverage is not None
        ),
        max_actions_per_minute=spec.rate_limit.max_actions_per_minute,
        reserved_for_cancels_percent=spec.rate_limit.reserved_for_cancels_percent,
    )


def _risk(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    addressing: Addressing,
    revisions: Revisions,
    log_level: str,
) -> RiskPart:
    limits = account.spec.risk
    return RiskPart(
        endpoint=_endpoint(addressing.risk, log_level),
        account=account.metadata.name,
        revision=revisions.risk,
        redis_url=addressing.risk_redis_url,
        redis_credentials=addressing.risk_redis_credentials,
        gateway_target=addressing.gateway.target,
        order_state_target=addressing.order_state.target,
        limits=AccountRiskPart(
            max_gross_notional_e8=limits.max_gross_notional.e8,
            max_net_notional_e8=limits.max_net_notional.e8 if limits.max_net_notional is not None else None,
            max_daily_loss_e8=limits.max_daily_loss.e8,
            max_drawdown_e8=limits.max_drawdown.e8 if limits.max_drawdown is not None else None,
            min_equity_e8=limits.min_equity.e8,
            max_margin_usage_ppm=max(1, limits.max_margin_usage_ratio.e8 // _PPM_PER_E8),
            on_breach=limits.on_breach.value,
        ),
        markets=tuple(
            MarketRiskPart(
                market=maker.spec.market.symbol,
                max_notional_e8=maker.spec.inventory.max_notional.e8,
                max_daily_loss_e8=maker.spec.risk.max_daily_loss.e8,
                max_drawdown_e8=maker.spec.risk.max_drawdown.e8 if maker.spec.risk.max_drawdown is not None else None,
                max_market_data_age_ms=maker.spec.risk.max_market_data_age_milliseconds,
                on_breach=maker.spec.risk.on_breach.value,
                reduce_only=maker.spec.mode is Mode.REDUCE_ONLY,
            )
            for maker in makers
        ),
    )


def _model(
    quoting: Quoting,
) -> dict[Literal["risk_aversion", "horizon_s", "calibration_window_s", "fixed_half_spread_bps"], float]:
    """Only what the document says of its model; the defaults of the part hold for the rest."""
    match quoting.model:
        case QuotingModel.AVELLANEDA_STOIKOV if (stoikov := quoting.avellaneda_stoikov) is not None:
            return {"risk_aversion": float(stoikov.risk_aversion), "horizon_s": float(stoikov.horizon_seconds)}
        case QuotingModel.GLFT if (glft := quoting.glft) is not None:
            return {
                "risk_aversion": float(glft.risk_aversion),
                "calibration_window_s": float(glft.calibration_window_seconds),
            }
        case QuotingModel.FIXED if (fixed := quoting.fixed) is not None:
            return {"fixed_half_spread_bps": float(fixed.half_spread_bps)}
        case _:
            return {}


def _quoter(maker: MarketMaker, account: str, addressing: Addressing, log_level: str) -> QuoterPart:
    spec, quoting = maker.spec, maker.spec.quoting
    return QuoterPart(
        endpoint=_endpoint(addressing.quoters[maker.metadata.name], log_level),
        account=account,
        name=maker.metadata.name,
        market=spec.market.symbol,
        generation=maker.metadata.generation,
        mode=spec.mode.value,
        flatten_max_slippage_bps=float(spec.flatten.max_slippage_bps),
        gateway_target=addressing.gateway.target,
        order_state_target=addressing.order_state.target,
        risk_target=addressing.risk.target,
        quoting=QuotingPart(
            model=quoting.model.value,
            min_half_spread_bps=float(quoting.min_half_spread_bps),
            max_half_spread_bps=float(quoting.max_half_spread_bps),
            levels=quoting.levels,
            level_spacing_bps=float(quoting.level_spacing_bps),
            order_notional_e8=quoting.order_notional.e8,
            requote_tolerance_bps=float(quoting.requote_tolerance_bps),
            min_requote_interval_ms=quoting.min_requote_interval_milliseconds,
            price_band_bps=float(spec.risk.price_band_bps),
            max_open_orders=spec.risk.max_open_orders,
            **_model(quoting),
        ),
        inventory=InventoryPart(
            target_notional_e8=spec.inventory.target_notional.e8, max_notional_e8=spec.inventory.max_notional.e8
        ),
        max_market_data_age_ms=spec.risk.max_market_data_age_milliseconds,
    )


def desired_parts(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    addressing: Addressing,
    *,
    revisions: Revisions = Revisions(),
    log_level: str | None = None,
    left_alone: Sequence[str] = (),
) -> AccountParts:
    """Parts of all services of one account.

    `makers` are the MarketMakers that refer to `account`; `addressing.quoters` must know each of them. `log_level`
    overrides what the objects say. `left_alone` are markets of makers that were deleted with policy Orphan.
    """
    shared_level = log_level or "info"
    return AccountParts(
        gateway=_gateway(account, makers, addressing, revisions, shared_level),
        order_state=OrderStatePart(
            endpoint=_endpoint(addressing.order_state, shared_level),
            account=account.metadata.name,
            markets=tuple(maker.spec.market.symbol for maker in makers),
            left_alone=tuple(left_alone),
            revision=revisions.order_state,
            redis_url=addressing.order_state_redis_url,
            redis_credentials=addressing.order_state_redis_credentials,
            gateway_target=addressing.gateway.target,
            risk_target=addressing.risk.target,
        ),
        risk=_risk(account, makers, addressing, revisions, shared_level),
        quoters={
            maker.metadata.name: _quoter(
                maker, account.metadata.name, addressing, log_level or maker.spec.log_level.value
            )
            for maker in makers
        },
    )
