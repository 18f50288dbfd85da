"""Carries out the teardown of a MarketMaker: acts in the step it is in, looks, asks the table where to go.

The step is in status, so another operator goes on where this one stopped; what the exchange has shown is not, so the
other one asks it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.shared import DeletionPolicy
from perpmaker.api.v1alpha1.shared import TeardownStep as Step
from perpmaker.operator import acceptance, names, times
from perpmaker.operator import children as build
from perpmaker.operator.conditions.account import other_network
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.interfaces import KubeError, Manifest, Ref, TornDown
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.commands import Applied, Closed, Refused
from perpmaker.operator.observe.values import QuoterFacts, RiskFacts, Unreachable
from perpmaker.operator.reconcile import fleet, publish, workloads
from perpmaker.operator.reconcile.apply import lasting
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
from perpmaker.operator.teardown.table import Note, Proof, Seen, next_step

_STEPS_AT_ONCE: Final = 6

_NOTES: Final[dict[Note, tuple[EventReason, str, bool]]] = {
    Note.ORDERS_CANCELLED: (EventReason.ORDERS_CANCELLED, "the exchange shows no order of ours in {market}", False),
    Note.FLATTENED: (EventReason.FLATTENED, "the position in {market} is closed", False),
    Note.FLATTEN_INCOMPLETE: (
        EventReason.FLATTEN_INCOMPLETE,
        "the position in {market} was not closed within spec.flatten; close the rest at the exchange",
        True,
    ),
    Note.ORPHANED: (EventReason.TEARDOWN_STARTED, "deletionPolicy Orphan: orders and position stay as they are", True),
    Note.FORCED: (
        EventReason.CANCEL_FAILED,
        "released by force: orders in {market} may live; look at the exchange",
        True,
    ),
    Note.GAVE_UP: (
        EventReason.CANNOT_CANCEL_GATEWAY_GONE,
        "given up: nobody was left to cancel orders in {market}; look at the exchange",
        True,
    ),
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One object that is being torn down."""

    body: Manifest
    ref: Ref
    account: Ref
    symbol: str
    uid: str
    policy: DeletionPolicy
    may_have_orders: bool
    is_forced: bool
    risk: str
    quoter: str
    flatten_timeout_s: float
    parsed: MarketMaker | None
    parsed_account: TradingAccount | None


