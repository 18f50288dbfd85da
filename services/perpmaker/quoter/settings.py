"""Settings of one market's decisions, checked as a whole before any of them takes effect.

Made from the part that the operator or the local runner writes; a contradiction refuses the whole part, so
that a change is applied in full or not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from perpmaker.api.parts import QuoterPart, QuotingPart

_ALL_BPS = 10_000.0


class Mode(Enum):
    """What the trader wants of this market."""

    ACTIVE = "Active"
    REDUCE_ONLY = "ReduceOnly"
    SHADOW = "Shadow"
    """Decide, but send nothing."""
    PAUSED = "Paused"
    FLATTEN = "Flatten"
    """Close the position at once and quote no more."""


class ModelKind(Enum):
    """Which formula gives half-spread and skew."""

    GLFT = "GLFT"
    AVELLANEDA_STOIKOV = "AvellanedaStoikov"
    FIXED = "Fixed"


class SettingsError(ValueError):
    """The part contradicts itself; `problems` lists every contradiction."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a decision depends on besides what it sees."""

    mode: Mode
    model: ModelKind
    risk_aversion: float
    horizon_s: float
    calibration_window_s: float
    fixed_half_spread_bps: float
    min_half_spread_bps: float
    max_half_spread_bps: float
    levels: int
    level_spacing_bps: float
    order_notional_e8: int
    requote_tolerance_bps: float
    min_requote_interval_ns: int
    price_band_bps: float
    max_open_orders: int
    target_notional_e8: int
    max_notional_e8: int
    max_market_data_age_ns: int
    flatten_max_slippage_bps: float


def _problems(part: QuoterPart) -> tuple[str, ...]:
    quoting, inventory = part.quoting, part.inventory
    found: list[str] = []
    for name in QuotingPart.model_fields:
        value = getattr(quoting, name)
        if isinstance(value, float) and not math.isfinite(value):
            found.append(f"quoting.{name} is not a finite number")
    if not 0 <= part.flatten_max_slippage_bps < _ALL_BPS:
        found.append(f"flatten_max_slippage_bps must be below {_ALL_BPS:.0f}")
    if quoting.min_half_spread_bps > quoting.max_half_spread_bps:
        found.append("quoting.min_half_spread_bps exceeds quoting.max_half_spread_bps")
    if (quoting.model == "Fixed") != (quoting.fixed_half_spread_bps is not None):
        found.append("quoting.fixed_half_spread_bps goes with model Fixed and with no other")
    if abs(inventory.target_notional_e8) > inventory.max_notional_e8:
        found.append("inventory.target_notional_e8 lies beyond inventory.max_notional_e8")
    return tuple(found)


def settings_from(part: QuoterPart) -> Settings:
    """Check a part and take the decision's settings from it. Raises SettingsError with every
    contradiction."""
    problems = _problems(part)
    if problems:
        raise SettingsError(problems)
    quoting = part.quoting
    return Settings(
        mode=Mode(part.mode),
        model=ModelKind(quoting.model),
        risk_aversion=quoting.risk_aversion,
        horizon_s=quoting.horizon_s,
        calibration_window_s=quoting.calibration_window_s,
        fixed_half_spread_bps=quoting.fixed_half_spread_bps or 0.0,
        min_half_spread_bps=quoting.min_half_spread_bps,
        max_half_spread_bps=quoting.max_half_spread_bps,
        levels=quoting.levels,
        level_spacing_bps=quoting.level_spacing_bps,
        order_notional_e8=quoting.order_notional_e8,
        requote_tolerance_bps=quoting.requote_tolerance_bps,
        min_requote_interval_ns=quoting.min_requote_interval_ms * 1_000_000,
        price_band_bps=quoting.price_band_bps,
        max_open_orders=quoting.max_open_orders,
        target_notional_e8=part.inventory.target_notional_e8,
        max_notional_e8=part.inventory.max_notional_e8,
        max_market_data_age_ns=part.max_market_data_age_ms * 1_000_000,
        flatten_max_slippage_bps=part.flatten_max_slippage_bps,
    )


def sends_orders(mode: Mode) -> bool:
    """Whether orders may be in the book at all in this mode."""
    match mode:
        case Mode.ACTIVE | Mode.REDUCE_ONLY | Mode.FLATTEN:
            return True
        case Mode.SHADOW | Mode.PAUSED:
            return False
        case _:
            assert_never(mode)
