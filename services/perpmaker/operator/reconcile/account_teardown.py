"""Carries out the teardown of a TradingAccount."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from perpmaker.api.v1alpha1.shared import DeletionPolicy
from perpmaker.api.v1alpha1.shared import TeardownStep as Step
from perpmaker.operator import names, times
from perpmaker.operator.conditions.account import other_network
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import Manifest, Ref, TornDown
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.commands import Closed, Refused
from perpmaker.operator.observe.values import RiskFacts, Unreachable
from perpmaker.operator.reconcile import publish, workloads
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.reconcile.teardown_progress import (
    APART_S,
    BREAK_GLASS,
    FAILED_AFTER,
    GONE_AFTER,
    MAX_PAUSE_S,
    POLL_S,
    Progress,
    teardown_status,
)
from perpmaker.operator.runtime.events import Reason as EventReason
from perpmaker.operator.teardown.account_table import AccountSeen, next_step
from perpmaker.operator.teardown.table import Note, Proof

BLOCKED_S: Final = 2.0
_TOLD: Final = 5

_NOTES: Final[dict[Note, tuple[EventReason, str, bool]]] = {
    Note.ORDERS_CANCELLED: (EventReason.ORDERS_CANCELLED, "the exchange shows no order of ours", False),
    Note.ORPHANED: (EventReason.TEARDOWN_STARTED, "deletionPolicy Orphan: orders and positions stay as they are", True),
    Note.FORCED: (EventReason.CANCEL_FAILED, "released by force: orders may live; look at the exchange", True),
    Note.GAVE_UP: (
        EventReason.CANNOT_CANCEL_GATEWAY_GONE,
        "given up: nobody was left to cancel orders; look at the exchange",
        True,
    ),
}


class AccountTeardown:
    """Teardown of every TradingAccount."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._progress: dict[str, Progress] = {}

    async def step(self, body: Manifest, makers: Sequence[Manifest], risk: str, gateway: str) -> TornDown:
        """Go as far as is possible without waiting."""
        deps, ref, meta = self._deps, kinds.ref_of(body), body["metadata"]
        before = (body.get("status") or {}).get("teardown") or {}
        if not before:
            deps.tell(body, EventReason.TEARDOWN_STARTED, "services stop when no order is left")
        step = Step(before.get("step", Step.DRAINING.value))
        started_at = before.get("startedAt") or times.from_ms(deps.clock.now_ms())
        known = self._progress.setdefault(meta["uid"], Progress(deps.clock.monotonic_s()))
        while step is not Step.DONE:
            if step is Step.CANCELLING_ORDERS and not makers:
                await self._cancel(body, ref, known, risk, gateway)
            following = next_step(step, self._look(body, ref, makers, known, started_at))
            if following.note in _NOTES:
                reason, text, warning = _NOTES[following.note]
                deps.tell(body, reason, text, warning=warning)
            if following.step is step:
                break
            step = following.step
        await self._publish(body, step, started_at, makers, known)
        if step is not Step.DONE:
            return TornDown(done=False, again_after_s=BLOCKED_S if makers else _pause_s(known))
        deps.tell(body, EventReason.TEARDOWN_FINISHED, "the account is let go")
        self._progress.pop(meta["uid"], None)
        deps.observer.forget(ref)
        deps.ledger.forget(ref)
        deps.rollouts.accounts.done(ref)
        publish.forget(body)
        return TornDown(done=True)

    def _look(
        self, body: Manifest, ref: Ref, makers: Sequence[Manifest], known: Progress, started_at: str
    ) -> AccountSeen:
        status, meta = body.get("status") or {}, body["metadata"]
        policies = {item.value: item for item in DeletionPolicy}
        wanted = (body.get("spec") or {}).get("deletionPolicy", "")
        return AccountSeen(
            policy=policies.get(wanted, DeletionPolicy.CANCEL_ORDERS),
            makers=len(makers),
            may_have_orders="apiWalletAddress" in status,
            proof=known.proof,
            services_gone=self._is_gone(ref, known),
            is_forced=names.is_forced(meta),
            age_s=times.age_s(started_at, self._deps.clock.now_ms()),
        )

    def _is_gone(self, ref: Ref, known: Progress) -> bool:
        return known.silent >= GONE_AFTER and any(
            self._deps.world.get(workloads.deployment_ref(ref.namespace, ref.name, role)) is None
            for role in (Role.GATEWAY, Role.ORDER_STATE, Role.RISK)
        )

    async def _cancel(self, body: Manifest, ref: Ref, known: Progress, risk: str, gateway: str) -> None:
        deps = self._deps
        if "apiWalletAddress" not in (body.get("status") or {}):
            return
        if known.proofs_s and deps.clock.monotonic_s() - known.proofs_s[0] < APART_S:
            return
        view = deps.observer.account(ref)
        if elsewhere := other_network(view, (body.get("spec") or {}).get("network", "")):
            known.silent = 0
            known.proofs_s.clear()
            self._failed(body, known, elsewhere)
            return
        facts = view.risk
        for market in sorted(facts.markets) if isinstance(facts, RiskFacts) else ():
            answer = await deps.commands.close_market(risk, market, body["metadata"]["uid"])
            if not (isinstance(answer, Closed) and answer.verified_empty):
                known.proofs_s.clear()
                self._failed(body, known, f"{market} is not proven empty")
                return
        orders = await deps.commands.own_open_orders(gateway, ref.name)
        match orders:
            case Unreachable():
                known.silent += 1
                self._failed(body, known, f"gateway: {orders}")
            case Refused():
                known.silent = 0
                self._failed(body, known, f"gateway: {orders.text}")
            case ():
                known.silent, known.error = 0, ""
                known.proofs_s.append(deps.clock.monotonic_s())
            case _:
                known.silent = 0
                known.proofs_s.clear()
                where = ", ".join(sorted(set(orders)))
                self._failed(body, known, f"{len(orders)} orders of ours live in {where}; cancel them at the exchange")

    def _failed(self, body: Manifest, known: Progress, text: str) -> None:
        known.attempts += 1
        known.error = text
        if known.attempts == FAILED_AFTER:
            gone = self._is_gone(kinds.ref_of(body), known)
            reason = EventReason.CANNOT_CANCEL_GATEWAY_GONE if gone else EventReason.CANCEL_FAILED
            self._deps.tell(body, reason, text, warning=True)

    async def _publish(
        self, body: Manifest, step: Step, started_at: str, makers: Sequence[Manifest], known: Progress
    ) -> None:
        problem = None
        if makers:
            listed = [maker["metadata"]["name"] for maker in makers]
            more = f" and {len(listed) - _TOLD} more" if len(listed) > _TOLD else ""
            text = f"MarketMakers refer to it: {', '.join(listed[:_TOLD])}{more}; delete them first"
            problem = Verdict(Reason.IN_USE, text)
            self._deps.tell(body, EventReason.IN_USE, text, warning=True)
        elif known.attempts >= FAILED_AFTER and known.error:
            gone = self._is_gone(kinds.ref_of(body), known)
            reason = Reason.CANNOT_CANCEL_GATEWAY_GONE if gone else Reason.CANCEL_FAILED
            problem = Verdict(reason, f"{known.error}; it is tried again. {BREAK_GLASS}")
        status = teardown_status(
            self._deps.clock.now_ms,
            body,
            step=step,
            started_at=started_at,
            attempts=known.attempts,
            error=known.error,
            problem=problem,
        )
        status["marketMakers"] = len(makers)
        await publish.publish(self._deps, body, status)


def _pause_s(known: Progress) -> float:
    if not known.attempts or known.proof is not Proof.NONE:
        return POLL_S
    return float(min(MAX_PAUSE_S, POLL_S * 2.0 ** min(known.attempts - 1, 10)))
