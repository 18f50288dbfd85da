"""The position stays inside its limit; beyond it only reducing, at twice the limit the market is killed.

What live orders could still do is only a warning here: the gate in order-state bounds new orders by it.
"""

from __future__ import annotations

from typing import Final

from perpmaker.api.parts import MarketRiskPart
from perpmaker.common.decimals import format_e8
from perpmaker.risk.finding import Action, Finding, demanded, passed, warned
from perpmaker.risk.shares import share_ppm
from perpmaker.risk.state import RiskState

RUNAWAY_FACTOR: Final = 2
POSITION_LIMIT: Final = "position_limit"
BACK_INSIDE_PERCENT: Final = 97
"""Once over the limit, the position counts as inside again from here: the value of a full inventory ticks."""


def check(state: RiskState, limits: MarketRiskPart) -> tuple[Finding, ...]:
    """The value of the position, then the worst case of what is live."""
    return (_check_value(state, limits), _check_worst_case(state))


def _check_value(state: RiskState, limits: MarketRiskPart) -> Finding:
    used = share_ppm(state.notional_e8, limits.max_notional_e8)
    detail = f"position worth {format_e8(state.notional_e8)}, limit {format_e8(limits.max_notional_e8)}"
    if state.notional_e8 > RUNAWAY_FACTOR * limits.max_notional_e8:
        return demanded("position", "runaway", Action.KILL, detail, used)
    allowed_percent = BACK_INSIDE_PERCENT if state.was_over_limit else 100
    if 100 * state.notional_e8 > allowed_percent * limits.max_notional_e8:
        return demanded("position", POSITION_LIMIT, Action.REDUCE_ONLY, detail, used)
    return passed("position", used)


def _check_worst_case(state: RiskState) -> Finding:
    if state.max_position_e8 == 0 or not state.worst_case_exceeds_limits:
        return passed("worst_case", share_ppm(max(state.worst_max_e8, -state.worst_min_e8), state.max_position_e8))
    sides = []
    if state.worst_case_exceeds_long_limit:
        pending = format_e8(state.pending.max_possible_bid_e8)
        sides.append(f"long {format_e8(state.worst_max_e8)} with {pending} of buys live")
    if state.worst_case_exceeds_short_limit:
        pending = format_e8(state.pending.max_possible_ask_e8)
        sides.append(f"short {format_e8(state.worst_min_e8)} with {pending} of sells live")
    detail = f"limit {format_e8(state.max_position_e8)} could be passed: " + "; ".join(sides)
    used = share_ppm(max(state.worst_max_e8, -state.worst_min_e8), state.max_position_e8)
    return warned("worst_case", "worst_case", detail, used)
