"""The manual kill switch: what the object's spec asks of the latch, carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perpmaker.operator.conditions.kill_switch import MANUAL
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import Manifest, Ref
from perpmaker.operator.observe.commands import Done, Refused, Tripped
from perpmaker.operator.observe.values import RiskAnswer, RiskFacts, TripFacts
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.runtime.events import Reason as EventReason


def wish(body: Manifest) -> tuple[bool, str]:
    """Whether the switch is engaged and which trip is acknowledged; read without the rest of the spec, so that it
    works even when that is invalid."""
    found = (body.get("spec") or {}).get("killSwitch")
    switch: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    acknowledged = switch.get("acknowledgedTrip")
    return switch.get("engaged") is True, acknowledged if isinstance(acknowledged, str) else ""


def latched(risk: RiskFacts, scope: str) -> TripFacts | None:
    """The trip of exactly this scope: a market, or the account for the empty text."""
    return next((trip for trip in risk.trips if trip.market == scope), None)


async def trip_as_wished(deps: Deps, body: Manifest, scope: str, account: Ref, target: str) -> Verdict | None:
    """Trip if the spec engages the switch; what is left to do, None when all is as wanted.

    `account` is whose risk service it is, `target` where that is.
    """
    risk: RiskAnswer = deps.observer.account(account).risk
    engaged, _acknowledged = wish(body)
    if not engaged:
        return None
    if not isinstance(risk, RiskFacts):
        return Verdict(Reason.WAITING, f"the kill switch is engaged, and risk: {risk}")
    if latched(risk, scope) is not None:
        return None
    left = await _trip(deps, scope, target)
    await deps.observer.refresh_account(account)
    return left


def acknowledged_trip(deps: Deps, body: Manifest, scope: str, account: Ref) -> TripFacts | None:
    """The latched trip that the spec acknowledges; None when there is nothing to rearm."""
    risk: RiskAnswer = deps.observer.account(account).risk
    engaged, acknowledged = wish(body)
    if engaged or not acknowledged or not isinstance(risk, RiskFacts):
        return None
    trip = latched(risk, scope)
    return trip if trip is not None and trip.trip_id == acknowledged else None


async def rearm(
    deps: Deps, body: Manifest, trip: TripFacts, account: Ref, target: str, *, limits_in_force: bool
) -> Verdict | None:
    """Release an acknowledged trip; what is left to do, None when it is done.

    Never before risk works by the limits of this spec: by the old ones it might trip again for what they were
    changed for.
    """
    if not limits_in_force:
        return Verdict(Reason.WAITING, f"trip {trip.trip_id} is acknowledged; risk does not work by these limits yet")
    left = await _rearm(deps, body, trip, target)
    await deps.observer.refresh_account(account)
    return left


async def _trip(deps: Deps, scope: str, target: str) -> Verdict | None:
    answer = await deps.commands.trip(target, scope, MANUAL)
    if isinstance(answer, Tripped):
        return None
    said = answer.text if isinstance(answer, Refused) else str(answer)
    return Verdict(Reason.WAITING, f"the kill switch is engaged, and risk has not confirmed it: {said}")


async def _rearm(deps: Deps, body: Manifest, trip: TripFacts, target: str) -> Verdict | None:
    if not trip.executed:
        return Verdict(Reason.WAITING, f"trip {trip.trip_id} is acknowledged; the book is still being emptied")
    answer = await deps.commands.rearm(target, trip.trip_id)
    if isinstance(answer, Done):
        if answer.changed:
            by = _last_writer(body)
            deps.tell(body, EventReason.REARMED, f"trip {trip.trip_id} ({trip.reason}) was acknowledged{by}")
        return None
    said = answer.text if isinstance(answer, Refused) else str(answer)
    if isinstance(answer, Refused):
        deps.tell(body, EventReason.REARM_REFUSED, f"trip {trip.trip_id} stays latched: {said}", warning=True)
    return Verdict(Reason.WAITING, f"trip {trip.trip_id} is acknowledged, and risk does not release it: {said}")


def _last_writer(body: Manifest) -> str:
    for entry in reversed(body["metadata"].get("managedFields") or []):
        fields = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        if "f:acknowledgedTrip" in (fields.get("f:killSwitch") or {}):
            return f" by {entry.get('manager', 'somebody')}"
    return ""
