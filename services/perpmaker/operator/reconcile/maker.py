"""A MarketMaker: its quoter runs by the accepted spec, its market is open or closed as the mode says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from perpmaker.api.desired import Revisions
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.marketmaker import Mode
from perpmaker.operator import acceptance, times
from perpmaker.operator import children as build
from perpmaker.operator import status as documents
from perpmaker.operator.children.objects import owner_of
from perpmaker.operator.conditions import findings, kill_switch
from perpmaker.operator.conditions import maker as maker_conditions
from perpmaker.operator.conditions.maker import Configured, Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.interfaces import Again, Manifest, Ref, TornDown
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.commands import Closed, Refused
from perpmaker.operator.observe.values import QuoterFacts, RiskFacts, Unreachable
from perpmaker.operator.reconcile import apply, fleet, workloads
from perpmaker.operator.reconcile.account import is_frozen
from perpmaker.operator.reconcile.account_status import ready_verdict
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.reconcile.fleet import Assessed
from perpmaker.operator.reconcile.kill_switch import acknowledged_trip, rearm, trip_as_wished
from perpmaker.operator.reconcile.maker_teardown import MakerTeardown
from perpmaker.operator.reconcile.publish import publish
from perpmaker.operator.runtime.events import Reason as EventReason

SOON_S: Final = 1.0
LIMITS_FIRST_S: Final = 0.7
"""How long a change waits for risk to have the limits that go with it. Without them risk merely refuses more."""
REFUSED_AGAIN_S: Final = 30.0
BACK_WITHIN_S: Final = 30.0
"""How long the next market waits for a replaced quoter to quote. It may have reasons of its own not to."""

_RISKLESS: Final = frozenset({Mode.PAUSED, Mode.SHADOW})


@dataclass(slots=True)
class _Memory:
    """What is remembered of one maker from one look to the next."""

    rejected: tuple[str, str, float] = ("", "", 0.0)
    """Document that the quoter refused, its words, when."""
    paused_for: int = 0
    """Generation for which the market was seen closed and empty."""


@dataclass(slots=True)
class _Work:
    """What one look has come to."""

    workload: Workload
    pending: Verdict | None = None
    problem: Verdict | None = None
    again_s: float | None = None
    rejection: str = ""

    def wait_for(self, verdict: Verdict | None, again_s: float | None = SOON_S) -> None:
        """Something is left to do; the first of it is shown."""
        if verdict is None:
            return
        self.pending = self.pending or verdict
        self.look_again(again_s)

    def look_again(self, after_s: float | None) -> None:
        """Look again in this time, if no earlier look is wanted; None leaves it to the resync."""
        if after_s is not None:
            self.again_s = min(self.again_s or after_s, after_s)


class MakerReconciler:
    """Implements `Reconciler` for MarketMakers."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._memory: dict[str, _Memory] = {}
        self._teardown = MakerTeardown(deps)

    async def reconcile(self, body: Manifest) -> Again:
        """See Reconciler."""
        deps, ref = self._deps, kinds.ref_of(body)
        account_name, symbol = acceptance.market_of(body)
        account_ref = Ref(kinds.TRADING_ACCOUNT, ref.namespace, account_name)
        account_body = deps.world.get(account_ref)
        risk_target = deps.target(account_name, Role.RISK, ref.namespace)
        makers = fleet.makers_of(deps.world, ref.namespace, account_name)
        found = fleet.assess(deps, body, makers, deps.observer.account(account_ref))
        work = _Work(workloads.look(deps, ref.namespace, account_name, Role.QUOTER, ref.name))
        self._follow(ref, work)
        ready = ready_verdict(account_body, account_name)
        frozen = is_frozen(body)
        if not frozen:
            if found.owns_market and self._has_market(account_ref, symbol):
                work.wait_for(await trip_as_wished(deps, body, symbol, account_ref, risk_target))
                work.wait_for(await self._rearm(found, account_body, account_ref, risk_target))
                work.wait_for(await self._open_or_close(found, account_ref, risk_target))
            account = _usable(account_body, deps)
            if found.runs is not None and account is not None:
                is_new = deps.world.get(workloads.deployment_ref(ref.namespace, ref.name, Role.QUOTER)) is None
                async with deps.ledger.creating if is_new else nullcontext():
                    await self._bring_about(found, found.runs, account, account_ref, ready, work)
        await self._publish(found, account_ref, ready, work, is_frozen=frozen)
        return Again(work.again_s)

    async def tear_down(self, body: Manifest) -> TornDown:
        """See Reconciler."""
        if is_frozen(body):
            return TornDown(done=False, again_after_s=5.0)
        ref = kinds.ref_of(body)
        account_name, _symbol = acceptance.market_of(body)
        work = _Work(workloads.look(self._deps, ref.namespace, account_name, Role.QUOTER, ref.name))
        self._follow(ref, work)
        outcome = await self._teardown.step(body, work.workload)
        if outcome.done:
            self._memory.pop(body["metadata"].get("uid", ""), None)
        return outcome

    def _follow(self, ref: Ref, work: _Work) -> None:
        target = self._deps.target(ref.name, Role.QUOTER, ref.namespace)
        self._deps.observer.follow_quoter(ref, target if work.workload.is_running else None)

    def _has_market(self, account: Ref, symbol: str) -> bool:
        risk = self._deps.observer.account(account).risk
        return not isinstance(risk, RiskFacts) or symbol in risk.markets

    async def _rearm(
        self, found: Assessed, account_body: Manifest | None, account_ref: Ref, target: str
    ) -> Verdict | None:
        """Release the trip that the spec acknowledges, once risk works by the limits of that spec."""
        deps = self._deps
        trip = acknowledged_trip(deps, found.body, found.symbol, account_ref)
        if trip is None:
            return None
        account = _usable(account_body, deps)
        in_force = True
        # Otherwise nobody offers risk other limits than it has.
        if (
            found.documented is not None
            and account is not None
            and account_body is not None
            and not is_frozen(account_body)
        ):
            in_force = await self._limits_in_force(found, found.documented, account, account_ref)
        return await rearm(deps, found.body, trip, account_ref, target, limits_in_force=in_force)

    async def _limits_in_force(
        self, found: Assessed, runs: MarketMaker, account: TradingAccount, account_ref: Ref
    ) -> bool:
        """Wait a moment until risk works by a maker's limits."""
        deps = self._deps
        deps.waker.wake(account_ref, "limits")
        limits = json.loads(build.documents(account, [runs], deps.settings, Revisions())[Role.RISK])["markets"][0]
        return await deps.ledger.limits_in_force(account_ref, found.symbol, limits, LIMITS_FIRST_S)

    async def _open_or_close(self, found: Assessed, account: Ref, target: str) -> Verdict | None:
        """Close the market in mode Paused, open it in every other; the newest wish counts, accepted or not."""
        deps, body = self._deps, found.body
        meta = body["metadata"]
        memory = self._memory.setdefault(meta["uid"], _Memory())
        risk = deps.observer.account(account).risk
        if not isinstance(risk, RiskFacts):
            return Verdict(Reason.WAITING, f"mode is Paused, and risk: {risk}") if _wants_pause(body) else None
        is_closed = risk.markets[found.symbol].is_closed if found.symbol in risk.markets else False
        if not _wants_pause(body):
            memory.paused_for = 0
            if not is_closed:
                return None
            opened = await deps.commands.open_market(target, found.symbol)
            await deps.observer.refresh_account(account)
            if isinstance(opened, Refused | Unreachable):
                said = opened.text if isinstance(opened, Refused) else str(opened)
                return Verdict(Reason.WAITING, f"the market is closed, and risk does not open it: {said}")
            deps.tell(body, EventReason.RESUMED, f"{found.symbol} is open again")
            return None
        generation = meta.get("generation", 1)
        if is_closed and memory.paused_for:
            return None
        answer = await deps.commands.close_market(target, found.symbol, f"{meta['uid']}-{generation}")
        await deps.observer.refresh_account(account)
        if isinstance(answer, Closed) and answer.verified_empty:
            memory.paused_for = generation
            if not is_closed:
                deps.tell(body, EventReason.PAUSED, f"{found.symbol} is closed; the exchange shows no order of ours")
            return None
        if isinstance(answer, Closed):
            return Verdict(Reason.WAITING, f"mode is Paused; {answer.remaining} orders are still in doubt")
        said = answer.text if isinstance(answer, Refused) else str(answer)
        return Verdict(Reason.WAITING, f"mode is Paused, and risk has not closed the market: {said}")

    async def _bring_about(
        self, found: Assessed, runs: MarketMaker, account: TradingAccount, account_ref: Ref, ready: Verdict, work: _Work
    ) -> None:
        deps, ref = self._deps, found.ref
        live = deps.world.get(workloads.deployment_ref(ref.namespace, ref.name, Role.QUOTER))
        started = bool(live is not None and (live.get("spec") or {}).get("replicas"))
        missing = self._not_yet(found, account_ref, ready)
        running = started or missing is None
        if not running:
            work.wait_for(missing, None)
        desired = list(build.maker_children(runs, account, deps.settings, running=running))
        if running:
            # Not before: until the market's rules and price are known, acceptance is provisional.
            desired = fleet.remember_accepted(desired, runs)
        wanted = next(item for item in desired if item["kind"] == kinds.DEPLOYMENT.kind)
        # Before anything is written: a hot change must reach the quoter whatever the API server does.
        if apply.template_hash(wanted) == work.workload.config_hash:
            await self._push(found, runs, account, account_ref, work)
        postponed = self._postpone(found, runs, wanted, live, account_ref, work)
        outcome = await apply.ensure(deps, found.body, owner_of(runs), desired, postponed=postponed)
        work.problem = outcome.worst
        if outcome.changed:
            account_name = account.metadata.name
            work.workload = workloads.look(deps, ref.namespace, account_name, Role.QUOTER, ref.name)
            self._tell_applied(found, runs, outcome.changed, live is None)
        self._finish_rollout(found, runs, work)

    def _not_yet(self, found: Assessed, account: Ref, ready: Verdict) -> Verdict | None:
        """Why the quoter is not to be started yet; None when it may."""
        view = self._deps.observer.account(account)
        if ready.reason is not Reason.READY:
            return Verdict(Reason.ACCOUNT_NOT_READY, ready.message)
        risk = view.risk.markets.get(found.symbol) if isinstance(view.risk, RiskFacts) else None
        if found.symbol not in view.instruments or risk is None:
            return Verdict(Reason.WAITING, f"the account's services do not know {found.symbol} yet")
        if risk.mark_px_e8 <= 0:
            return Verdict(Reason.WAITING, f"no price of {found.symbol} has been seen yet")
        return None

    def _tell_applied(self, found: Assessed, runs: MarketMaker, changed: int, is_new: bool) -> None:
        reason = EventReason.CREATED if is_new else EventReason.APPLIED
        text = f"{changed} objects for generation {runs.metadata.generation}"
        self._deps.tell(found.body, reason, f"{text} were {'made' if is_new else 'changed'}")

    def _postpone(
        self,
        found: Assessed,
        runs: MarketMaker,
        wanted: Manifest,
        live: Manifest | None,
        account: Ref,
        work: _Work,
    ) -> list[Ref]:
        slot = self._deps.rollouts.quoters
        if not apply.replaces_pod(wanted, live):
            if live is not None and live["spec"].get("replicas") and not self._is_back(found, runs, work):
                slot.notice(found.ref)
            return []
        if slot.holds(found.ref):
            return []
        if self._deps.rollouts.accounts.is_wanted_by(account):
            # A quoter that comes before its services would stop quoting twice, and they serve its last cancels.
            work.wait_for(Verdict(Reason.WAITING, "the account's pods are replaced first"))
            return [kinds.ref_of(wanted)]
        if not slot.take(found.ref, 0 if runs.spec.mode in _RISKLESS else 1):
            work.wait_for(Verdict(Reason.WAITING, "another market's quoter is being replaced"))
            return [kinds.ref_of(wanted)]
        text = f"generation {runs.metadata.generation}: the quoter's pod is replaced; its orders are cancelled"
        self._deps.tell(found.body, EventReason.ROLLOUT_STARTED, text)
        return []

    def _finish_rollout(self, found: Assessed, runs: MarketMaker, work: _Work) -> None:
        slot = self._deps.rollouts.quoters
        if not slot.holds(found.ref):
            return
        if not work.workload.is_available:
            work.wait_for(Verdict(Reason.PROGRESSING, work.workload.message))
        elif not self._is_back(found, runs, work) and slot.held_s() < BACK_WITHIN_S:
            work.wait_for(Verdict(Reason.PROGRESSING, f"{work.workload.message} and does not quote yet"))
        elif slot.done(found.ref):
            self._deps.tell(found.body, EventReason.ROLLOUT_FINISHED, work.workload.message)

    def _is_back(self, found: Assessed, runs: MarketMaker, work: _Work) -> bool:
        """Whether the quoter does what it is there for, as far as is known."""
        quoter = self._deps.observer.quoter(found.ref)
        quotes = isinstance(quoter, QuoterFacts) and quoter.is_quoting
        return work.workload.is_available and (quotes or runs.spec.mode in _RISKLESS)

    async def _push(
        self, found: Assessed, runs: MarketMaker, account: TradingAccount, account_ref: Ref, work: _Work
    ) -> None:
        deps, ref = self._deps, found.ref
        quoter = deps.observer.quoter(ref)
        generation = runs.metadata.generation
        if not isinstance(quoter, QuoterFacts) or quoter.applied_generation == generation:
            return
        memory = self._memory.setdefault(found.body["metadata"]["uid"], _Memory())
        text = build.quoter_document(runs, account, deps.settings)
        now_s = deps.clock.monotonic_s()
        if memory.rejected[0] == text and now_s - memory.rejected[2] < REFUSED_AGAIN_S:
            work.rejection = memory.rejected[1]
            return
        await self._limits_in_force(found, runs, account, account_ref)
        target = deps.target(ref.name, Role.QUOTER, ref.namespace)
        answer = await deps.commands.apply_quoter(target, generation, text)
        if isinstance(answer, Refused):
            memory.rejected = (text, answer.text, now_s)
            work.rejection = answer.text
        elif isinstance(answer, Unreachable):
            work.wait_for(Verdict(Reason.PENDING, f"generation {generation} is not applied: {answer}"))
        else:
            await deps.observer.refresh_quoter(ref)

    async def _publish(self, found: Assessed, account: Ref, ready: Verdict, work: _Work, *, is_frozen: bool) -> None:
        deps, body = self._deps, found.body
        view, quoter = deps.observer.account(account), deps.observer.quoter(found.ref)
        before: Mapping[str, Any] = body.get("status") or {}
        now_ms, generation = deps.clock.now_ms(), body["metadata"].get("generation", 1)
        judged = maker_conditions.judge(
            maker_conditions.MakerObserved(
                mode=_mode(body),
                market=found.symbol,
                accepted=found.verdict,
                account=ready,
                workload=work.workload,
                config=Configured(generation, work.rejection),
                quoter=quoter,
                risk=view.risk,
                kill_switch=kill_switch.judge(view.risk, found.symbol, before.get("killSwitch") or {}),
                work=work.pending or _progress(work),
                stalled=work.problem or _stalled_by(found.verdict),
                is_frozen=is_frozen,
            )
        )
        status = {
            "observedGeneration": generation,
            "conditions": findings.conditions(
                judged, before.get("conditions") or (), generation=generation, now=times.from_ms(now_ms)
            ),
            "market": documents.market_facts(view.instruments.get(found.symbol), before.get("market") or {}),
            "quoter": documents.quoter_facts(work.workload, quoter, before.get("quoter") or {}),
            "summary": documents.settled_summary(
                documents.maker_summary(view, quoter, found.symbol) if found.owns_market else {},
                before.get("summary") or {},
                now_ms=now_ms,
                every_s=deps.settings.summary_seconds,
            ),
            "killSwitch": kill_switch.mirror(view.risk, found.symbol, before.get("killSwitch") or {}),
        }
        work.look_again(
            documents.summary_due_s(status["summary"], now_ms=now_ms, every_s=deps.settings.summary_seconds)
        )
        await publish(deps, body, {key: value for key, value in status.items() if value not in (None, {})})


def _usable(account_body: Manifest | None, deps: Deps) -> TradingAccount | None:
    """The account, if children can be built for it."""
    if account_body is None:
        return None
    parsed = acceptance.parse_account(account_body)
    if isinstance(parsed, Verdict) or acceptance.judge_account(parsed, deps.settings).reason is not Reason.VALID:
        return None
    return parsed


def _mode(body: Manifest) -> Mode:
    text = (body.get("spec") or {}).get("mode", Mode.ACTIVE.value)
    return Mode(text) if text in {mode.value for mode in Mode} else Mode.ACTIVE


def _wants_pause(body: Manifest) -> bool:
    return _mode(body) is Mode.PAUSED


def _progress(work: _Work) -> Verdict | None:
    if work.workload.reason is Reason.PROGRESSING:
        return Verdict(Reason.PROGRESSING, work.workload.message)
    return None


def _stalled_by(verdict: Verdict) -> Verdict | None:
    return verdict if verdict.reason is not Reason.VALID else None
