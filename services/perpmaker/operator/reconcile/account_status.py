"""What a TradingAccount says of itself in status, and what its makers read there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perpmaker.operator import status as documents
from perpmaker.operator import times
from perpmaker.operator.conditions import findings, kill_switch
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.observe.values import AccountView, GatewayFacts
from perpmaker.operator.reconcile.deps import Deps


def account_status(deps: Deps, body: Manifest, view: AccountView, judged: Sequence[findings.Finding]) -> dict[str, Any]:
    """The whole status of an account; what nobody tells at the moment stays as it was."""
    before = body.get("status") or {}
    now_ms, generation = deps.clock.now_ms(), body["metadata"].get("generation", 1)
    gateway = view.gateway if isinstance(view.gateway, GatewayFacts) else None
    expires_ms = gateway.signer_valid_until_ms if gateway is not None else 0
    spec_address = (body.get("spec") or {}).get("address", "")
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": findings.conditions(
            judged, before.get("conditions") or (), generation=generation, now=times.from_ms(now_ms)
        ),
        "address": (gateway.account_address if gateway is not None else "") or before.get("address") or spec_address,
        "apiWalletAddress": (gateway.signer_address if gateway is not None else "") or before.get("apiWalletAddress"),
        "apiWalletExpiresAt": times.from_ms(expires_ms) if expires_ms else None,
        "marketMakers": before.get("marketMakers"),
        "summary": documents.settled_summary(
            documents.account_summary(view),
            before.get("summary") or {},
            now_ms=now_ms,
            every_s=deps.settings.summary_seconds,
        ),
        "killSwitch": kill_switch.mirror(view.risk, "", before.get("killSwitch") or {}),
        "lastHeartbeatTime": times.from_ms(now_ms) if gateway is not None else before.get("lastHeartbeatTime"),
        "teardown": before.get("teardown"),
    }
    if gateway is None:
        status["apiWalletExpiresAt"] = before.get("apiWalletExpiresAt")
    return {key: value for key, value in status.items() if value not in (None, "", {})}


def ready_verdict(body: Manifest | None, name: str) -> Verdict:
    """What a maker is told of its account: condition AccountReady."""
    if body is None:
        return Verdict(Reason.NOT_FOUND, f"there is no TradingAccount {name} in this namespace; create it")
    if "deletionTimestamp" in body["metadata"]:
        return Verdict(Reason.TERMINATING, f"TradingAccount {name} is being deleted")
    listed = (body.get("status") or {}).get("conditions")
    ready = findings.find(listed, ConditionType.READY)
    if ready is None:
        return Verdict(Reason.NOT_READY, f"TradingAccount {name} has not been looked at yet")
    if ready["status"] == "True" or ready["reason"] == Reason.KILL_SWITCH_TRIPPED.value:
        return Verdict(Reason.READY, f"TradingAccount {name} is ready")
    is_elsewhere = ready["reason"] == Reason.NETWORK_MISMATCH.value
    reason = Reason.NETWORK_MISMATCH if is_elsewhere else Reason.NOT_READY
    return Verdict(reason, f"TradingAccount {name}: {ready['reason']}: {ready['message']}")