class MakerTeardown:
    """Teardown of every MarketMaker."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._progress: dict[str, Progress] = {}

    async def step(self, body: Manifest, workload: Workload) -> TornDown:
        """Go as far as is possible without waiting."""
        deps, case = self._deps, self._case(body)
        now_s = deps.clock.monotonic_s()
        before = (body.get("status") or {}).get("teardown") or {}
        if not before:
            deps.tell(body, EventReason.TEARDOWN_STARTED, f"deletionPolicy {case.policy.value}")
        step = Step(before.get("step", Step.DRAINING.value))
        started_at = before.get("startedAt") or times.from_ms(deps.clock.now_ms())
        known = self._progress.setdefault(case.uid, Progress(now_s))
        for _ in range(_STEPS_AT_ONCE):
            if step is Step.DONE:
                break
            await self._act(case, step, known, workload)
            following = next_step(step, self._look(case, known, started_at))
            if following.note is not None:
                self._tell(case, following.note)
            if following.step is step:
                break
            if step is Step.FLATTENING:
                known.flatten_is_over = True
            step, known.step_since_s, known.attempts = following.step, deps.clock.monotonic_s(), 0
        await self._publish(case, step, started_at, known)
        if step is not Step.DONE:
            return TornDown(done=False, again_after_s=_pause_s(known))
        deps.tell(body, EventReason.TEARDOWN_FINISHED, f"{case.symbol} is let go")
        self._progress.pop(case.uid, None)
        deps.observer.forget(case.ref)
        deps.rollouts.quoters.done(case.ref)
        deps.waker.wake(case.account, "teardown")
        publish.forget(body)
        return TornDown(done=True)

    def _case(self, body: Manifest) -> _Case:
        deps, ref, meta = self._deps, kinds.ref_of(body), body["metadata"]
        account_name, symbol = acceptance.market_of(body)
        account = Ref(kinds.TRADING_ACCOUNT, ref.namespace, account_name)
        parsed = acceptance.parse_maker(body)
        maker = parsed if isinstance(parsed, MarketMaker) else None
        account_body = deps.world.get(account)
        parsed_account = acceptance.parse_account(account_body) if account_body is not None else None
        policy = (body.get("spec") or {}).get("deletionPolicy", DeletionPolicy.CANCEL_ORDERS.value)
        known = {item.value: item for item in DeletionPolicy}
        return _Case(
            body=body,
            ref=ref,
            account=account,
            symbol=symbol,
            uid=meta["uid"],
            policy=known.get(policy, DeletionPolicy.CANCEL_ORDERS),
            may_have_orders=self._may_have_orders(body, ref, account_name, symbol),
            is_forced=names.is_forced(meta),
            risk=deps.target(account_name, Role.RISK, ref.namespace),
            quoter=deps.target(ref.name, Role.QUOTER, ref.namespace),
            flatten_timeout_s=float(maker.spec.flatten.timeout_seconds) if maker is not None else 0.0,
            parsed=maker,
            parsed_account=parsed_account if isinstance(parsed_account, TradingAccount) else None,
        )

    def _may_have_orders(self, body: Manifest, ref: Ref, account: str, symbol: str) -> bool:
        deps = self._deps
        makers = fleet.makers_of(deps.world, ref.namespace, account)
        claims = fleet.claims_on(makers, symbol) or [acceptance.claim_of(body)]
        if acceptance.winner(claims).uid != body["metadata"]["uid"]:
            return False
        quoter = (body.get("status") or {}).get("quoter") or {}
        if "appliedGeneration" in quoter or "podName" in quoter:
            return True
        live = deps.world.get(workloads.deployment_ref(ref.namespace, ref.name, Role.QUOTER))
        return bool(live is not None and (live.get("spec") or {}).get("replicas"))

    async def _act(self, case: _Case, step: Step, known: Progress, workload: Workload) -> None:
        if case.is_forced:
            return
        leaves_orders = case.policy is DeletionPolicy.ORPHAN or not case.may_have_orders
        match step:
            case Step.DRAINING if case.may_have_orders and case.policy is DeletionPolicy.ORPHAN:
                await self._leave_orders(case, known, workload)
            case Step.DRAINING if not leaves_orders:
                await self._quiet_quoter(case, known, workload)
                await self._close(case, known)
            case Step.CANCELLING_ORDERS:
                await self._close(case, known)
            case Step.FLATTENING:
                await self._flatten(case, known)
            case Step.DELETING_WORKLOAD:
                await self._delete_workload(case, known)
            case Step.VERIFYING if not leaves_orders:
                await self._close(case, known)
            case _:
                pass

    async def _quiet_quoter(self, case: _Case, known: Progress, workload: Workload) -> None:
        """Stop the quoter's proposals; courtesy only, for risk is the authority."""
        if known.drained or not workload.is_running:
            return
        if case.policy is DeletionPolicy.FLATTEN:
            known.drained = await self._set_flatten(case)
        else:
            answer = await self._deps.commands.drain(case.quoter, case.uid)
            known.drained = not isinstance(answer, Unreachable)

    async def _leave_orders(self, case: _Case, known: Progress, workload: Workload) -> None:
        """Tell the quoter to stop without emptying the book; order-state is told by the account's reconciler."""
        if not known.drained:
            known.drained = not workload.is_running or await self._set_on_the_way_out(case, leave_orders=True)
        if case.symbol not in fleet.told_to_leave(self._deps.world, case.account):
            self._deps.waker.wake(case.account, "orphan")

    async def _set_flatten(self, case: _Case) -> bool:
        return await self._set_on_the_way_out(case, flatten=True)

    async def _set_on_the_way_out(self, case: _Case, *, flatten: bool = False, leave_orders: bool = False) -> bool:
        if case.parsed is None or case.parsed_account is None:
            return False
        text = build.quoter_document(
            case.parsed, case.parsed_account, self._deps.settings, flatten=flatten, leave_orders=leave_orders
        )
        answer = await self._deps.commands.apply_quoter(case.quoter, case.parsed.metadata.generation, text)
        return isinstance(answer, Applied)

    async def _close(self, case: _Case, known: Progress) -> None:
        """Close the market and take the exchange's word on what is left; a proof too young to repeat stays as it is."""
        deps, now_s = self._deps, self._deps.clock.monotonic_s()
        if known.proof is Proof.ONCE and now_s - known.proofs_s[0] < APART_S:
            return
        if known.proofs_s and known.proofs_s[-1] >= known.step_since_s and known.proof is Proof.TWICE:
            return
        if elsewhere := self._elsewhere(case):
            known.silent = 0
            known.proofs_s.clear()
            self._failed(case, known, elsewhere)
            return
        answer = await deps.commands.close_market(case.risk, case.symbol, case.uid)
        if isinstance(answer, Refused) and answer.is_unknown:
            # Risk does not have the market, so order-state takes nothing for it either.
            await self._ask_exchange(case, known)
            return
        match answer:
            case Unreachable():
                known.silent += 1
                self._failed(case, known, f"risk: {answer}")
            case Refused():
                known.silent = 0
                self._failed(case, known, f"risk: {answer.text}")
            case Closed(verified_empty=True):
                known.silent, known.is_closed, known.error = 0, True, ""
                known.proofs_s.append(deps.clock.monotonic_s())
            case Closed():
                known.silent, known.is_closed = 0, True
                known.proofs_s.clear()
                self._failed(case, known, f"{answer.remaining} orders are still in doubt")

    def _elsewhere(self, case: _Case) -> str:
        """Why an empty book is no proof: it is that of another network. Empty when there is no such thing."""
        wanted = case.parsed_account.spec.network.value if case.parsed_account is not None else ""
        return other_network(self._deps.observer.account(case.account), wanted)

    async def _ask_exchange(self, case: _Case, known: Progress) -> None:
        deps = self._deps
        gateway = deps.target(case.account.name, Role.GATEWAY, case.ref.namespace)
        answer = await deps.commands.own_open_orders(gateway, case.account.name)
        if isinstance(answer, Refused | Unreachable):
            known.silent += 1
            said = answer.text if isinstance(answer, Refused) else str(answer)
            self._failed(case, known, f"gateway: {said}")
            return
        known.silent, known.is_closed = 0, True
        left = answer.count(case.symbol)
        if left:
            known.proofs_s.clear()
            self._failed(
                case, known, f"{left} orders live in {case.symbol}, which the services do not have; cancel them by hand"
            )
        else:
            known.error = ""
            known.proofs_s.append(deps.clock.monotonic_s())

    def _failed(self, case: _Case, known: Progress, text: str) -> None:
        known.attempts += 1
        known.error = text
        if known.attempts == FAILED_AFTER:
            reason = EventReason.CANNOT_CANCEL_GATEWAY_GONE if self._is_gone(case, known) else EventReason.CANCEL_FAILED
            self._deps.tell(
                case.body, reason, f"orders in {case.symbol} are not proven cancelled: {text}", warning=True
            )

    async def _flatten(self, case: _Case, known: Progress) -> None:
        deps = self._deps
        timed_out = deps.clock.monotonic_s() - known.step_since_s >= case.flatten_timeout_s
        if known.is_flat or timed_out or self._flatten_failed(case):
            await self._close(case, known)
            return
        facts = deps.observer.account(case.account).risk
        market = facts.markets.get(case.symbol) if isinstance(facts, RiskFacts) else None
        if known.proofs_s or known.is_closed or not known.flatten_begun or (market is not None and market.is_closed):
            known.flatten_begun = await self._set_flatten(case)
            if not known.flatten_begun:
                known.error = "the quoter has not taken mode Flatten"
                return
            answer = await deps.commands.open_market(case.risk, case.symbol)
            if isinstance(answer, Refused | Unreachable):
                known.error = f"risk does not open {case.symbol} to close the position"
                return
            known.proofs_s.clear()
            known.is_closed, known.error = False, ""
            await deps.observer.refresh_account(case.account)
        quoter = await deps.observer.refresh_quoter(case.ref)
        if isinstance(quoter, QuoterFacts) and quoter.is_flat:
            known.is_flat = True
            await self._close(case, known)

    def _flatten_failed(self, case: _Case) -> bool:
        risk = self._deps.observer.account(case.account).risk
        is_killed = isinstance(risk, RiskFacts) and risk.trip_of(case.symbol) is not None
        return is_killed or case.parsed is None or case.parsed_account is None

    async def _delete_workload(self, case: _Case, known: Progress) -> None:
        ref = workloads.deployment_ref(case.ref.namespace, case.ref.name, Role.QUOTER)
        live = self._deps.world.get(ref)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        try:
            await self._deps.kube.delete(ref, uid=live["metadata"].get("uid"))
        except KubeError as error:
            problem = lasting(error)
            if problem is None:
                raise
            known.error = problem.message

    def _is_gone(self, case: _Case, known: Progress) -> bool:
        if known.silent < GONE_AFTER:
            return False
        return any(
            self._deps.world.get(workloads.deployment_ref(case.ref.namespace, case.account.name, role)) is None
            for role in (Role.RISK, Role.ORDER_STATE, Role.GATEWAY)
        )

    def _look(self, case: _Case, known: Progress, started_at: str) -> Seen:
        deps, now_s = self._deps, self._deps.clock.monotonic_s()
        namespace, account = case.ref.namespace, case.account.name
        live = deps.world.get(workloads.deployment_ref(namespace, case.ref.name, Role.QUOTER))
        pods = workloads.pods_of(deps, namespace, account, Role.QUOTER, case.ref.name)
        return Seen(
            policy=case.policy,
            may_have_orders=case.may_have_orders,
            proof=known.proof,
            is_closed=known.is_closed,
            is_verified_in_step=bool(known.proofs_s) and known.proofs_s[-1] >= known.step_since_s,
            is_flat=known.is_flat,
            flatten_failed=self._flatten_failed(case),
            flatten_is_over=known.flatten_is_over,
            workload_gone=live is None and not pods,
            services_gone=self._is_gone(case, known),
            is_forced=case.is_forced,
            step_age_s=now_s - known.step_since_s,
            age_s=times.age_s(started_at, deps.clock.now_ms()),
            flatten_timeout_s=case.flatten_timeout_s,
            is_left_alone=known.drained and case.symbol in fleet.told_to_leave(deps.world, case.account),
        )

    def _tell(self, case: _Case, note: Note) -> None:
        told = _NOTES.get(note)
        if told is not None:
            reason, text, warning = told
            self._deps.tell(case.body, reason, text.format(market=case.symbol), warning=warning)

    async def _publish(self, case: _Case, step: Step, started_at: str, known: Progress) -> None:
        problem = None
        if known.attempts >= FAILED_AFTER and known.error:
            reason = Reason.CANNOT_CANCEL_GATEWAY_GONE if self._is_gone(case, known) else Reason.CANCEL_FAILED
            problem = Verdict(reason, f"{known.error}; it is tried again. {BREAK_GLASS}")
        status = teardown_status(
            self._deps.clock.now_ms,
            case.body,
            step=step,
            started_at=started_at,
            attempts=known.attempts,
            error=known.error,
            problem=problem,
        )
        await publish.publish(self._deps, case.body, status)


def _pause_s(known: Progress) -> float:
    if not known.attempts:
        return POLL_S
    return float(min(MAX_PAUSE_S, POLL_S * 2.0 ** min(known.attempts - 1, 10)))
