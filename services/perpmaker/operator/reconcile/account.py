"""A TradingAccount: its services run, know their markets and limits, and say how they are.

The order in one look: the kill switch first, for it must not wait; then the documents, risk before the rest; then
children; then status. A new market is offered to the running gateway before it is written into any file, so that a
symbol that does not exist is refused by a running service and keeps no pod from starting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from perpmaker.api.desired import Revisions
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.tradingaccount import SwitchMode
from perpmaker.operator import acceptance, names
from perpmaker.operator import children as build
from perpmaker.operator import status as documents
from perpmaker.operator.children import parts
from perpmaker.operator.children.objects import owner_of
from perpmaker.operator.conditions import account as account_conditions
from perpmaker.operator.conditions import kill_switch
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.interfaces import Again, Manifest, Ref, TornDown
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.commands import Refused
from perpmaker.operator.observe.observer import AccountTargets
from perpmaker.operator.observe.values import AccountView, GatewayFacts, Unreachable
from perpmaker.operator.reconcile import apply, fleet, workloads
from perpmaker.operator.reconcile.account_status import account_status
from perpmaker.operator.reconcile.account_teardown import AccountTeardown
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.reconcile.kill_switch import acknowledged_trip, rearm, trip_as_wished
from perpmaker.operator.reconcile.publish import publish
from perpmaker.operator.runtime.events import Reason as EventReason

SERVICES: Final = (Role.RISK, Role.ORDER_STATE, Role.GATEWAY)
"""In the order in which they are told of a change: limits are in force before anybody can use them."""
SOON_S: Final = 1.0
_ROUNDS: Final = 3
"""A document that is refused for unknown markets, then for leverage, is offered again without either."""


@dataclass(slots=True)
class _Work:
    """What one look has come to."""

    pending: Verdict | None = None
    problem: Verdict | None = None
    again_s: float | None = None
    workloads: dict[Role, Workload] = field(default_factory=dict)
    limits_in_force: bool = False
    """Whether risk works by the limits of this look."""

    def owe(self, verdict: Verdict | None) -> None:
        """Something may be left to do; the first of it is shown."""
        if verdict is not None:
            self.pending = self.pending or verdict
            self.look_again(SOON_S)

    def wait_for(self, reason: Reason, text: str, again_s: float | None = SOON_S) -> None:
        """Something is left to do; the first of it is shown."""
        self.pending = self.pending or Verdict(reason, text)
        self.look_again(again_s)

    def look_again(self, after_s: float | None) -> None:
        """Look again in this time, if no earlier look is wanted; None leaves it to the resync."""
        if after_s is not None:
            self.again_s = min(self.again_s or after_s, after_s)


class AccountReconciler:
    """Implements `Reconciler` for TradingAccounts."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._teardown = AccountTeardown(deps)

    async def reconcile(self, body: Manifest) -> Again:
        """See Reconciler."""
        deps, ref = self._deps, kinds.ref_of(body)
        makers = fleet.makers_of(deps.world, ref.namespace, ref.name)
        for maker in makers:
            if (text := fleet.refusal_in_status(maker)) and not deps.ledger.refused.get((ref, _symbol(maker))):
                deps.ledger.refuse(ref, _symbol(maker), text)
        work = _Work()
        self._look_at_workloads(ref, work)
        parsed = acceptance.parse_account(body)
        frozen = is_frozen(body)
        accepted = self._accept(parsed)
        self._follow(ref, makers, work)
        if not frozen:
            work.owe(await trip_as_wished(deps, body, "", ref, self._target(ref, Role.RISK)))
        usable = isinstance(parsed, TradingAccount) and accepted.reason is Reason.VALID
        if not frozen and usable and isinstance(parsed, TradingAccount):
            is_new = not work.workloads[Role.GATEWAY].exists
            async with deps.ledger.creating if is_new else nullcontext():
                await self._bring_about(body, ref, parsed, makers, work)
        if not frozen and (trip := acknowledged_trip(deps, body, "", ref)) is not None:
            in_force = work.limits_in_force or not usable
            target = self._target(ref, Role.RISK)
            work.owe(await rearm(deps, body, trip, ref, target, limits_in_force=in_force))
        await self._publish(body, ref, parsed, accepted, makers, work, is_frozen=frozen)
        return Again(work.again_s)

    async def tear_down(self, body: Manifest) -> TornDown:
        """See Reconciler."""
        ref, work = kinds.ref_of(body), _Work()
        self._look_at_workloads(ref, work)
        makers = fleet.makers_of(self._deps.world, ref.namespace, ref.name)
        self._follow(ref, makers, work)
        if is_frozen(body):
            return TornDown(done=False, again_after_s=5.0)
        parsed = acceptance.parse_account(body)
        usable = isinstance(parsed, TradingAccount) and self._accept(parsed).reason is Reason.VALID
        if makers and usable and isinstance(parsed, TradingAccount):
            # Its makers are still to be taken down, for which its services have to be what they should be.
            await self._bring_about(body, ref, parsed, makers, work)
        return await self._teardown.step(body, makers, self._target(ref, Role.RISK), self._target(ref, Role.GATEWAY))

    async def close(self) -> None:
        """Stop observing."""
        await self._deps.observer.close()

    def _accept(self, parsed: TradingAccount | Verdict) -> Verdict:
        return parsed if isinstance(parsed, Verdict) else acceptance.judge_account(parsed, self._deps.settings)

    def _target(self, ref: Ref, role: Role) -> str:
        return self._deps.target(ref.name, role, ref.namespace)

    def _look_at_workloads(self, ref: Ref, work: _Work) -> None:
        for role in (*SERVICES, Role.STORE, Role.VENUE):
            work.workloads[role] = workloads.look(self._deps, ref.namespace, ref.name, role)

    def _follow(self, ref: Ref, makers: Sequence[Manifest], work: _Work) -> None:
        def target(role: Role) -> str | None:
            return self._target(ref, role) if work.workloads[role].is_running else None

        by_market = {_symbol(maker): kinds.ref_of(maker) for maker in reversed(makers)}
        targets = AccountTargets(target(Role.GATEWAY), target(Role.ORDER_STATE), target(Role.RISK))
        self._deps.observer.follow_account(ref, targets, by_market)

    async def _bring_about(
        self, body: Manifest, ref: Ref, account: TradingAccount, makers: Sequence[Manifest], work: _Work
    ) -> None:
        deps = self._deps
        for _ in range(_ROUNDS):
            view = deps.observer.account(ref)
            offered, proven = self._markets(ref, makers, view)
            live = self._live_documents(ref)
            left = fleet.left_alone(deps.world, ref, makers)
            revisions = build.next_revisions(
                account,
                offered,
                deps.settings,
                live=live,
                now_ms=deps.clock.now_ms(),
                applied=_applied(view),
                left_alone=left,
            )
            desired = build.account_children(account, offered, deps.settings, revisions, left)
            texts = build.documents(account, offered, deps.settings, revisions, left)
            refused = await self._push(body, ref, texts, offered, revisions, desired, work)
            if refused is None:
                break
            self._note_refusal(ref, offered, refused)
            for maker in makers:
                if _symbol(maker) in (*refused.markets, *refused.leverage):
                    deps.waker.wake(kinds.ref_of(maker), "symbol")
        written = offered if len(offered) == len(proven) or _all_known(deps, ref, offered) else proven
        if written is not offered:
            # Revisions of their own: what is written may lag behind what the services were told.
            revisions = build.next_revisions(
                account,
                written,
                deps.settings,
                live=self._live_documents(ref),
                now_ms=deps.clock.now_ms(),
                applied=_applied(deps.observer.account(ref)),
                left_alone=left,
            )
            desired = build.account_children(account, written, deps.settings, revisions, left)
        await self._apply(body, ref, account, desired, work)

    def _markets(
        self, ref: Ref, makers: Sequence[Manifest], view: AccountView
    ) -> tuple[list[MarketMaker], list[MarketMaker]]:
        """Makers to tell the services about, and those of them whose symbols the gateway has taken before."""
        deps = self._deps
        written = _markets_of(self._live_documents(ref).get(Role.GATEWAY))
        is_open = isinstance(view.gateway, GatewayFacts)
        offered, proven = [], []
        for maker in makers:
            found = fleet.assess(deps, maker, makers, view)
            if found.documented is None or not found.owns_market:
                continue
            if found.is_terminating and found.symbol not in written:
                continue
            known = found.symbol in written or found.symbol in view.instruments
            if known:
                proven.append(found.documented)
            if known or is_open:
                offered.append(found.documented)
        return offered, proven

    def _live_documents(self, ref: Ref) -> Mapping[Role, Manifest | None]:
        return {
            role: self._deps.world.get(Ref(kinds.CONFIG_MAP, ref.namespace, names.config_map(ref.name, role)))
            for role in SERVICES
        }

    async def _push(
        self,
        body: Manifest,
        ref: Ref,
        texts: Mapping[Role, str],
        makers: Sequence[MarketMaker],
        revisions: Revisions,
        desired: Sequence[Manifest],
        work: _Work,
    ) -> Refused | None:
        """Offer the documents to the services that run; the gateway's refusal, if single markets are to blame."""
        deps, view = self._deps, self._deps.observer.account(ref)
        wanted = {Role.GATEWAY: revisions.gateway, Role.ORDER_STATE: revisions.order_state, Role.RISK: revisions.risk}
        applied = _applied(view)
        changed = False
        for role in SERVICES:
            if role not in applied or not _runs_by(desired, ref, role, work):
                continue
            if applied[role] == wanted[role]:
                self._note(ref, role, texts[role], work)
                continue
            answer = await deps.commands.apply_part(role, self._target(ref, role), wanted[role], texts[role])
            changed = True
            if isinstance(answer, Refused):
                symbols = {maker.spec.market.symbol for maker in makers}
                if role is Role.GATEWAY and symbols & {*answer.markets, *answer.leverage}:
                    return answer
                text = f"{role.value} refuses revision {wanted[role]}: {answer.text}"
                deps.tell(body, EventReason.CONFIG_REJECTED, text, warning=True)
                work.wait_for(Reason.REJECTED, text, None)
            elif isinstance(answer, Unreachable):
                work.wait_for(Reason.PENDING, f"{role.value} has not taken revision {wanted[role]}: {answer}")
            else:
                self._note(ref, role, texts[role], work)
        if changed:
            await deps.observer.refresh_account(ref)
        return None

    def _note_refusal(self, ref: Ref, offered: Sequence[MarketMaker], refused: Refused) -> None:
        for maker in offered:
            symbol = maker.spec.market.symbol
            if symbol in refused.markets:
                self._deps.ledger.refuse(ref, symbol, refused.text)
            if symbol in refused.leverage:
                self._deps.ledger.refuse_leverage(ref, symbol, maker.spec.leverage, refused.text)

    def _note(self, ref: Ref, role: Role, text: str, work: _Work) -> None:
        if role is Role.RISK:
            work.limits_in_force = True
            self._deps.ledger.note_limits(ref, {item["market"]: item for item in json.loads(text)["markets"]})

    async def _apply(
        self,
        body: Manifest,
        ref: Ref,
        account: TradingAccount,
        desired: Sequence[Manifest],
        work: _Work,
    ) -> None:
        deps = self._deps
        replaced = [item for item in desired if apply.replaces_pod(item, deps.world.get(kinds.ref_of(item)))]
        postponed: list[Ref] = []
        if not replaced and any(_is_under_way(work.workloads[role]) for role in SERVICES):
            deps.rollouts.accounts.notice(ref)
        if replaced and not deps.rollouts.accounts.holds(ref):
            if deps.rollouts.accounts.take(ref):
                deps.tell(body, EventReason.ROLLOUT_STARTED, "pods are replaced: what they are started with changed")
            else:
                postponed = [kinds.ref_of(item) for item in replaced]
                work.wait_for(Reason.WAITING, "another account's pods are being replaced")
        outcome = await apply.ensure(deps, body, owner_of(account), desired, postponed=postponed)
        work.problem = outcome.worst
        if outcome.changed:
            self._look_at_workloads(ref, work)
            if not postponed and body.get("status") is None:
                deps.tell(body, EventReason.CREATED, f"{len(desired)} objects are made for the account")
        self._finish_rollout(body, ref, work)

    def _finish_rollout(self, body: Manifest, ref: Ref, work: _Work) -> None:
        slot = self._deps.rollouts.accounts
        if not slot.holds(ref):
            return
        if all(work.workloads[role].is_available for role in SERVICES):
            slot.done(ref)
            self._deps.tell(body, EventReason.ROLLOUT_FINISHED, "all pods run the wanted version")
        else:
            work.wait_for(Reason.PROGRESSING, "pods are being replaced")

    async def _publish(
        self,
        body: Manifest,
        ref: Ref,
        parsed: TradingAccount | Verdict,
        accepted: Verdict,
        makers: Sequence[Manifest],
        work: _Work,
        *,
        is_frozen: bool,
    ) -> None:
        deps, view = self._deps, self._deps.observer.account(ref)
        before = body.get("status") or {}
        account = parsed if isinstance(parsed, TradingAccount) else None
        latch = kill_switch.judge(view.risk, "", before.get("killSwitch") or {})
        seen = account_conditions.AccountObserved(
            accepted=accepted,
            network=account.spec.network.value if account is not None else "",
            view=view,
            gateway=work.workloads[Role.GATEWAY],
            order_state=work.workloads[Role.ORDER_STATE],
            risk=work.workloads[Role.RISK],
            store=work.workloads[Role.STORE] if account is None or parts.has_managed_store(account) else None,
            venue=work.workloads[Role.VENUE] if account is not None and parts.is_simulated(account) else None,
            switch_wanted=account is None or account.spec.dead_mans_switch.mode is SwitchMode.ENABLED,
            has_markets=bool(view.instruments),
            kill_switch=latch,
            now_ms=deps.clock.now_ms(),
            work=work.pending or _starting(work),
            stalled=work.problem or (accepted if accepted.reason is not Reason.VALID else None),
            is_frozen=is_frozen,
        )
        status = account_status(deps, body, view, account_conditions.judge(seen))
        status["marketMakers"] = len(makers)
        work.look_again(
            documents.summary_due_s(
                status.get("summary", {}), now_ms=deps.clock.now_ms(), every_s=deps.settings.summary_seconds
            )
        )
        rotated = before.get("apiWalletAddress"), status.get("apiWalletAddress")
        await publish(deps, body, status)
        if rotated[0] and rotated[1] and rotated[0] != rotated[1]:
            deps.tell(body, EventReason.CREDENTIALS_ROTATED, f"the gateway signs as {rotated[1]}, before {rotated[0]}")


