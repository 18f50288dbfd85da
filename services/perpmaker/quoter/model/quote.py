"""One price decision: fair price, half-spread with its parts, skew.

The channels of risk, each used once: volatility and inventory through the model's terms, adverse selection
through the jump premium, the account's limits through the permission's factor, costs through the fee. Request
headroom has no channel: a quoter that widens when it runs out of requests gets fewer fills and then fewer
requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from perpmaker.common.decimals import E8
from perpmaker.quoter.model.avellaneda_stoikov import avellaneda_stoikov
from perpmaker.quoter.model.fair_price import FairPrice
from perpmaker.quoter.model.glft import ModelTerms, glft
from perpmaker.quoter.model.intensity import Intensity
from perpmaker.quoter.model.skew import Distances, distances, inventory_share, skew_bps
from perpmaker.quoter.model.spread import HalfSpread, compose, positive
from perpmaker.quoter.model.volatility import JUMP_TOXIC, Volatility
from perpmaker.quoter.settings import ModelKind, Settings

MAKER_FEE_BPS = 1.5
"""Base tier of Hyperliquid perpetuals."""
MAX_JUMP_PREMIUM_BPS = 5.0


@dataclass(frozen=True, slots=True)
class Quote:
    """What the model wants."""

    mid: float
    """Units of 1e-8 quote."""
    fair: float
    """Units of 1e-8 quote."""
    half_spread: HalfSpread
    skew_bps: float
    """Negative lowers both quotes."""
    distances: Distances
    sigma_bps: float
    jump_ratio: float


def jump_premium_bps(jump_ratio: float) -> float:
    """Nothing while the market diffuses, then one bps per unit of excess, bounded."""
    return min(max(0.0, jump_ratio - JUMP_TOXIC), MAX_JUMP_PREMIUM_BPS)


def model_terms(settings: Settings, sigma_bps: float, intensity: Intensity) -> ModelTerms:
    """The configured model's terms. Raises NotQuotableError."""
    match settings.model:
        case ModelKind.GLFT:
            return glft(
                sigma_bps=sigma_bps,
                kappa_per_bps=intensity.kappa_per_bps,
                arrivals_per_s=intensity.arrivals_per_s,
                risk_aversion=settings.risk_aversion,
                clip=settings.order_notional_e8 / settings.max_notional_e8,
            )
        case ModelKind.AVELLANEDA_STOIKOV:
            return avellaneda_stoikov(
                sigma_bps=sigma_bps,
                kappa_per_bps=intensity.kappa_per_bps,
                risk_aversion=settings.risk_aversion,
                clip=settings.order_notional_e8 / settings.max_notional_e8,
                horizon_s=settings.horizon_s,
            )
        case ModelKind.FIXED:
            return ModelTerms(positive("fixed_half_spread", settings.fixed_half_spread_bps), 0.0, 0.0)
        case _:
            assert_never(settings.model)


def quote(
    settings: Settings,
    price: FairPrice,
    volatility: Volatility,
    intensity: Intensity,
    *,
    position_e8: int,
    spread_factor_ppm: int,
) -> Quote:
    """Price both sides. Raises NotQuotableError when an input makes no sense."""
    sigma = positive("sigma", volatility.sigma_bps)
    jump_ratio = positive("jump_ratio", volatility.jump_ratio)
    terms = model_terms(settings, sigma, intensity)
    is_fixed = settings.model is ModelKind.FIXED
    half = compose(
        intensity_bps=terms.intensity_bps,
        risk_bps=terms.risk_bps,
        fee_bps=0.0 if is_fixed else MAKER_FEE_BPS,
        jump_bps=0.0 if is_fixed else jump_premium_bps(jump_ratio),
        spread_factor_ppm=spread_factor_ppm,
        min_bps=settings.min_half_spread_bps,
        max_bps=settings.max_half_spread_bps,
    )
    share = inventory_share(
        position_e8 / E8 * positive("fair price", price.fair),
        float(settings.target_notional_e8),
        float(settings.max_notional_e8),
    )
    skew = skew_bps(share, half.total_bps, terms.skew_at_limit_bps)
    return Quote(
        mid=price.mid,
        fair=price.fair,
        half_spread=half,
        skew_bps=skew,
        distances=distances(half.total_bps, skew),
        sigma_bps=sigma,
        jump_ratio=jump_ratio,
    )
