"""The half-spread as a sum of named parts.

Guarantees: the parts add up to the total exactly (not up to float noise); floor <= total <= cap (each to one
step of the grid); no part enters as a product of others except the permission's widening, which is itself
booked as a part.

Exactness comes from the grid: every part is a multiple of 2^-20 bps, and sums of such numbers are exact in
doubles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_GRID = float(2**20)
MAX_PART_BPS = 1e6


class NotQuotableError(ArithmeticError):
    """An input or result of the model is zero, negative, infinite or not a number where it must not be."""

    def __init__(self, name: str, value: float) -> None:
        super().__init__(f"{name} = {value}")
        self.name = name
        self.value = value


def positive(name: str, value: float) -> float:
    """The value itself when finite and above zero. Raises NotQuotableError."""
    if not (math.isfinite(value) and value > 0):
        raise NotQuotableError(name, value)
    return value


def on_grid(value_bps: float) -> float:
    """Nearest multiple of the grid, at most MAX_PART_BPS either way (beyond which sums would no longer be
    exact)."""
    return round(min(max(value_bps, -MAX_PART_BPS), MAX_PART_BPS) * _GRID) / _GRID


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """Half-spread and the parts it consists of, all in bps."""

    intensity_bps: float
    """Optimal distance for the way fills decay with distance."""
    risk_bps: float
    """Price of carrying one more clip of inventory."""
    fee_bps: float
    """Maker fee, to be earned back."""
    jump_bps: float
    """Premium while the market jumps."""
    floor_bps: float
    """What the configured minimum adds (not negative)."""
    permission_bps: float
    """Widening asked for by risk."""
    cap_bps: float
    """What the configured maximum takes away (not positive)."""
    total_bps: float

    @property
    def parts(self) -> tuple[float, ...]:
        """The parts in the order of their names above."""
        return (
            self.intensity_bps,
            self.risk_bps,
            self.fee_bps,
            self.jump_bps,
            self.floor_bps,
            self.permission_bps,
            self.cap_bps,
        )


def compose(
    *,
    intensity_bps: float,
    risk_bps: float,
    fee_bps: float,
    jump_bps: float,
    spread_factor_ppm: int,
    min_bps: float,
    max_bps: float,
) -> HalfSpread:
    """Add the parts, lift to the floor, widen by the permission's factor (at least one), cut at the cap.

    The cap wins over everything; floor and cap hold to within one step of the grid. Raises NotQuotableError
    when a part is not finite or a bound not positive.
    """
    for name, value in (("intensity", intensity_bps), ("risk", risk_bps), ("fee", fee_bps), ("jump", jump_bps)):
        if not math.isfinite(value):
            raise NotQuotableError(name, value)
    floor = on_grid(positive("min_half_spread", min_bps))
    cap = max(floor, on_grid(positive("max_half_spread", max_bps)))
    intensity, risk, fee, jump = map(on_grid, (intensity_bps, risk_bps, fee_bps, jump_bps))
    model = intensity + risk + fee + jump
    lifted = max(0.0, floor - model)
    widening = on_grid((model + lifted) * max(0, spread_factor_ppm - 1_000_000) / 1_000_000)
    cut = min(0.0, cap - (model + lifted + widening))
    return HalfSpread(intensity, risk, fee, jump, lifted, widening, cut, model + lifted + widening + cut)
