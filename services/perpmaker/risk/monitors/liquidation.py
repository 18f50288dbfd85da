"""The mark keeps its distance from the liquidation price, or the market only reduces.

With d the relative distance to liquidation and m the maintenance margin at the highest leverage (half of 1/leverage),
the buffer is d / (d + m); below 0.3 the position may only shrink.
"""

from __future__ import annotations

from perpmaker.api.parts import MarketRiskPart
from perpmaker.common.decimals import format_e8
from perpmaker.risk.finding import Action, Finding, demanded, passed
from perpmaker.risk.shares import ONE_PPM, share_ppm
from perpmaker.risk.state import RiskState

MIN_BUFFER_PPM = 300_000


def check(state: RiskState, _limits: MarketRiskPart) -> tuple[Finding, ...]:
    """Only with a position that has a liquidation price.

    On which side of the mark the price lies follows from the position that it was given for: the ledger may have
    changed sides since.
    """
    held_e8 = state.liquidation_sz_e8
    if state.liquidation_px_e8 <= 0 or state.mark_px_e8 <= 0 or held_e8 == 0 or state.instrument is None:
        return ()
    towards = state.mark_px_e8 - state.liquidation_px_e8
    distance_ppm = max(0, towards if held_e8 > 0 else -towards) * ONE_PPM // state.mark_px_e8
    maintenance_ppm = ONE_PPM // (2 * max(1, state.instrument.max_leverage))
    buffer_ppm = distance_ppm * ONE_PPM // (distance_ppm + maintenance_ppm)
    used = share_ppm(MIN_BUFFER_PPM, buffer_ppm)
    if buffer_ppm < MIN_BUFFER_PPM:
        detail = f"mark {format_e8(state.mark_px_e8)}, liquidation at {format_e8(state.liquidation_px_e8)}"
        return (demanded("liquidation", "liquidation_near", Action.REDUCE_ONLY, detail, used),)
    return (passed("liquidation", used),)
