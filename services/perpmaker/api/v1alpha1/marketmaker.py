"""MarketMaker: one market quoted on one TradingAccount, with its ladder, its inventory limits and its risk limits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from perpmaker.api.v1alpha1.base import (
    API_VERSION,
    WHOLE_BPS,
    Amount,
    ApiModel,
    ChangeRule,
    Int32,
    Int64,
    ObjectName,
    Rule,
    SignedAmount,
    Time,
)
from perpmaker.api.v1alpha1.quoting import (
    Quoting,
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


class MarketKind(StrEnum):
    """What is traded."""

    PERPETUAL = "Perpetual"
    SPOT = "Spot"


class Mode(StrEnum):
    """What the maker may do."""

    ACTIVE = "Active"
    REDUCE_ONLY = "ReduceOnly"
    SHADOW = "Shadow"
    PAUSED = "Paused"


class MarginMode(StrEnum):
    """How margin is shared between markets."""

    CROSS = "Cross"
    ISOLATED = "Isolated"


class RolloutStrategy(StrEnum):
    """How one quoter process replaces another."""

    CANCEL_AND_REPLACE = "CancelAndReplace"
    HANDOVER = "Handover"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"


class AccountRef(ApiModel):
    """The account to trade on."""

    CHANGE_RULES: ClassVar[tuple[ChangeRule[AccountRef], ...]] = (
        ChangeRule(
            field="",
            cel="self == oldSelf",
            message="the reference is immutable; delete and recreate the MarketMaker",
            remedy="delete the MarketMaker and create it again on the other account",
            holds=lambda old, new: old == new,
        ),
    )

    name: ObjectName = Field(description="Name of a TradingAccount in the same namespace.")


class Market(ApiModel):
    """The market to quote."""

    CHANGE_RULES: ClassVar[tuple[ChangeRule[Market], ...]] = (
        ChangeRule(
            field="",
            cel="self == oldSelf",
            message="market is immutable; delete and recreate the MarketMaker",
            remedy="delete the MarketMaker and create one for the other market",
            holds=lambda old, new: old == new,
        ),
    )

    symbol: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9@:/._-]+$")] = Field(
        description="Name of the market at the exchange, e.g. BTC, dex:COIN, PURR/USDC."
    )
    kind: Annotated[MarketKind, Field(strict=False)] = Field(MarketKind.PERPETUAL, description="Perpetual or Spot.")


class Inventory(ApiModel):
    """The position the maker aims at and the largest it may hold."""

    RULES: ClassVar[tuple[Rule[Inventory], ...]] = (
        Rule(
            fields=("targetNotional", "maxNotional"),
            cel="double(self.targetNotional) <= double(self.maxNotional) && "
            "-double(self.targetNotional) <= double(self.maxNotional)",
            message="|targetNotional| must not exceed maxNotional",
            remedy="move targetNotional towards 0 or raise maxNotional",
            holds=lambda i: abs(i.target_notional.e8) <= i.max_notional.e8,
        ),
    )

    target_notional: SignedAmount = Field(
        SignedAmount("0"), description="Position value that quotes lean towards, USDC, negative for short."
    )
    max_notional: Amount = Field(description="Largest absolute position value, USDC, every live order filled.")


class MarketRisk(ApiModel):
    """Limits of this market. Amounts are in the quote currency (USDC)."""

    RULES: ClassVar[tuple[Rule[MarketRisk], ...]] = (
        Rule(
            fields=("maxDailyLoss",),
            cel="double(self.maxDailyLoss) > 0.0",
            message="maxDailyLoss must be positive",
            remedy="give the loss at which this market stops for the day, in USDC",
            holds=lambda r: r.max_daily_loss.e8 > 0,
        ),
        Rule(
            fields=("maxDrawdown",),
            cel="!has(self.maxDrawdown) || double(self.maxDrawdown) > 0.0",
            message="maxDrawdown must be positive",
            remedy="give a positive amount in USDC, or remove the line to have no such limit",
            holds=lambda r: r.max_drawdown is None or r.max_drawdown.e8 > 0,
        ),
        Rule(
            fields=("priceBandBps",),
            cel="double(self.priceBandBps) > 0.0",
            message="priceBandBps must be positive",
            remedy='give the largest distance of an order from the mark, e.g. "100"',
            holds=lambda r: r.price_band_bps.e8 > 0,
        ),
    )

    max_daily_loss: Amount = Field(description="Loss since 00:00 UTC, realised and not, that is a breach, USDC.")
    max_drawdown: Amount | None = Field(
        None, description="Fall from the day's best P&L that is a breach, USDC. No limit when absent."
    )
    max_open_orders: Annotated[Int32, Field(ge=2, le=200)] = Field(
        20, description="Most orders that may be live at once, both sides, count."
    )
    price_band_bps: Amount = Field(
        Amount("100"), description="No order is sent further than this from the mid, basis points."
    )
    max_market_data_age_milliseconds: Annotated[Int32, Field(ge=100, le=60000)] = Field(
        2000, description="Market data older than this stops new orders, milliseconds."
    )
    on_breach: Breach = Field(
        BreachAction.HALT,
        description="What a breach does: Halt trips the kill switch and empties the book; ReduceOnly lets the "
        "position only shrink.",
    )


class Leverage(ApiModel):
    """Leverage to set at the exchange before quoting."""

    value: Annotated[Int32, Field(ge=1, le=50)] = Field(description="Leverage, times.")
    margin_mode: Annotated[MarginMode, Field(strict=False)] = Field(
        MarginMode.CROSS, description="Cross shares margin between markets; Isolated keeps it per market."
    )


class Flatten(ApiModel):
    """How a position is closed when it has to be."""

    RULES: ClassVar[tuple[Rule[Flatten], ...]] = (
        Rule(
            fields=("maxSlippageBps",),
            cel=f"double(self.maxSlippageBps) < {WHOLE_BPS}.0",
            message=f"maxSlippageBps must be below {WHOLE_BPS}",
            remedy='give the worst price you accept relative to the mark, e.g. "20"',
            holds=lambda f: f.max_slippage_bps.e8 < WHOLE_BPS * E8,
        ),
    )

    max_slippage_bps: Amount = Field(
        Amount("20"), description="Worst price accepted, relative to the mark, basis points."
    )
    timeout_seconds: Annotated[Int32, Field(ge=5, le=3600)] = Field(
        120, description="Time after which the rest of the position is left open, seconds."
    )


class Rollout(ApiModel):
    """How a new quoter takes over."""

    strategy: Annotated[RolloutStrategy, Field(strict=False)] = Field(
        RolloutStrategy.CANCEL_AND_REPLACE,
        description="CancelAndReplace: the old quoter cancels its orders, then the new one starts; Handover: the new "
        "one takes over the resting orders.",
    )


class MarketMakerSpec(ApiModel):
    """What is wanted of the maker."""

    RULES: ClassVar[tuple[Rule[MarketMakerSpec], ...]] = (
        Rule(
            fields=("inventory.maxNotional", "quoting.orderNotional", "quoting.levels"),
            cel="double(self.quoting.orderNotional) * double(self.quoting.levels) <= "
            "double(self.inventory.maxNotional)",
            message="orderNotional x levels (one side of the book) must not exceed inventory.maxNotional",
            remedy="raise inventory.maxNotional, or lower quoting.orderNotional or quoting.levels",
            holds=lambda s: s.quoting.order_notional.e8 * s.quoting.levels <= s.inventory.max_notional.e8,
        ),
        Rule(
            fields=("leverage", "market.kind"),
            cel="!has(self.leverage) || self.market.kind == 'Perpetual'",
            message="leverage applies to Perpetual markets only",
            remedy="remove leverage",
            holds=lambda s: s.leverage is None or s.market.kind is MarketKind.PERPETUAL,
        ),
        Rule(
            fields=("risk.maxOpenOrders", "quoting.levels"),
            cel="self.quoting.levels * 2 <= self.risk.maxOpenOrders",
            message="the ladder needs 2 x levels orders, which must not exceed risk.maxOpenOrders",
            remedy="raise risk.maxOpenOrders or lower quoting.levels",
            holds=lambda s: s.quoting.levels * 2 <= s.risk.max_open_orders,
        ),
    )

    account_ref: AccountRef = Field(description="The account to trade on. Immutable.")
    market: Market = Field(description="The market to quote. Immutable.")
    mode: Annotated[Mode, Field(strict=False)] = Field(
        Mode.ACTIVE,
        description="Active quotes; ReduceOnly lets the position only shrink; Shadow computes quotes and sends "
        "nothing; Paused cancels all orders and keeps the position.",
    )
    quoting: Quoting = Field(description="The ladder.")
    inventory: Inventory = Field(description="Position limits.")
    risk: MarketRisk = Field(description="Limits of this market.")
    leverage: Leverage | None = Field(None, description="Leverage to set before quoting; left as it is when absent.")
    kill_switch: KillSwitch = Field(KillSwitch(), description="Manual kill switch of this market.")
    deletion_policy: Deletion = Field(
        DeletionPolicy.CANCEL_ORDERS,
        description="On deletion: CancelOrders cancels and keeps the position; Flatten also closes it; Orphan leaves "
        "everything as it is.",
    )
    flatten: Flatten = Field(Flatten(), description="How the position is closed by deletionPolicy Flatten.")
    rollout: Rollout = Field(Rollout(), description="How a new quoter takes over.")
    log_level: Annotated[LogLevel, Field(strict=False)] = Field(LogLevel.INFO, description="Debug, Info or Warning.")
    pod: PodOverrides | None = Field(
        None,
        description="Kubernetes only: resources, nodeSelector, tolerations, affinity, topologySpreadConstraints, "
        "priorityClassName, labels, annotations of the quoter's pod.",
    )


class MarketFacts(ApiModel):
    """The market as the exchange describes it."""

    asset_id: int | None = Field(None, description="Number that identifies the asset at the exchange, no unit.")
    size_decimals: int | None = Field(None, description="Decimals of a size, count of digits.")
    max_leverage: int | None = Field(None, description="Highest leverage, times.")


class QuoterStatus(ApiModel):
    """The process that quotes."""

    pod_name: str | None = Field(None, description="Its pod.")
    image: str | None = Field(None, description="Its image.")
    config_hash: str | None = Field(None, description="Hash of the settings that need a restart.")
    applied_generation: Int64 | None = Field(None, description="Generation of the spec that it uses, a count.")
    session_epoch: Int64 | None = Field(
        None, description="Epoch of its session, a count; orders of an older one are refused."
    )
    last_heartbeat_time: Time | None = Field(None, description="When it was last heard.")


class MakerSummary(ApiModel):
    """Coarse figures for people; live ones are metrics."""

    position_base: str | None = Field(None, description="Signed position, base units.")
    position_notional: str | None = Field(None, description="Signed position value, USDC.")
    open_orders: int | None = Field(None, description="Live orders, count.")
    day_pnl: str | None = Field(None, description="P&L since 00:00 UTC, USDC.")
    quote_uptime: Annotated[str, Field(max_length=8)] | None = Field(
        None, description='Share of the last hour with orders on both sides of the book, percent, e.g. "99.8%".'
    )
    as_of: Time | None = Field(None, description="When these were read.")


class MarketMakerStatus(ApiModel):
    """What was observed."""

    observed_generation: Int64 | None = Field(None, description="Generation of the spec this status is about, a count.")
    conditions: Conditions | None = Field(None, description="Ready and its parts.")
    market: MarketFacts | None = Field(None, description="The market as the exchange describes it.")
    quoter: QuoterStatus | None = Field(None, description="The process that quotes.")
    summary: MakerSummary | None = Field(None, description="Coarse figures.")
    kill_switch: KillSwitchStatus | None = Field(None, description="State of the kill latch.")
    teardown: Teardown | None = Field(None, description="Progress of an orderly deletion.")


class MarketMaker(ApiModel):
    """One market, quoted on both sides."""

    KIND: ClassVar[str] = "MarketMaker"
    RULES: ClassVar[tuple[Rule[MarketMaker], ...]] = NAME_RULES

    api_version: Literal[API_VERSION] = Field(description="Version of this kind.")  # type: ignore[valid-type]
    kind: Literal["MarketMaker"] = Field(description="This kind.")
    metadata: ObjectMeta = Field(description="Identity.")
    spec: MarketMakerSpec = Field(description="What is wanted.")
    status: MarketMakerStatus | None = Field(None, description="What was observed; not read from files.")
