"""TradingAccount: one exchange account, its wallet, its limits, and what is shared by every market traded on it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perpmaker.api.v1alpha1.base import (
    API_VERSION,
    Amount,
    ApiModel,
    ChangeRule,
    EthAddress,
    Int32,
    Int64,
    ObjectName,
    Rule,
    Time,
)
from perpmaker.api.v1alpha1.shared import (
    NAME_RULES,
    Breach,
    BreachAction,
    Conditions,
    Deletion,
    DeletionPolicy,
    KillSwitch,
    KillSwitchStatus,
    ObjectMeta,
    PodOverrides,
    Teardown,
)
from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.networks import Network


class AccountType(StrEnum):
    """How the account relates to the wallet that signs for it."""

    MASTER = "Master"
    SUB_ACCOUNT = "SubAccount"
    VAULT = "Vault"


class SwitchMode(StrEnum):
    """Whether a safety device is used."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class RedisMode(StrEnum):
    """Who runs the store."""

    MANAGED = "Managed"
    EXTERNAL = "External"


class SecretKeyRef(ApiModel):
    """Where the key of the API wallet is kept."""

    name: ObjectName = Field(description="Name of the Secret in the same namespace.")
    key: ObjectName = Field("privateKey", description="Entry of the Secret that holds the private key.")


class SecretRef(ApiModel):
    """A Secret by name."""

    name: ObjectName = Field(description="Name of the Secret in the same namespace.")


class ApiWallet(ApiModel):
    """The API wallet (agent) that signs for the account. Only the gateway reads it."""

    secret_ref: SecretKeyRef = Field(description="Where the private key is kept.")
    expected_address: EthAddress | None = Field(
        None, description="Address of the wallet; the gateway refuses a key that belongs to another one."
    )


class AccountRisk(ApiModel):
    """Limits over all markets of the account. Amounts are in the quote currency (USDC)."""

    RULES: ClassVar[tuple[Rule[AccountRisk], ...]] = (
        Rule(
            fields=("maxNetNotional", "maxGrossNotional"),
            cel="!has(self.maxNetNotional) || double(self.maxNetNotional) <= double(self.maxGrossNotional)",
            message="maxNetNotional must not exceed maxGrossNotional",
            remedy="lower maxNetNotional or raise maxGrossNotional",
            holds=lambda r: r.max_net_notional is None or r.max_net_notional.e8 <= r.max_gross_notional.e8,
        ),
        Rule(
            fields=("maxMarginUsageRatio",),
            cel="double(self.maxMarginUsageRatio) > 0.0 && double(self.maxMarginUsageRatio) <= 1.0",
            message="maxMarginUsageRatio must be in (0, 1]",
            remedy='give a share such as "0.8"',
            holds=lambda r: 0 < r.max_margin_usage_ratio.e8 <= E8,
        ),
        Rule(
            fields=("maxGrossNotional",),
            cel="double(self.maxGrossNotional) > 0.0",
            message="maxGrossNotional must be positive",
            remedy="give the largest sum of absolute positions you accept, in USDC",
            holds=lambda r: r.max_gross_notional.e8 > 0,
        ),
        Rule(
            fields=("maxDailyLoss",),
            cel="double(self.maxDailyLoss) > 0.0",
            message="maxDailyLoss must be positive",
            remedy="give the loss at which trading stops for the day, in USDC",
            holds=lambda r: r.max_daily_loss.e8 > 0,
        ),
        Rule(
            fields=("maxDrawdown",),
            cel="!has(self.maxDrawdown) || double(self.maxDrawdown) > 0.0",
            message="maxDrawdown must be positive",
            remedy="give a positive amount in USDC, or remove the line to have no such limit",
            holds=lambda r: r.max_drawdown is None or r.max_drawdown.e8 > 0,
        ),
    )

    max_gross_notional: Amount = Field(description="Largest sum of absolute position values over all markets, USDC.")
    max_net_notional: Amount | None = Field(
        None, description="Largest absolute sum of signed position values, USDC. No limit when absent."
    )
    max_daily_loss: Amount = Field(description="Loss since 00:00 UTC, realised and not, that is a breach, USDC.")
    max_drawdown: Amount | None = Field(
        None, description="Fall from the day's best P&L that is a breach, USDC. No limit when absent."
    )
    min_equity: Amount = Field(Amount("0"), description="Account value below which there is a breach, USDC.")
    max_margin_usage_ratio: Amount = Field(
        Amount("0.8"), description="Largest share of the account value in use as margin, above 0 and at most 1."
    )
    on_breach: Breach = Field(
        BreachAction.HALT,
        description="What a breach does: Halt trips the kill switch and empties the book; ReduceOnly lets positions "
        "only shrink.",
    )


