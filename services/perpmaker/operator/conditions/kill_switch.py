"""The kill latch as risk tells it: the condition and the mirror in status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perpmaker.api.v1alpha1.shared import KillState, TripScope
from perpmaker.operator.conditions.findings import Finding, false, true, unknown
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.observe.values import RiskAnswer, RiskFacts, TripFacts
from perpmaker.operator.times import from_ms

MANUAL: Final = "spec.killSwitch.engaged"
"""Reason under which the operator trips for a person."""

_REASONS: Final[Mapping[str, Reason]] = {
    MANUAL: Reason.MANUAL_ENGAGED,
    "manual": Reason.MANUAL_ENGAGED,
    "daily_loss": Reason.DAILY_LOSS,
    "account_daily_loss": Reason.DAILY_LOSS,
    "drawdown": Reason.DRAWDOWN,
    "account_drawdown": Reason.DRAWDOWN,
    "stale_data": Reason.STALE_DATA,
    "reject_burst": Reason.REJECT_BURST,
    "position_limit": Reason.POSITION_LIMIT,
    "runaway": Reason.POSITION_LIMIT,
    "min_equity": Reason.MIN_EQUITY,
    "unknown_order": Reason.UNKNOWN_ORDERS,
    "liquidation": Reason.LIQUIDATION,
    "latch_lost": Reason.LATCH_LOST,
}

_TYPE = ConditionType.KILL_SWITCH_TRIPPED


def reason_of(trip: TripFacts, market: str) -> Reason:
    """The word for a trip's cause; what a person wrote by hand is a manual trip."""
    if market and not trip.market:
        return Reason.ACCOUNT_TRIPPED
    words = [word.strip() for word in trip.reason.split(",")]
    known = [_REASONS[word] for word in words if word in _REASONS]
    return known[0] if known else Reason.OTHER


def _message(trip: TripFacts) -> str:
    stage = "the book is empty" if trip.executed else "the book is being emptied"
    return (
        f"trip {trip.trip_id} of {trip.market or 'the whole account'}: {trip.reason}; {stage}. To trade again, set "
        f"spec.killSwitch.engaged to false and spec.killSwitch.acknowledgedTrip to {trip.trip_id}"
        f"{'' if trip.market else ' in the TradingAccount'}"
    )


def judge(risk: RiskAnswer, market: str, before: Mapping[str, Any]) -> Finding:
    """Condition KillSwitchTripped; `before` is status.killSwitch as it stands.

    A latch that was seen set stays so until risk says otherwise: not knowing is no release.
    """
    if not isinstance(risk, RiskFacts):
        if before.get("state") == KillState.TRIPPED.value:
            seen = f"trip {before.get('tripID')} was latched when risk last answered; now {risk}"
            return true(_TYPE, _reason_before(before), seen)
        return unknown(_TYPE, Reason.UNKNOWN, f"risk is not known: {risk}")
    trip = risk.trip_of(market)
    if trip is None:
        return false(_TYPE, Reason.ARMED, "no trip is latched")
    return true(_TYPE, reason_of(trip, market), _message(trip))


def _reason_before(before: Mapping[str, Any]) -> Reason:
    word = before.get("reason")
    return Reason(word) if word in {reason.value for reason in Reason} else Reason.OTHER


def mirror(risk: RiskAnswer, market: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """status.killSwitch: what risk says; as before while it says nothing."""
    if not isinstance(risk, RiskFacts):
        return dict(before)
    shown: dict[str, Any] = {}
    if risk.last_rearmed_trip_id:
        shown["lastRearmedTrip"] = risk.last_rearmed_trip_id
    trip = risk.trip_of(market)
    if trip is None:
        return {"state": KillState.ARMED.value, **shown}
    return {
        "state": KillState.TRIPPED.value,
        "scope": (TripScope.MARKET if trip.market else TripScope.ACCOUNT).value,
        "tripID": trip.trip_id,
        "reason": reason_of(trip, market).value,
        "message": trip.reason,
        "trippedAt": from_ms(trip.tripped_time_ms),
        **shown,
    }