def _is_under_way(workload: Workload) -> bool:
    return workload.exists and workload.reason is Reason.PROGRESSING


def is_frozen(body: Manifest) -> bool:
    """Whether a person has told the operator to leave the object alone."""
    annotations = body["metadata"].get("annotations") or {}
    return bool(annotations.get(names.RECONCILE) == names.DISABLED)


def _symbol(maker: Manifest) -> str:
    return acceptance.market_of(maker)[1]


def _applied(view: AccountView) -> dict[Role, int]:
    answers = {Role.GATEWAY: view.gateway, Role.ORDER_STATE: view.order_state, Role.RISK: view.risk}
    return {role: answer.applied_revision for role, answer in answers.items() if not isinstance(answer, Unreachable)}


def _markets_of(config_map: Manifest | None) -> frozenset[str]:
    text = ((config_map or {}).get("data") or {}).get(names.PART_FILE, "{}")
    try:
        return frozenset(json.loads(text).get("markets", ()))
    except ValueError:
        return frozenset()


def _runs_by(desired: Sequence[Manifest], ref: Ref, role: Role, work: _Work) -> bool:
    """Whether the running pod was started with what only a start can change; otherwise it will be replaced."""
    wanted = workloads.deployment_ref(ref.namespace, ref.name, role)
    manifest = next((item for item in desired if kinds.ref_of(item) == wanted), None)
    return manifest is not None and apply.template_hash(manifest) == work.workloads[role].config_hash


def _all_known(deps: Deps, ref: Ref, offered: Sequence[MarketMaker]) -> bool:
    told = deps.observer.account(ref).instruments
    return all(maker.spec.market.symbol in told for maker in offered)


def _starting(work: _Work) -> Verdict | None:
    for role in SERVICES:
        if work.workloads[role].reason is Reason.PROGRESSING:
            return Verdict(Reason.PROGRESSING, work.workloads[role].message)
    return None