class DeadMansSwitch(ApiModel):
    """The exchange's own timer (scheduleCancel): it cancels every order unless the gateway keeps postponing it."""

    RULES: ClassVar[tuple[Rule[DeadMansSwitch], ...]] = (
        Rule(
            fields=("refreshSeconds", "timeoutSeconds"),
            cel="self.refreshSeconds * 2 <= self.timeoutSeconds",
            message="refreshSeconds must be at most half of timeoutSeconds",
            remedy="lower refreshSeconds or raise timeoutSeconds, so that one lost refresh does not fire the switch",
            holds=lambda s: s.refresh_seconds * 2 <= s.timeout_seconds,
        ),
    )

    mode: Annotated[SwitchMode, Field(strict=False)] = Field(SwitchMode.ENABLED, description="Enabled or Disabled.")
    timeout_seconds: Annotated[Int32, Field(ge=10, le=600)] = Field(
        30, description="Silence after which the exchange cancels all orders of the account, seconds."
    )
    refresh_seconds: Annotated[Int32, Field(ge=2, le=300)] = Field(
        10, description="Time between two postponements, seconds."
    )


class RateLimit(ApiModel):
    """How much of the exchange's request limits the account may use."""

    max_actions_per_minute: Annotated[Int32, Field(ge=1, le=2400)] = Field(
        600, description="Placements, changes and cancels per minute, all markets together, count per minute."
    )
    reserved_for_cancels_percent: Annotated[Int32, Field(ge=0, le=90)] = Field(
        30, description="Share of that budget which only cancels may use, percent."
    )


class ExternalRedis(ApiModel):
    """A Redis-protocol server that exists already."""

    RULES: ClassVar[tuple[Rule[ExternalRedis], ...]] = (
        Rule(
            fields=("url",),
            cel="!self.url.contains('@')",
            message="url must not contain a user or a password",
            remedy="put the credentials into a Secret and name it in credentialsSecretRef",
            holds=lambda r: "@" not in r.url,
        ),
    )

    url: Annotated[str, Field(max_length=512, pattern=r"^(redis|rediss|redis\+sentinel)://")] = Field(
        description="Address, redis://HOST:PORT/DB, rediss:// for TLS, redis+sentinel:// for Sentinel."
    )
    credentials_secret_ref: SecretRef | None = Field(
        None, description="Secret with the users and passwords; none when absent."
    )


class Redis(ApiModel):
    """Where order-state and risk keep their truth."""

    RULES: ClassVar[tuple[Rule[Redis], ...]] = (
        Rule(
            fields=("external", "mode"),
            cel="has(self.external) == (self.mode == 'External')",
            message="external is required when mode is External and forbidden otherwise",
            remedy="set mode: External together with external.url, or remove external",
            holds=lambda r: (r.external is not None) == (r.mode is RedisMode.EXTERNAL),
        ),
    )

    mode: Annotated[RedisMode, Field(strict=False)] = Field(
        RedisMode.MANAGED, description="Managed: a server is run for the account; External: `external` is used."
    )
    external: ExternalRedis | None = Field(None, description="The server to use in mode External.")


class ServiceOptions(ApiModel):
    """Options of one of the account's services."""

    pod: PodOverrides | None = Field(
        None,
        description="Kubernetes only: resources, nodeSelector, tolerations, affinity, topologySpreadConstraints, "
        "priorityClassName, labels, annotations of its pod.",
    )


