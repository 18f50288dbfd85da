"""Avellaneda-Stoikov with a rolling horizon, in basis points and normalised inventory (units as in `glft`).

Source: Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008), eqs. (29) and (30) with
order size Delta: reservation shift q gamma sigma^2 T, half = 1/2 gamma Delta sigma^2 T + ln(1 + gamma Delta /
kappa) / (gamma Delta). The horizon rolls: perpetuals have no closing time, so T is constant instead of
falling to zero.
"""

from __future__ import annotations

import math

from perpmaker.quoter.model.glft import ModelTerms
from perpmaker.quoter.model.spread import positive


def avellaneda_stoikov(
    *, sigma_bps: float, kappa_per_bps: float, risk_aversion: float, clip: float, horizon_s: float
) -> ModelTerms:
    """Half-spread terms and skew. Raises NotQuotableError when an input is not positive and finite."""
    sigma = positive("sigma", sigma_bps)
    kappa = positive("kappa", kappa_per_bps)
    gamma = positive("risk_aversion", risk_aversion)
    size = positive("clip", clip)
    carry = gamma * sigma * sigma * positive("horizon", horizon_s)
    x = max(gamma * size / kappa, 1e-9)
    return ModelTerms(
        intensity_bps=math.log1p(x) / x / kappa,
        risk_bps=0.5 * size * carry,
        skew_at_limit_bps=carry,
    )
