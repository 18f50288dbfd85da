"""Gueant-Lehalle-Fernandez-Tapia in basis points and normalised inventory.

Units are chosen so that risk matters: distances in bps, inventory as a share of its limit (-1..1), volatility
in bps per square root of a second, one order as a share of the limit (`clip`). In unit fractions of price the
risk terms would be some 1e-6 beside an intensity term of 5e-4, and neither volatility nor inventory would
ever move a quote.

Source: Gueant, "Optimal market making" (2017), eqs. (4.6) and (4.7), with order size Delta:

    half = ln(1 + x) / (gamma Delta) + Delta/2 sigma C,   skew per unit of inventory = sigma C,
    x = gamma Delta / kappa,   C = sqrt(gamma / (2 A Delta kappa) (1 + x)^(1 + 1/x))
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from perpmaker.quoter.model.spread import positive


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """What a model says before premia, floors and caps; bps."""

    intensity_bps: float
    risk_bps: float
    skew_at_limit_bps: float
    """Shift of both quotes when the inventory is at its limit."""


def glft(
    *, sigma_bps: float, kappa_per_bps: float, arrivals_per_s: float, risk_aversion: float, clip: float
) -> ModelTerms:
    """Half-spread terms and skew. `clip` is one order as a share of the inventory limit.

    Raises NotQuotableError when an input is not positive and finite. Non-decreasing in sigma.
    """
    sigma = positive("sigma", sigma_bps)
    kappa = positive("kappa", kappa_per_bps)
    arrivals = positive("arrivals", arrivals_per_s)
    gamma = positive("risk_aversion", risk_aversion)
    size = positive("clip", clip)
    x = max(gamma * size / kappa, 1e-9)
    growth = math.exp(min((1.0 + 1.0 / x) * math.log1p(x), 60.0))
    carry = sigma * math.sqrt(gamma / (2.0 * arrivals * size * kappa) * growth)
    return ModelTerms(
        intensity_bps=math.log1p(x) / x / kappa,
        risk_bps=0.5 * size * carry,
        skew_at_limit_bps=carry,
    )