class TradingAccountSpec(ApiModel):
    """What is wanted of the account."""

    RULES: ClassVar[tuple[Rule[TradingAccountSpec], ...]] = (
        Rule(
            fields=("address", "network"),
            cel="self.network == 'Simulated' || has(self.address)",
            message="address is required unless network is Simulated",
            remedy="give the address that owns the funds (0x and 40 hex digits), or use network: Simulated",
            holds=lambda s: s.network is Network.SIMULATED or s.address is not None,
        ),
        Rule(
            fields=("apiWallet", "network"),
            cel="self.network == 'Simulated' || has(self.apiWallet)",
            message="apiWallet is required unless network is Simulated",
            remedy="approve an API wallet at the exchange, put its key into a Secret and name it in "
            "apiWallet.secretRef.name, or use network: Simulated",
            holds=lambda s: s.network is Network.SIMULATED or s.api_wallet is not None,
        ),
        Rule(
            fields=("address", "apiWallet", "network"),
            cel="self.network != 'Simulated' || !has(self.apiWallet) || has(self.address)",
            message="address is required with apiWallet",
            remedy="give the address that approved the API wallet, or remove apiWallet to have both made",
            holds=lambda s: s.network is not Network.SIMULATED or s.api_wallet is None or s.address is not None,
        ),
    )
    CHANGE_RULES: ClassVar[tuple[ChangeRule[TradingAccountSpec], ...]] = (
        ChangeRule(
            field="network",
            cel="self.network == oldSelf.network",
            message="network is immutable",
            remedy="create a new TradingAccount for the other network",
            holds=lambda old, new: old.network is new.network,
        ),
        ChangeRule(
            field="address",
            cel="has(self.address) == has(oldSelf.address) && (!has(self.address) || self.address == oldSelf.address)",
            message="address is immutable",
            remedy="create a new TradingAccount for the other address",
            holds=lambda old, new: old.address == new.address,
        ),
    )

    network: Annotated[Network, Field(strict=False)] = Field(
        description="Simulated: the built-in exchange, no key and no address needed; Testnet; Mainnet. Immutable."
    )
    address: EthAddress | None = Field(
        None,
        description="Address that owns the funds, not the API wallet's. Not needed on Simulated without apiWallet. "
        "Immutable.",
    )
    account_type: Annotated[AccountType, Field(strict=False)] = Field(
        AccountType.MASTER, description="What `address` is: Master, SubAccount or Vault."
    )
    api_wallet: ApiWallet | None = Field(
        None,
        description="The wallet that signs for the account. Not needed on Simulated, where one is made.",
    )
    risk: AccountRisk = Field(description="Limits over all markets.")
    dead_mans_switch: DeadMansSwitch = Field(
        DeadMansSwitch(), description="The exchange's timer that cancels every order when the gateway falls silent."
    )
    rate_limit: RateLimit = Field(RateLimit(), description="Share of the exchange's request limits.")
    kill_switch: KillSwitch = Field(KillSwitch(), description="Manual kill switch of the whole account.")
    redis: Redis = Field(Redis(), description="Store of order-state and risk.")
    deletion_policy: Deletion = Field(
        DeletionPolicy.CANCEL_ORDERS,
        description="On deletion: CancelOrders cancels and keeps positions; Flatten also closes positions; Orphan "
        "leaves everything as it is.",
    )
    gateway: ServiceOptions | None = Field(None, description="Options of the gateway.")
    order_state: ServiceOptions | None = Field(None, description="Options of order-state.")
    risk_service: ServiceOptions | None = Field(None, description="Options of the risk service.")


class AccountSummary(ApiModel):
    """Coarse figures for people; live ones are metrics."""

    equity: str | None = Field(None, description="Account value, USDC.")
    day_pnl: str | None = Field(None, description="P&L of all markets since 00:00 UTC, USDC.")
    gross_notional: str | None = Field(None, description="Sum of absolute position values, USDC.")
    margin_usage_ratio: str | None = Field(None, description="Share of the account value in use as margin, 0 to 1.")
    rate_limit_used_ratio: str | None = Field(None, description="Used share of the request budget, 0 to 1.")
    as_of: Time | None = Field(None, description="When these were read.")


class TradingAccountStatus(ApiModel):
    """What was observed."""

    observed_generation: Int64 | None = Field(None, description="Generation of the spec this status is about, a count.")
    conditions: Conditions | None = Field(None, description="Ready and its parts.")
    address: str | None = Field(
        None, description="Address the account trades as; on Simulated the one that was made for it."
    )
    api_wallet_address: str | None = Field(None, description="Address of the wallet in use.")
    api_wallet_expires_at: Time | None = Field(None, description="When its approval ends.")
    market_makers: int | None = Field(None, description="MarketMakers on the account, count.")
    summary: AccountSummary | None = Field(None, description="Coarse figures.")
    kill_switch: KillSwitchStatus | None = Field(None, description="State of the kill latch.")
    last_heartbeat_time: Time | None = Field(None, description="When the account's services were last heard.")
    teardown: Teardown | None = Field(None, description="Progress of an orderly deletion.")


class TradingAccount(ApiModel):
    """One exchange account and what its markets share."""

    KIND: ClassVar[str] = "TradingAccount"
    RULES: ClassVar[tuple[Rule[TradingAccount], ...]] = NAME_RULES

    api_version: Literal[API_VERSION] = Field(description="Version of this kind.")  # type: ignore[valid-type]
    kind: Literal["TradingAccount"] = Field(description="This kind.")
    metadata: ObjectMeta = Field(description="Identity.")
    spec: TradingAccountSpec = Field(description="What is wanted.")
    status: TradingAccountStatus | None = Field(None, description="What was observed; not read from files.")
