"""Status written when it differs, the metric of its conditions, and the Events that a change of it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from perpmaker.api.v1alpha1.shared import ConditionStatus, KillState
from perpmaker.operator import metrics
from perpmaker.operator import status as documents
from perpmaker.operator.conditions.findings import find
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube.resources import ref_of
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.runtime.events import Reason as EventReason

_FAILING: Final = frozenset(
    {
        Reason.CRASH_LOOPING.value,
        Reason.UNSCHEDULABLE.value,
        Reason.IMAGE_PULL_FAILED.value,
        Reason.CREATE_CONTAINER_CONFIG_ERROR.value,
    }
)
_WORKLOADS: Final = (
    ConditionType.WORKLOAD_AVAILABLE,
    ConditionType.GATEWAY_AVAILABLE,
    ConditionType.ORDER_STATE_AVAILABLE,
    ConditionType.RISK_AVAILABLE,
    ConditionType.STORE_AVAILABLE,
    ConditionType.EXCHANGE_CONNECTED,
)
_TRUE: Final = ConditionStatus.TRUE.value
_FALSE: Final = ConditionStatus.FALSE.value

News = tuple[EventReason, str, bool]
"""Reason, message, whether it is a warning."""


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[News]:
    """What people should be told about the change from one status to another. Pure."""
    yield from _trip(before.get("killSwitch") or {}, after.get("killSwitch") or {})
    old, new = before.get("conditions") or (), after.get("conditions") or ()
    accepted = _turned(old, new, ConditionType.ACCEPTED)
    if accepted is not None and accepted["status"] == _FALSE:
        yield EventReason.INVALID, f"{accepted['reason']}: {accepted['message']}", True
    account = _turned(old, new, ConditionType.ACCOUNT_READY)
    if account is not None and account["status"] == _FALSE:
        yield EventReason.ACCOUNT_NOT_READY, account["message"], True
    exchange = _turned(old, new, ConditionType.EXCHANGE_CONNECTED)
    if exchange is not None and exchange["reason"] == Reason.NETWORK_MISMATCH.value:
        yield EventReason.NETWORK_MISMATCH, exchange["message"], True
    for type_ in _WORKLOADS:
        workload = _turned(old, new, type_)
        if workload is not None and workload["reason"] in _FAILING:
            yield EventReason.WORKLOAD_FAILING, f"{workload['reason']}: {workload['message']}", True
    config = _turned(old, new, ConditionType.CONFIG_APPLIED)
    if config is not None and config["status"] == _TRUE:
        yield EventReason.CONFIG_APPLIED, config["message"], False
    if config is not None and config["reason"] == Reason.REJECTED.value:
        yield EventReason.CONFIG_REJECTED, config["message"], True
    quoting = _turned(old, new, ConditionType.QUOTING)
    if quoting is not None and quoting["reason"] == Reason.RATE_LIMITED.value:
        yield EventReason.NOT_QUOTING, quoting["message"], True
    was, now = find(old, ConditionType.READY), find(new, ConditionType.READY)
    if was is not None and now is not None and was["status"] == _TRUE and now["reason"] == Reason.NOT_QUOTING.value:
        yield EventReason.NOT_QUOTING, now["message"], True


def _trip(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[News]:
    if after.get("state") == KillState.TRIPPED.value and after.get("tripID") != before.get("tripID"):
        text = f"{after.get('scope')} trip {after.get('tripID')}, {after.get('reason')}: {after.get('message')}"
        yield EventReason.KILL_SWITCH_TRIPPED, text, True


def _turned(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], type_: ConditionType
) -> Mapping[str, Any] | None:
    """The condition, if its status or reason is another than before."""
    was, now = find(old, type_), find(new, type_)
    if now is None or (was is not None and (was["status"], was["reason"]) == (now["status"], now["reason"])):
        return None
    return now


async def publish(deps: Deps, body: Manifest, status: Mapping[str, Any]) -> None:
    """Write status if it differs. Raises KubeError."""
    ref = ref_of(body)
    metrics.CONDITIONS.note(ref.resource.kind, ref.namespace, ref.name, status.get("conditions") or ())
    if not documents.differs(status, body):
        return
    before = body.get("status") or {}
    shown = {key: value for key, value in status.items() if value not in ({}, None)}
    await deps.kube.apply_status(ref, shown)
    for reason, message, warning in news(before, status):
        deps.tell(body, reason, message, warning=warning)


def forget(body: Manifest) -> None:
    """The object is gone: end its series."""
    ref = ref_of(body)
    metrics.CONDITIONS.forget(ref.resource.kind, ref.namespace, ref.name)
