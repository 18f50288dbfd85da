"""How a MarketMaker quotes: the model of its spread, its ladder, and how often it moves."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from perpmaker.api.v1alpha1.base import (
    WHOLE_BPS,
    Amount,
    ApiModel,
    Int32,
    Rule,
)
from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.rules import MIN_NOTIONAL_E8

_MIN_NOTIONAL = MIN_NOTIONAL_E8 // E8


class QuotingModel(StrEnum):
    """How half-spread and skew are found."""

    AVELLANEDA_STOIKOV = "AvellanedaStoikov"
    GLFT = "GLFT"
    FIXED = "Fixed"


def _risk_aversion_rule() -> Rule[AvellanedaStoikov | Glft]:
    return Rule(
        fields=("riskAversion",),
        cel="double(self.riskAversion) > 0.0",
        message="riskAversion must be positive",
        remedy='give a positive number; "0.1" is a mild start',
        holds=lambda p: p.risk_aversion.e8 > 0,
    )


class AvellanedaStoikov(ApiModel):
    """Parameters of the Avellaneda-Stoikov model."""

    RULES: ClassVar[tuple[Rule[AvellanedaStoikov], ...]] = (_risk_aversion_rule(),)

    risk_aversion: Amount = Field(
        Amount("0.1"),
        description="Risk aversion (gamma), no unit: larger means wider and more skewed against inventory.",
    )
    horizon_seconds: Annotated[Int32, Field(ge=1, le=86400)] = Field(
        300, description="Time over which inventory is expected to be held, seconds."
    )


class Glft(ApiModel):
    """Parameters of the Gueant-Lehalle-Fernandez-Tapia model."""

    RULES: ClassVar[tuple[Rule[Glft], ...]] = (_risk_aversion_rule(),)

    risk_aversion: Amount = Field(
        Amount("0.1"),
        description="Risk aversion (gamma), no unit: larger means wider and more skewed against inventory.",
    )
    calibration_window_seconds: Annotated[Int32, Field(ge=30, le=86400)] = Field(
        600, description="Span of trades from which fill intensity is estimated, seconds."
    )


class Fixed(ApiModel):
    """Parameters of the fixed half-spread."""

    RULES: ClassVar[tuple[Rule[Fixed], ...]] = (
        Rule(
            fields=("halfSpreadBps",),
            cel="double(self.halfSpreadBps) > 0.0",
            message="halfSpreadBps must be positive",
            remedy='give the half-spread to quote, e.g. "5"',
            holds=lambda f: f.half_spread_bps.e8 > 0,
        ),
    )

    half_spread_bps: Amount = Field(description="Half-spread, basis points of the mid.")


class Quoting(ApiModel):
    """The ladder: where and how much to quote."""

    RULES: ClassVar[tuple[Rule[Quoting], ...]] = (
        Rule(
            fields=("minHalfSpreadBps", "maxHalfSpreadBps"),
            cel="double(self.minHalfSpreadBps) <= double(self.maxHalfSpreadBps)",
            message="minHalfSpreadBps must not exceed maxHalfSpreadBps",
            remedy="lower minHalfSpreadBps or raise maxHalfSpreadBps",
            holds=lambda q: q.min_half_spread_bps.e8 <= q.max_half_spread_bps.e8,
        ),
        Rule(
            fields=("minHalfSpreadBps",),
            cel="double(self.minHalfSpreadBps) > 0.0",
            message="minHalfSpreadBps must be positive",
            remedy='give the narrowest half-spread you accept, e.g. "1.5"',
            holds=lambda q: q.min_half_spread_bps.e8 > 0,
        ),
        Rule(
            fields=("orderNotional",),
            cel=f"double(self.orderNotional) >= {_MIN_NOTIONAL}.0",
            message=f"orderNotional is below the exchange minimum of {_MIN_NOTIONAL}",
            remedy=f"give at least {_MIN_NOTIONAL} USDC per level",
            holds=lambda q: q.order_notional.e8 >= MIN_NOTIONAL_E8,
        ),
        Rule(
            fields=("avellanedaStoikov", "model"),
            cel="!has(self.avellanedaStoikov) || self.model == 'AvellanedaStoikov'",
            message="avellanedaStoikov is only allowed when model is AvellanedaStoikov",
            remedy="set model: AvellanedaStoikov or remove avellanedaStoikov",
            holds=lambda q: q.avellaneda_stoikov is None or q.model is QuotingModel.AVELLANEDA_STOIKOV,
        ),
        Rule(
            fields=("glft", "model"),
            cel="!has(self.glft) || self.model == 'GLFT'",
            message="glft is only allowed when model is GLFT",
            remedy="set model: GLFT or remove glft",
            holds=lambda q: q.glft is None or q.model is QuotingModel.GLFT,
        ),
        Rule(
            fields=("fixed", "model"),
            cel="has(self.fixed) == (self.model == 'Fixed')",
            message="fixed is required when model is Fixed and forbidden otherwise",
            remedy="set model: Fixed together with fixed.halfSpreadBps, or remove fixed",
            holds=lambda q: (q.fixed is not None) == (q.model is QuotingModel.FIXED),
        ),
        Rule(
            fields=("levelSpacingBps",),
            cel="double(self.levelSpacingBps) > 0.0",
            message="levelSpacingBps must be positive",
            remedy='give the distance between levels, e.g. "2"',
            holds=lambda q: q.level_spacing_bps.e8 > 0,
        ),
        Rule(
            fields=("maxHalfSpreadBps", "levels", "levelSpacingBps"),
            cel="double(self.maxHalfSpreadBps) + double(self.levels - 1) * double(self.levelSpacingBps) "
            f"< {WHOLE_BPS}.0",
            message=f"the outermost bid would be {WHOLE_BPS} bps or more below the mid, which is no price",
            remedy="lower maxHalfSpreadBps, levels or levelSpacingBps",
            holds=lambda q: q.max_half_spread_bps.e8 + (q.levels - 1) * q.level_spacing_bps.e8 < WHOLE_BPS * E8,
        ),
    )

    model: Annotated[QuotingModel, Field(strict=False)] = Field(
        QuotingModel.GLFT,
        description="How half-spread and skew are found: GLFT (from volatility and fill intensity), "
        "AvellanedaStoikov (from volatility and a horizon), Fixed.",
    )
    avellaneda_stoikov: AvellanedaStoikov | None = Field(
        None, description="Parameters for model AvellanedaStoikov; their defaults when absent."
    )
    glft: Glft | None = Field(None, description="Parameters for model GLFT; their defaults when absent.")
    fixed: Fixed | None = Field(None, description="Parameters for model Fixed.")
    min_half_spread_bps: Amount = Field(
        Amount("1.5"), description="The half-spread never falls below this, basis points of the mid."
    )
    max_half_spread_bps: Amount = Field(
        Amount("50"), description="The half-spread never rises above this, basis points of the mid."
    )
    levels: Annotated[Int32, Field(ge=1, le=10)] = Field(1, description="Orders on each side, count.")
    level_spacing_bps: Amount = Field(
        Amount("2"), description="Distance from one level to the next, basis points of the mid."
    )
    order_notional: Amount = Field(description="Value of each order, USDC.")
    requote_tolerance_bps: Amount = Field(
        Amount("0.5"), description="An order this close to its target stays where it is, basis points of the mid."
    )
    min_requote_interval_milliseconds: Annotated[Int32, Field(ge=50, le=60000)] = Field(
        500, description="Shortest time between two changes of the ladder, milliseconds."
    )
