"""The quoter at work: wakes when something changed, decides once on the newest state, sends at most one plan.

Guarantees: events between two cycles coalesce into one; no cycle runs while a plan's verdicts are outstanding;
readiness and status always describe the newest decision.
"""

from __future__ import annotations

import asyncio
from typing import Final

from grpc import aio

from perpmaker.api.parts import QuoterPart
from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.common.service import Endpoint
from perpmaker.quoter.decide import Decision, State, View, decide
from perpmaker.quoter.gate import Gate, Standing
from perpmaker.quoter.metrics import QuoterMetrics
from perpmaker.quoter.plan import Reason
from perpmaker.quoter.settings import Settings, settings_from
from perpmaker.quoter.sight import Sight
from perpmaker.quoter.submitter import Submitter
from perpmaker.quoter.two_sided import TwoSided
from perpmaker.quoter.values import Side

TICK_S: Final = 0.1
"""Longest time between cycles: throttles, pauses and ages end without an event."""

_log = logs.get(__name__)


class OutdatedGenerationError(ValueError):
    """A configuration older than the one in force."""

    def __init__(self, offered: int, applied: int) -> None:
        super().__init__(f"generation {offered} is older than {applied}, which is in force")
        self.offered = offered
        self.applied = applied


class NeedsRestartError(ValueError):
    """A field changed that only a restart can change."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(f"only a restart changes: {', '.join(fields)}")
        self.fields = fields


_FIXED_FIELDS: Final = ("account", "name", "market", "gateway_target", "order_state_target", "risk_target")
"""Besides `endpoint`, of which only the log level may change."""


class Desk:
    """One market's cycle and everything that can be asked about it."""

    def __init__(self, part: QuoterPart, orders_channel: aio.Channel, clock: Clock) -> None:
        """Raises SettingsError when the part contradicts itself."""
        self._part = part
        self._clock = clock
        self._settings: Settings = settings_from(part)
        self._woken = asyncio.Event()
        self.metrics = QuoterMetrics(part.market)
        self.two_sided = TwoSided()
        self.sight = Sight(clock, self._woken.set)
        self.submitter = Submitter(part.market, orders_channel, self.sight, self.metrics, self._woken.set)
        self._started_ns = clock.monotonic_ns()
        self._state = State()
        self._draining = False
        self._reasons: tuple[str, ...] = ("starting",)
        self.decision: Decision | None = None
        self.empty = asyncio.Event()
        """Set while no order of this session's market can be alive, or none is this quoter's business any more."""
        self.empty.set()
        self.cycles = 0
        self.skipped = 0
        self.metrics.on_settings(part.generation, self._settings.mode)

    @property
    def generation(self) -> int:
        """Generation in force."""
        return self._part.generation

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not quote, what its ladder leaves out, what it lacks; empty when all is well."""
        return (*self._reasons, *self.sight.shortage.words(self._clock.monotonic_ns()))

    @property
    def leaves_orders(self) -> bool:
        """Whether its orders are to stay in the book when it stops."""
        return self._part.leave_orders

    @property
    def is_ready(self) -> bool:
        """Whether it may quote; the trader's own choice to pause or to shadow does not count against it."""
        gate = self.decision.gate if self.decision is not None else None
        return gate is not None and all(reason.startswith("mode_") for reason in gate.reasons)

    @property
    def is_quoting(self) -> bool:
        """Whether nothing at all stands against quoting."""
        return self.decision is not None and not self.decision.gate.reasons

    def apply(self, part: QuoterPart) -> None:
        """Put a configuration in force as a whole; the next cycle uses it.

        Raises OutdatedGenerationError, NeedsRestartError, SettingsError; then nothing has changed.
        """
        if part.generation < self._part.generation:
            raise OutdatedGenerationError(part.generation, self._part.generation)
        fixed = tuple(name for name in _FIXED_FIELDS if getattr(part, name) != getattr(self._part, name))
        if _but_for_its_level(part.endpoint) != _but_for_its_level(self._part.endpoint):
            fixed = (*fixed, "endpoint")
        if fixed:
            raise NeedsRestartError(fixed)
        self._settings = settings_from(part)
        self._part = part
        logs.set_level(part.endpoint.log_level)
        self.metrics.on_settings(part.generation, self._settings.mode)
        _log.info("config.applied", generation=part.generation)
        self._woken.set()

    def drain(self, drain_id: str) -> None:
        """Propose nothing from now on and take everything out of the book; repeating changes nothing."""
        if not self._draining:
            _log.info("quoter.draining", drain_id=drain_id)
        self._draining = True
        self._note_emptiness()
        self._woken.set()

    def _note_emptiness(self) -> None:
        if self._is_fenced or not self.sight.live_orders(self._clock.monotonic_ns()):
            self.empty.set()
        else:
            self.empty.clear()

    @property
    def stands_by(self) -> bool:
        """Whether a newer session has taken over, and nothing but that keeps it from the market."""
        return self._is_fenced and not self._draining

    @property
    def _is_fenced(self) -> bool:
        return self.submitter.fenced or self.sight.newest_epoch > self.submitter.epoch > 0

    async def run(self) -> None:
        """Cycle on every change until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self._cycle()

    async def run_ticks(self) -> None:
        """Wake regularly and export, until cancelled."""
        last_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = self._clock.monotonic_s()
            book = self.sight.book
            age_s = now_s - book.received_ns / 1e9 if book is not None else -1.0
            bids, asks = self.sight.resting_on(Side.BUY), self.sight.resting_on(Side.SELL)
            self.two_sided.observe(now_s, now_s - last_s, both=bids > 0 and asks > 0)
            self.metrics.on_tick(self.decision, age_s, bids, asks, now_s - last_s)
            last_s = now_s
            self._note_emptiness()
            self._woken.set()

    def _view(self, now_ns: int) -> View:
        sight, submitter = self.sight, self.submitter
        live = sight.live_orders(now_ns)
        return View(
            standing=Standing(
                now_ns=now_ns,
                now_ms=self._clock.now_ms(),
                started_ns=self._started_ns,
                book=sight.book,
                permission=sight.permission,
                feed_live=sight.feed_live,
                orders_known=sight.orders_known,
                held=sight.held,
                connected=submitter.is_connected,
                fenced=self._is_fenced,
                draining=self._draining,
                delisted=sight.listed is not None and sight.listed.delisted,
            ),
            position_e8=sight.position_e8,
            orders=live,
            trades=sight.take_trades(),
            fills=sight.take_fills(),
            mark_px_e8=sight.mark_px_e8,
            possible_buys_e8=sight.possible_buys_e8,
            possible_sells_e8=sight.possible_sells_e8,
            refused_replaces=submitter.refused_replaces(live),
        )

    async def _cycle(self) -> None:
        now_ns = self._clock.monotonic_ns()
        listed = self.sight.listed
        if listed is None or self.submitter.is_waiting(now_ns):
            return
        cause = self.sight.take_cause()
        self._state, decision = decide(self._state, self._view(now_ns), self._settings, listed.rules)
        plan = decision.plan
        self.cycles += 1
        decided_ns = self._clock.monotonic_ns()
        if plan.is_empty:
            self.skipped += 1
        elif await self.submitter.send(plan, cause, now_ns):
            sent_ns = self._clock.monotonic_ns()
            self.metrics.on_sent(plan, (sent_ns - cause.received_ns) / 1e9 if cause.received_ns else None)
        self.metrics.on_cycle((decided_ns - now_ns) / 1e9, plan)
        self._tell(decision)

    def _tell(self, decision: Decision) -> None:
        before = self.decision.gate if self.decision is not None else None
        for word in decision.diagnostics:
            if word.startswith("burst_") and word not in self._reasons:
                _log.warning("quoter.burst", side=word.removeprefix("burst_"))
        self.decision = decision
        self._reasons = (*decision.gate.reasons, *decision.diagnostics)
        if before != decision.gate:
            _tell_gate(decision.gate, self.sight.hold_reasons)
        if any(cancel.reason is Reason.DRIFT for cancel in decision.plan.cancels):
            _log.warning("order.drift", cancelled=len(decision.plan.cancels))


def _but_for_its_level(endpoint: Endpoint) -> Endpoint:
    return endpoint.model_copy(update={"log_level": ""})


def _tell_gate(gate: Gate, hold_reasons: tuple[str, ...]) -> None:
    _log.info("quoter.gate", verdict=gate.verdict.name.lower(), reasons=gate.reasons, hold=hold_reasons)
