"""A set of changes that becomes durable, visible and published together.

A batch is built on top of the truth without touching it: it sees its own changes first. It is turned into one write for
the store and installed in memory after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from perpmaker.common import logs
from perpmaker.order_state import metrics
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.audit import is_ours
from perpmaker.order_state.core.ledger import Entry, FillEntry, OpeningEntry
from perpmaker.order_state.core.orders import Step, TrackedOrder, apply
from perpmaker.order_state.core.transitions import IllegalTransitionError, State, Trigger
from perpmaker.order_state.store.records import JournalLine, Write
from perpmaker.order_state.truth import Truth, total_name

_ENDS: Final = {State.CANCELLED: "cancelled", State.REJECTED: "rejected"}

_log = logs.get(__name__)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal of the exchange, for those who watch."""

    order: TrackedOrder
    rejection: str
    text: str


class Batch:
    """Changes on top of the truth.

    Besides the changes it collects what the shell must do after them: `doubts` to ask the exchange about, reasons for a
    safety `sync`, and `strays` to cancel at the exchange although they are over by our record.
    """

    def __init__(self, truth: Truth, now_ms: int) -> None:
        self.truth = truth
        self.now_ms = now_ms
        self.fills: list[FillEntry] = []
        self.refusals: list[Refusal] = []
        self.doubts: set[str] = set()
        self.syncs: set[str] = set()
        self.strays: list[tuple[str, str]] = []
        self.touched: set[str] = set()
        self.nonce = 0
        self._orders: dict[str, TrackedOrder] = {}
        self._replaces: dict[str, int] = {}
        self._journal: list[JournalLine] = []
        self._entries: dict[str, Entry] = {}
        self._totals: dict[str, int] = {}

    @property
    def orders(self) -> Iterable[TrackedOrder]:
        """Changed orders in their newest version."""
        return self._orders.values()

    def find(self, cloid: str) -> TrackedOrder | None:
        """An order as this batch leaves it."""
        return self._orders.get(cloid) or self.truth.find(cloid)

    def find_by_oid(self, market: str, oid: int) -> TrackedOrder | None:
        """The same by the exchange's id."""
        known = self.truth.find_by_oid(market, oid)
        if known is not None:
            return self.find(known.cloid)
        return next((order for order in self._orders.values() if order.oid == oid and order.market == market), None)

    def create(self, order: TrackedOrder, event: str, evidence: str = "") -> None:
        """Begin to track an order."""
        self._replaces.setdefault(order.cloid, 0)
        self._put(order)
        self._tell(order, 0, order.state, event, evidence)

    def learn(self, cloid: str, event: ev.OrderEvent) -> TrackedOrder | None:
        """Apply an event to an order; returns it as it is then, None when it is not tracked.

        An impossible event is told, counted and followed by a question to the exchange; it changes nothing.
        """
        order = self.find(cloid)
        if order is None:
            return None
        try:
            applied = apply(order, event, self.now_ms)
        except IllegalTransitionError as error:
            metrics.CONTRADICTIONS.labels(order.market, error.trigger.value).inc()
            _log.error("order.impossible_event", cloid=cloid, state=error.state.name, event_word=error.trigger.value)
            self.doubts.add(cloid)
            return order
        if applied is None:
            return order
        after = applied.order
        self._replaces.setdefault(cloid, order.version)
        self._put(after)
        for step in applied.steps:
            self._step(order, after, step)
        if after.has_landed and not order.has_landed:
            self._count(order.market, "placed")
            metrics.PLACED.labels(order.market).inc()
            if order.replaces_cloid:
                self._count(order.market, "replaced")
                metrics.MODIFIED.labels(order.market).inc()
        return after

    def _step(self, order: TrackedOrder, after: TrackedOrder, step: Step) -> None:
        self._tell(after, step.before, step.after, step.trigger.value, step.evidence)
        if step.is_contradiction:
            metrics.CONTRADICTIONS.labels(order.market, step.trigger.value).inc()
            _log.error("order.contradiction", cloid=order.cloid, state=step.before.name, evidence=step.evidence)
        if step.after is not step.before:
            metrics.transition(order.market, step.before.name, step.after.name).inc()
            if step.after in _ENDS:
                self._count(order.market, _ENDS[step.after])
            _log.debug(
                "order.transition",
                oid=after.oid,
                cloid=order.cloid,
                before=step.before.name,
                after=step.after.name,
                cause=step.trigger.value,
            )
        if step.trigger is Trigger.FILL_ALL and after.filled_e8 > after.sz_e8:
            metrics.CONTRADICTIONS.labels(order.market, "overfill").inc()
            _log.error("order.overfill", cloid=order.cloid, filled_e8=after.filled_e8, sz_e8=after.sz_e8)

    def refuse(self, cloid: str, rejection: str, text: str) -> None:
        """A placement was refused by the exchange."""
        order = self.learn(cloid, ev.Refused(rejection, text))
        if order is not None:
            self.refusals.append(Refusal(order=order, rejection=rejection, text=text))
            metrics.REFUSALS.labels(order.market, "buy" if order.is_buy else "sell", rejection).inc()

    def enter(self, entry: Entry) -> bool:
        """Put an entry into the ledger; False when it is there already or belongs to no market of ours.

        A ledger begins with its opening balance, which stands for everything before it.
        """
        has_begun = self.truth.ledger.has_begun(entry.market)
        if entry.market not in self.truth.known or not (has_begun or isinstance(entry, OpeningEntry)):
            return False
        if entry.key in self._entries or not self.truth.ledger.counts(entry):
            if isinstance(entry, FillEntry):
                metrics.DUPLICATE_FILLS.labels(entry.market).inc()
            return False
        if isinstance(entry, FillEntry):
            entry = self._attribute(entry)
        self._entries[entry.key] = entry
        self.touched.add(entry.market)
        return True

    def _attribute(self, entry: FillEntry) -> FillEntry:
        order = self.find(entry.cloid) if entry.cloid else None
        order = order or self.find_by_oid(entry.market, entry.oid)
        if order is None and not entry.matched:
            # Ours by its tag but unknown here, or somebody else's: either way the books must be compared.
            self.syncs.add("unmatched_fill" if is_ours(entry.cloid, self.truth.tags) else "foreign_fill")
            self._count(entry.market, "unmatched_fills")
            metrics.UNMATCHED_FILLS.labels(entry.market).inc()
            _log.warning("order.unmatched_fill", oid=entry.oid, tid=entry.tid, sz_e8=entry.sz_e8, cloid=entry.cloid)
        else:
            entry = replace(entry, matched=True, cloid=entry.cloid or (order.cloid if order else ""))
        self.fills.append(entry)
        if order is not None:
            self.learn(order.cloid, ev.Executed(entry.oid, entry.tid, entry.px_e8, entry.sz_e8))
        return entry

    def _put(self, order: TrackedOrder) -> None:
        self._orders[order.cloid] = order
        self.touched.add(order.market)

    def _tell(self, order: TrackedOrder, before: int, after: int, event: str, evidence: str) -> None:
        self._journal.append(
            JournalLine(
                market=order.market,
                cloid=order.cloid,
                time_ms=self.now_ms,
                before=before,
                after=after,
                event=event,
                evidence=evidence,
                oid=order.oid,
            )
        )

    def _count(self, market: str, what: str) -> None:
        name = total_name(market, what)
        self._totals[name] = self._totals.get(name, self.truth.totals.get(name, 0)) + 1

    def write(self, fence: tuple[str, int] | None = None) -> Write:
        """The batch as one write."""
        return Write(
            orders=tuple((order, self._replaces[cloid]) for cloid, order in self._orders.items()),
            journal=tuple(self._journal),
            entries=tuple(self._entries.values()),
            totals=tuple(self._totals.items()),
            nonce=self.nonce if self.nonce > self.truth.highest_nonce else 0,
            fence=fence,
        )

    def install(self) -> None:
        """Make the changes visible in memory."""
        truth = self.truth
        for order in self._orders.values():
            truth.put(order)
        for entry in self._entries.values():
            truth.ledger.add(entry)
        truth.totals.update(self._totals)
        truth.highest_nonce = max(truth.highest_nonce, self.nonce)
