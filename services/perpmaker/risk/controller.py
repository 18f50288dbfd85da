"""From facts to effects: evaluates, publishes, trips, empties. The one place that changes the record.

A kill takes the same path whoever asks for it, a check or a person: latch, killed permission to every reader, gateway
disarmed and books emptied until that is proven. The latch goes to disk meanwhile, and whoever asked is answered when it
is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from perpmaker.api.parts import RiskPart
from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.risk import metrics
from perpmaker.risk import record as records
from perpmaker.risk.evaluate import Evaluation, MarketEvaluation, evaluate
from perpmaker.risk.executor import Executor
from perpmaker.risk.facts import Facts
from perpmaker.risk.feed import PermissionFeed
from perpmaker.risk.finding import Finding, Severity
from perpmaker.risk.keeper import Keeper
from perpmaker.risk.latch import ACCOUNT, LatchState
from perpmaker.risk.monitors.position import POSITION_LIMIT
from perpmaker.risk.sizing import SideScales

WATCHDOG_S: Final = 0.25
"""An evaluation happens at least this often, whatever the streams do."""
COALESCE_S: Final = 0.02
"""Events within this time share one evaluation."""
LIQUIDATION: Final = "liquidation"

_log = logs.get(__name__)


class Controller:
    """Decides and has it carried out."""

    def __init__(
        self,
        part: RiskPart,
        clock: Clock,
        facts: Facts,
        keeper: Keeper,
        executor: Executor,
        feed: PermissionFeed,
        *,
        new_trip_id: Callable[[], str],
    ) -> None:
        self._part = part
        self._limits = {market.market: market for market in part.markets}
        self._clock = clock
        self._facts = facts
        self._keeper = keeper
        self._executor = executor
        self._feed = feed
        self._new_trip_id = new_trip_id
        self._scales: dict[str, SideScales] = {}
        self._over_limit: set[str] = set()
        self._newcomers: set[str] = set()
        self._pulls: dict[str, str] = {}
        self._pull_number = 0
        self._trip_started_ns: dict[str, int] = {}
        self._severities: dict[tuple[str, str], Severity] = {}
        self._wake = asyncio.Event()
        self._export_due_s = clock.monotonic_s()
        self.last_kill_latency_us = 0
        self.evaluation: Evaluation | None = None

    @property
    def markets(self) -> tuple[str, ...]:
        """Markets served now."""
        return tuple(self._limits)

    def apply(self, part: RiskPart) -> None:
        """Judge by these limits from now on, these markets and no others.

        Latches, closed markets and the days' P&L stay, also those of markets that go: one that returns finds them.
        """
        before = self._limits
        self._part = part
        self._limits = {market.market: market for market in part.markets}
        self._facts.serve(self._limits)
        for market in before.keys() - self._limits.keys():
            self._let_go(market)
        added = [market for market in self._limits if market not in before]
        self._newcomers = (self._newcomers & self._limits.keys()) | set(added)
        self.assert_arming(added)
        self.evaluate()

    def _let_go(self, market: str) -> None:
        self._scales.pop(market, None)
        self._pulls.pop(market, None)
        for key in [key for key in self._severities if key[0] == market]:
            del self._severities[key]
        self._feed.withdraw(market)
        # Order-state empties a market that it lets go; only a kill is followed to its proof from here.
        self._executor.require(market, self._own_trip_id(market), 0, is_served=False)
        metrics.forget(market)

    def _own_trip_id(self, market: str) -> str | None:
        latch = self._keeper.record.latch(market)
        return latch.trip_id if latch.is_latched else None

    def wake(self) -> None:
        """Something was heard: evaluate soon."""
        self._wake.set()

    async def run(self) -> None:
        """Evaluate after every event, events in quick succession together, and at least every 250 ms."""
        while True:
            try:
                async with asyncio.timeout(WATCHDOG_S):
                    await self._wake.wait()
                    await asyncio.sleep(COALESCE_S)
            except TimeoutError:
                pass
            self._wake.clear()
            self.evaluate()

    def evaluate(self) -> Evaluation:
        """Judge the facts of this moment and set everything in motion that follows."""
        if self._keeper.is_loaded:
            self._keeper.days = self._facts.observe_days(self._keeper.days)
        days = self._keeper.days
        states = {
            market: self._facts.market_state(limits, days, was_over_limit=market in self._over_limit)
            for market, limits in self._limits.items()
        }
        account = self._facts.account_risk(
            states, days, store_live=self._keeper.store_live, verified_fresh=self._keeper.verified_fresh
        )
        evaluation = evaluate(states, account, self._part.limits, self._limits, self._keeper.record, self._scales)
        self.evaluation = evaluation
        self._over_limit = {m for m, judged in evaluation.markets.items() if POSITION_LIMIT in judged.verdict.reasons}
        for market, judged in evaluation.markets.items():
            self._scales[market] = judged.scales
            self._feed.offer(market, judged.permission)
        self._newcomers -= {market for market, judged in evaluation.markets.items() if _is_heard(judged)}
        self._require_empty_books(evaluation)
        self._note_emptied()
        self._note_changes(evaluation)
        self._export(evaluation)
        for kill in evaluation.kills:
            # A trip evaluates again and may have carried out the rest of this list.
            if not self._keeper.record.latch(kill.market).is_latched:
                self.trip(kill.market, kill.reason, cause=kill.reason.split(",")[0])
        if self._facts.liquidated:
            self._facts.liquidated = False
            self.trip(ACCOUNT, LIQUIDATION, cause=LIQUIDATION)
        return self.evaluation

    def _export(self, evaluation: Evaluation) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._export_due_s:
            self._export_due_s = now_s + WATCHDOG_S
            metrics.export(evaluation, self._keeper.record)
            metrics.STORE_UP.set(self._keeper.store_live)

    def trip(self, scope: str, reason: str, *, cause: str = "manual") -> str:
        """Latch a scope and begin to empty it. Returns the trip's id, the latched one when it was latched before."""
        started_ns = self._clock.monotonic_ns()
        known = self._keeper.record.latch(scope).is_latched
        trip_id, now_ms = self._new_trip_id(), self._clock.now_ms()
        self._keeper.tighten(lambda record: records.trip(record, scope, trip_id, reason, now_ms))
        latched_id = self._keeper.record.latch(scope).trip_id
        self._trip_started_ns[latched_id] = started_ns
        self._executor.disarm(scope, "killed")
        if known:
            for market in self.markets_of(scope):
                self._executor.prove_again(market)
        else:
            _log.critical("kill.triggered", market=scope, trip_id=latched_id, reasons=reason)
            metrics.TRIPS.labels("market" if scope else "account", cause).inc()
        self.evaluate()
        return latched_id

    async def rearm(self, trip_id: str) -> bool:
        """Release the latch that carries this trip. Returns whether this call did.

        A cause that persists trips again at the next evaluation. Raises UnknownTripError, TripNotExecutedError,
        StoreUnavailableError.
        """
        released = records.acknowledge(self._keeper.record, trip_id)[1]
        if not released:
            return False
        scope = records.scope_of(self._keeper.record, trip_id)
        await self._keeper.loosen(lambda record: records.acknowledge(record, trip_id)[0])
        if scope is not None:
            self._executor.arm(scope)
        _log.warning("kill.rearmed", market=scope, trip_id=trip_id)
        self.evaluate()
        return True

    def close(self, market: str, drain_id: str) -> None:
        """Close a market and begin to empty it."""
        self._keeper.tighten(lambda record: records.close(record, market, drain_id))
        self.evaluate()
        self._executor.prove_again(market)

    async def reopen(self, market: str) -> None:
        """Let a closed market trade again. Raises StoreUnavailableError."""
        if market in self._keeper.record.closed:
            await self._keeper.loosen(lambda record: records.reopen(record, market))
            self.evaluate()

    def on_empty(self, market: str) -> None:
        """A market was proven empty."""
        _log.debug("market.empty", market=market)
        self._note_emptied()
        self.wake()

    def _note_emptied(self) -> None:
        """Latches all of whose markets are proven empty are executed; an account without markets is empty."""
        for scope in self._keeper.record.latched_scopes():
            latch = self._keeper.record.latch(scope)
            if latch.state is not LatchState.TRIPPED:
                continue
            if all(self._executor.is_empty(name) for name in self.markets_of(scope)):
                self._note_executed(latch.trip_id)

    def assert_arming(self, scopes: Iterable[str] | None = None) -> None:
        """Tell the gateway which scopes are latched and which are not; all of them when it (again) answers."""
        for scope in (ACCOUNT, *self._limits) if scopes is None else scopes:
            if self._keeper.record.latch(scope).is_latched:
                self._executor.disarm(scope, "killed")
            else:
                self._executor.arm(scope)

    def markets_of(self, scope: str) -> Iterable[str]:
        """Markets that a latch covers."""
        return (scope,) if scope else tuple(self._limits)

    @property
    def is_ready(self) -> bool:
        """Whether every source of every market has been heard and is live.

        A market that came while this process runs counts from when it was first heard: until then it is closed, which
        says nothing about the others.
        """
        if self.evaluation is None or any(f.check == "sources" for f in self.evaluation.account_findings):
            return False
        return all(_is_heard(judged) for m, judged in self.evaluation.markets.items() if m not in self._newcomers)

    def _require_empty_books(self, evaluation: Evaluation) -> None:
        for market, judged in evaluation.markets.items():
            record = self._keeper.record
            drain_id = record.trip_id_for(market) or record.closed.get(market) or self._pull_id(market, evaluation)
            if self._executor.require(market, drain_id, judged.state.pending.open_orders):
                self._doubt_emptiness(market)
        for scope in self._keeper.record.latched_scopes():
            if scope and scope not in self._limits:
                self._executor.require(scope, self._own_trip_id(scope), 0, is_served=False)

    def _pull_id(self, market: str, evaluation: Evaluation) -> str | None:
        if market not in evaluation.pulls:
            self._pulls.pop(market, None)
            return None
        if market not in self._pulls:
            self._pull_number += 1
            self._pulls[market] = f"pull-{market}-{self._clock.now_ms()}-{self._pull_number}"
        return self._pulls[market]

    def _note_executed(self, trip_id: str) -> None:
        started_ns = self._trip_started_ns.pop(trip_id, None)
        if started_ns is not None:
            latency_ns = self._clock.monotonic_ns() - started_ns
            self.last_kill_latency_us = latency_ns // 1000
            metrics.KILL_SECONDS.observe(latency_ns / 1e9)
        _log.warning("kill.executed", trip_id=trip_id, latency_us=self.last_kill_latency_us)
        self._keeper.tighten(lambda record: records.verified_empty(record, trip_id))

    def _doubt_emptiness(self, market: str) -> None:
        for scope in (ACCOUNT, market):
            if self._keeper.record.latch(scope).state is LatchState.HALTED:
                _log.error("kill.orders_seen_live", market=market)
                self._keeper.tighten(partial(records.in_doubt, scope=scope))

    def _note_changes(self, evaluation: Evaluation) -> None:
        for market, findings in (
            (ACCOUNT, evaluation.account_findings),
            *((market, judged.findings) for market, judged in evaluation.markets.items()),
        ):
            self._note_findings(market, findings)

    def _note_findings(self, market: str, findings: Iterable[Finding]) -> None:
        worst: dict[str, Finding] = {}
        for finding in findings:
            if finding.check not in worst or finding.severity > worst[finding.check].severity:
                worst[finding.check] = finding
        for key in [key for key in self._severities if key[0] == market and key[1] not in worst]:
            worst[key[1]] = Finding(key[1], key[1], detail="no longer applies")
        for check, finding in worst.items():
            if self._severities.get((market, check), Severity.NONE) == finding.severity:
                continue
            self._severities[market, check] = finding.severity
            metrics.count_check(finding.severity, check)
            level = "info" if finding.severity < Severity.MEDIUM else "warning"
            getattr(_log, level)(
                "risk.state_change",
                market=market,
                check=check,
                reason=finding.reason,
                severity=finding.severity.name.lower(),
                detail=finding.detail,
            )


def _is_heard(judged: MarketEvaluation) -> bool:
    return judged.state.book_age_ms is not None and all(f.check != "sources" for f in judged.findings)
