"""I5, I6, I7, I15: whatever the interleaving, an order conserves its fills, absorbs when over and never goes back."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.order_state import MARKET, T0, e8, order

from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.exposure import exposure_of
from perpmaker.order_state.core.ledger import FillEntry, Ledger
from perpmaker.order_state.core.orders import apply
from perpmaker.order_state.core.transitions import TABLE, TERMINAL, State

LOT = e8("0.01")
SIZE = 100 * LOT
OID = 77


class Lifecycle(RuleBasedStateMachine):
    """An exchange that really holds one order, and channels that deliver what it says late, twice and in any order."""

    @initialize(lands=st.booleans(), at_once=st.integers(0, 100))
    def place(self, lands: bool, at_once: int) -> None:
        self.now = T0
        self.local = order()
        self.ledger = Ledger()
        self.live = lands
        self.there_filled = 0
        self.tids: list[ev.Executed] = []
        self.delivered: set[int] = set()
        self.messages: list[ev.OrderEvent] = [ev.OutcomeLost("timeout")]
        self.newest_status = 0
        self.lands = lands
        if not lands:
            self.messages.append(ev.Refused("margin", "Insufficient margin"))
            return
        if at_once:
            self._execute(at_once * LOT)
            self.messages.append(ev.AckFilled(OID, at_once * LOT))
        else:
            self.messages.append(ev.AckResting(OID))
        self._say("open" if self.live else "filled")

    def _execute(self, sz: int) -> None:
        self.there_filled += sz
        self.tids.append(ev.Executed(OID, len(self.tids) + 1, e8("100"), sz))
        if self.there_filled == SIZE:
            self.live = False

    def _say(self, word: str) -> None:
        self.newest_status += 1
        self.messages.append(
            ev.StatusSeen(word, OID, SIZE - self.there_filled, SIZE, T0 + self.newest_status, "stream")
        )

    def _hear(self, event: ev.OrderEvent) -> None:
        before = self.local
        applied = apply(before, event, self.now)
        if applied is None:
            return
        for step in applied.steps:
            assert TABLE[step.before, step.trigger] is step.after
        if before.state in TERMINAL:
            assert applied.order.state is before.state
        assert applied.order.version == before.version + 1
        assert applied.order.last_status_time_ms >= before.last_status_time_ms
        self.local = applied.order

    @precondition(lambda self: self.live)
    @rule(lots=st.integers(1, 60))
    def exchange_fills(self, lots: int) -> None:
        self._execute(min(lots * LOT, SIZE - self.there_filled))
        if not self.live:
            self._say("filled")

    @precondition(lambda self: self.live)
    @rule(word=st.sampled_from(["canceled", "marginCanceled", "scheduledCancel"]))
    def exchange_cancels(self, word: str) -> None:
        self.live = False
        self._say(word)

    @precondition(lambda self: self.live and self.local.state is State.CANCEL_PENDING)
    @rule()
    def our_cancel_arrives(self) -> None:
        self.live = False
        self.messages.append(ev.CancelConfirmed("answer"))
        self._say("canceled")

    @precondition(lambda self: self.local.state not in TERMINAL)
    @rule(replace=st.booleans())
    def we_cancel(self, replace: bool) -> None:
        self._hear(ev.CancelSent("plan", replaced_by="0xnew" if replace else ""))

    @precondition(lambda self: self.local.state is State.CANCEL_PENDING and self.live)
    @rule()
    def the_replacement_is_refused(self) -> None:
        self._hear(ev.CancelReverted("post_only_cross"))

    @rule(data=st.data())
    def a_message_arrives(self, data: st.DataObject) -> None:
        """Any message, at any time, any number of times."""
        self._hear(data.draw(st.sampled_from(self.messages)))

    @precondition(lambda self: self.tids)
    @rule(data=st.data())
    def a_fill_arrives(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.tids))
        entry = FillEntry(
            market=MARKET,
            tid=event.tid,
            oid=OID,
            is_buy=True,
            px_e8=event.px_e8,
            sz_e8=event.sz_e8,
            exchange_time_ms=T0,
        )
        if self.ledger.add(entry):
            self.delivered.add(event.tid)
            self._hear(event)

    @rule(ms=st.integers(1, 3000))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @invariant()
    def fills_are_conserved(self) -> None:
        """I6, I15: filled is the sum of distinct trade ids, never more than the size."""
        if not hasattr(self, "local"):
            return
        distinct = sum(fill.sz_e8 for fill in self.tids if fill.tid in self.delivered)
        assert self.local.filled_e8 == distinct == self.ledger.position(MARKET).sz_e8
        assert 0 <= self.local.remaining_e8 <= SIZE
        assert self.local.fill_value_e8 == distinct * 100

    @invariant()
    def a_live_order_keeps_its_exposure(self) -> None:
        """Position plus what may still fill is never below what the exchange can make of it."""
        if not hasattr(self, "local") or not self.lands:
            return
        if self.live and self.local.state not in TERMINAL:
            possible = exposure_of([self.local], self.now).max_possible_bid_e8
            assert self.local.filled_e8 + possible >= SIZE

    @invariant()
    def a_live_order_is_never_believed_dead_without_the_exchange_saying_so(self) -> None:
        if hasattr(self, "local") and self.live:
            assert self.local.state not in TERMINAL

    def teardown(self) -> None:
        """Deliver everything once more: the order must agree with the exchange."""
        if not hasattr(self, "local"):
            return
        for fill in self.tids:
            if fill.tid not in self.delivered:
                self.delivered.add(fill.tid)
                self._hear(fill)
        for message in self.messages:
            self._hear(message)
        self.now += 10_000
        assert self.local.filled_e8 == self.there_filled
        assert self.local.is_terminal is not self.live
        if not self.live:
            assert self.local.possible_fill_e8(self.now) == 0


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
