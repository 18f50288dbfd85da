"""Facts and a verdict into a permission.

The range is the part of the local limit that account limits and the exchange's capacity leave, in whole lots rounded
towards zero. It always contains zero, so closing a position is never refused by it, and it never reaches past the limit
whatever the position is, so a position outside may only shrink.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.api.parts import AccountRiskPart
from perpmaker.common.decimals import E8
from perpmaker.risk.aggregate import Verdict
from perpmaker.risk.shares import ONE_PPM
from perpmaker.risk.sizing import SideScales
from perpmaker.risk.state import AccountRisk, RiskState

CAPACITY_FULL_MS = 120_000
CAPACITY_HALF_MS = 300_000


@dataclass(frozen=True, slots=True)
class Permission:
    """What one market may do; the fields are those of the contract without its validity."""

    min_position_e8: int = 0
    max_position_e8: int = 0
    reduce_only: bool = True
    spread_factor_ppm: int = ONE_PPM
    size_factor_ppm: int = 0
    killed: bool = False
    closed: bool = False
    reasons: tuple[str, ...] = ()
    trip_id: str = ""
    bid_size_factor_ppm: int = 0
    ask_size_factor_ppm: int = 0


def capacity_e8(reported_e8: int, age_ms: int) -> int:
    """How much of the exchange's reported capacity still counts: all for 2 min, half for 5, then nothing."""
    if age_ms < CAPACITY_FULL_MS:
        return max(0, reported_e8)
    if age_ms <= CAPACITY_HALF_MS:
        return max(0, reported_e8) // 2
    return 0


def allowed_range(
    state: RiskState, account: AccountRisk, limits: AccountRiskPart, *, reduce_only: bool
) -> tuple[int, int]:
    """Lowest and highest position allowed with everything live filled, base units of 1e-8."""
    lot = state.instrument.lot_e8 if state.instrument else 0
    if lot <= 0 or state.mark_px_e8 <= 0:
        return 0, 0
    position = state.position_e8
    elsewhere = account.gross_notional_e8 - state.notional_e8
    gross_cap = max(0, limits.max_gross_notional_e8 - elsewhere) * E8 // state.mark_px_e8
    highest = min(state.max_position_e8, gross_cap)
    lowest = -highest
    if limits.max_net_notional_e8 is not None:
        up = max(0, limits.max_net_notional_e8 - account.net_notional_e8) * E8 // state.mark_px_e8
        down = max(0, limits.max_net_notional_e8 + account.net_notional_e8) * E8 // state.mark_px_e8
        highest = min(highest, position + up)
        lowest = max(lowest, position - down)
    if state.trade_limits is not None:
        # The exchange states room for new orders beside those that rest, hence on top of the worst case.
        age_ms = state.trade_limits.age_ms
        highest = min(highest, state.worst_max_e8 + capacity_e8(state.trade_limits.max_buy_e8, age_ms))
        lowest = max(lowest, state.worst_min_e8 - capacity_e8(state.trade_limits.max_sell_e8, age_ms))
    if reduce_only:
        highest = min(highest, max(0, position))
        lowest = max(lowest, min(0, position))
    highest, lowest = max(0, highest), min(0, lowest)
    return -(-lowest // lot * lot), highest // lot * lot


def permit(
    state: RiskState,
    account: AccountRisk,
    limits: AccountRiskPart,
    verdict: Verdict,
    scales: SideScales,
    *,
    trip_id: str | None,
    closed: bool,
) -> Permission:
    """The permission of one market. `trip_id` names the latch in force on it or on the account, None for none."""
    killed = verdict.kill or trip_id is not None
    latched = (("killed",) if killed else ()) + (("closed",) if closed else ())
    reasons = tuple(dict.fromkeys(latched + verdict.reasons))
    if killed or closed:
        return Permission(
            spread_factor_ppm=verdict.spread_factor_ppm,
            killed=killed,
            closed=closed,
            reasons=reasons,
            trip_id=trip_id or "",
        )
    lowest, highest = allowed_range(state, account, limits, reduce_only=verdict.reduce_only)
    return Permission(
        min_position_e8=lowest,
        max_position_e8=highest,
        reduce_only=verdict.reduce_only,
        spread_factor_ppm=verdict.spread_factor_ppm,
        size_factor_ppm=0 if verdict.hold else verdict.size_factor_ppm,
        reasons=reasons,
        bid_size_factor_ppm=scales.bid_ppm,
        ask_size_factor_ppm=scales.ask_ppm,
    )


def is_urgent(old: Permission, new: Permission) -> bool:
    """Whether a change must not wait for the next heartbeat: anything but a range that moved by under 0.1 %.

    The limit in base units follows the mark and so moves a little with every tick.
    """
    if _without_range(old) != _without_range(new):
        return True
    return any(
        abs(a - b) * 1000 > abs(a)
        for a, b in (
            (old.min_position_e8, new.min_position_e8),
            (old.max_position_e8, new.max_position_e8),
        )
    )


def _without_range(permission: Permission) -> tuple[object, ...]:
    return (
        permission.reduce_only,
        permission.spread_factor_ppm,
        permission.size_factor_ppm,
        permission.killed,
        permission.closed,
        permission.reasons,
        permission.trip_id,
        permission.bid_size_factor_ppm,
        permission.ask_size_factor_ppm,
    )
