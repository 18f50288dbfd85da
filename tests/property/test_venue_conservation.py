"""Whatever traders do, money and positions add up, and open orders are exactly the records that say open."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, trigger

from perpmaker.venue.core import Block
from perpmaker.venue.engine.actions import ScheduleCancel, UpdateLeverage
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.orders import Grouping, NewOrder, Order, Status, Tif
from perpmaker.venue.units import E8, canonical_e8, parse_e8

traders = st.sampled_from([ALICE, BOB, CAROL])
prices = st.integers(17_900, 18_100).map(lambda cents: cents * E8 // 100)
sizes = st.integers(1, 3_000).map(lambda lots: lots * E8 // 100)
orders = st.builds(
    NewOrder,
    asset=st.just(0),
    is_buy=st.booleans(),
    px_e8=prices,
    sz_e8=sizes,
    tif=st.sampled_from(list(Tif)),
    reduce_only=st.booleans(),
    cloid=st.sampled_from([None, "0x" + "1" * 32, "0x" + "2" * 32]),
)
triggers = st.builds(
    trigger,
    at=st.integers(17_000, 19_000).map(lambda cents: canonical_e8(cents * E8 // 100)),
    sz=st.sampled_from(["0.5", "1", "7.25"]),
    buy=st.booleans(),
    take_profit=st.booleans(),
    market=st.booleans(),
    reduce_only=st.booleans(),
    cloid=st.sampled_from([None, "0x" + "1" * 32]),
)
groups = st.sampled_from([Grouping.NORMAL_TPSL, Grouping.POSITION_TPSL])


class TradingDay(RuleBasedStateMachine):
    """Three poor traders in one market, in any order of actions."""

    @initialize()
    def open_venue(self) -> None:
        self.venue: Bench = bench(faucet=1_000, funding_interval_ms=60_000)
        self.over: set[int] = set()
        self.last: Block | None = None

    @rule(who=traders, batch=st.lists(orders, min_size=1, max_size=4))
    def place(self, who: str, batch: list[NewOrder]) -> None:
        self.venue.place(who, *batch)

    @rule(who=traders, batch=st.lists(triggers, min_size=1, max_size=3))
    def place_triggers(self, who: str, batch: list[NewOrder]) -> None:
        self.venue.place(who, *batch)

    @rule(who=traders, grouping=groups, parent=orders, children=st.lists(triggers, min_size=1, max_size=2))
    def place_group(self, who: str, grouping: Grouping, parent: NewOrder, children: list[NewOrder]) -> None:
        reducing = [replace(child, reduce_only=True) for child in children]
        batch = [parent, *reducing] if grouping is Grouping.NORMAL_TPSL else reducing
        self.venue.place_group(who, grouping, *batch)

    @rule(who=traders, quote=st.integers(0, 5_000))
    def cap_open_interest(self, who: str, quote: int) -> None:
        self.venue.state.gates.open_interest_caps_e8[0] = quote * E8

    @rule(who=traders, data=st.data(), order=orders | triggers, always=st.booleans())
    def modify(self, who: str, data: st.DataObject, order: NewOrder, always: bool) -> None:
        self.venue.modify(who, data.draw(self.known_oids(who)), order, always=always)

    @rule(who=traders, data=st.data())
    def cancel(self, who: str, data: st.DataObject) -> None:
        self.venue.cancel(who, data.draw(self.known_oids(who)))

    @rule(who=traders, leverage=st.integers(1, 20))
    def change_leverage(self, who: str, leverage: int) -> None:
        self.venue.run(who, UpdateLeverage(0, True, leverage))

    @rule(who=traders)
    def schedule_cancel(self, who: str) -> None:
        self.venue.run(who, ScheduleCancel(self.venue.now_ms + 6_000))

    @rule(cents=st.integers(17_000, 19_000))
    def move_mark(self, cents: int) -> None:
        self.venue.state.marks[0].pin(cents * E8 // 100)

    @rule(ms=st.sampled_from([70, 7_000, 61_000]))
    def wait(self, ms: int) -> None:
        self.venue.step(ms)

    def known_oids(self, who: str) -> st.SearchStrategy[int]:
        account = self.venue.state.accounts.get(who)
        return st.sampled_from(sorted(account.records) if account and account.records else [1])

    @invariant()
    def everything_adds_up(self) -> None:
        if hasattr(self, "venue"):
            assert violations(self.venue.venue.state) == []

    @invariant()
    def every_order_ends_at_most_once_and_is_open_exactly_while_it_has_not(self) -> None:
        if not hasattr(self, "venue") or self.venue.block is None or self.venue.block is self.last:
            return
        self.last = self.venue.block
        for update in self.last.events.updates:
            assert update.order.oid not in self.over, "told of after its end"
            if update.status.is_terminal:
                self.over.add(update.order.oid)
        for account in self.venue.venue.state.accounts.values():
            for order in account.records.values():
                assert order.status in (Status.OPEN, *(s for s in Status if s.is_terminal))
                assert order.is_open == (order.oid in account.open_orders) == (order.oid not in self.over)

    @invariant()
    def each_position_is_the_sum_of_its_fills(self) -> None:
        for account in self.venue.state.accounts.values() if hasattr(self, "venue") else ():
            running = 0
            for fill in account.fills:
                assert fill.start_position_e8 == running
                running += fill.sz_e8 if fill.is_buy else -fill.sz_e8
            assert running == account.szi_e8(0)

    @invariant()
    def reduce_only_orders_fit_into_the_position(self) -> None:
        for account in self.venue.state.accounts.values() if hasattr(self, "venue") else ():
            for is_buy in (True, False):
                resting = sum(o.sz_e8 for o in account.open_orders.values() if _rests(o, is_buy))
                szi = account.szi_e8(0)
                assert resting <= (abs(szi) if szi and (szi < 0) == is_buy else 0)


def _rests(order: Order, is_buy: bool) -> bool:
    return order.reduce_only and not order.is_waiting and order.is_buy == is_buy


TestTradingDay = TradingDay.TestCase
TestTradingDay.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(st.lists(st.tuples(traders, orders), max_size=20))
@settings(max_examples=25, deadline=None)
def test_the_same_actions_lead_to_the_same_state(actions: list[tuple[str, NewOrder]]) -> None:
    digests = []
    for _ in range(2):
        venue = bench(faucet=1_000)
        for who, order in actions:
            venue.place(who, order)
        digests.append(state_hash(venue.state))
    assert digests[0] == digests[1]


@given(st.integers(0, 10**16))
def test_a_number_survives_its_spelling(value: int) -> None:
    assert parse_e8(canonical_e8(value)) == value
