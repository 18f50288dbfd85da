"""I5: cancels are never blocked by a budget, and what is reserved for them is never touched by anything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perpmaker.gateway.budget import POSTS_IN_FLIGHT, Budgets, BudgetSettings, TokenBucket


class BudgetMachine(RuleBasedStateMachine):
    """Orders, cancels and reads in any order, with time passing."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.reserved_percent = 30
        self.budgets = Budgets(BudgetSettings(600, self.reserved_percent), 0.0)
        self.posts = 0
        self.cancelled_messages = 0

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(items=st.integers(1, 200))
    def orders(self, items: int) -> None:
        before = self.budgets.messages.level(self.now_s)
        left = self.budgets.address.left
        if self.budgets.admit_orders(items, self.posts, self.now_s) is None:
            self.posts += 1
            assert self.posts <= POSTS_IN_FLIGHT * (100 - self.reserved_percent) / 100
            assert self.budgets.messages.level(self.now_s) >= self.budgets.messages.reserve
            assert self.budgets.address.left == left - items
        else:
            assert self.budgets.messages.level(self.now_s) == before
            assert self.budgets.address.left == left

    @rule(items=st.integers(1, 200))
    def cancels(self, items: int) -> None:
        left = self.budgets.address.left
        self.budgets.record_cancels(items, self.now_s)
        assert self.budgets.address.left == left - items

    @rule(weight=st.integers(1, 200))
    def read(self, weight: int) -> None:
        if self.budgets.ip_weight.take(weight, self.now_s):
            assert self.budgets.ip_weight.level(self.now_s) >= self.budgets.ip_weight.reserve

    @rule(weight=st.integers(1, 3))
    def cancel_over_rest(self, weight: int) -> None:
        self.budgets.ip_weight.take_privileged(weight, self.now_s)

    @rule()
    def answer(self) -> None:
        self.posts = max(0, self.posts - 1)

    @rule(cap=st.integers(10_000, 1_000_000), used=st.integers(0, 1_000_000))
    def exchange_tells_its_figures(self, cap: int, used: int) -> None:
        self.budgets.address.observe(cap, used)
        assert self.budgets.address.left == cap - used

    @invariant()
    def debts_are_bounded(self) -> None:
        for bucket in (self.budgets.messages, self.budgets.ip_weight):
            assert -bucket.capacity <= bucket.level(self.now_s) <= bucket.capacity


TestBudgets = BudgetMachine.TestCase


@given(
    st.floats(1, 1000),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 500)), max_size=50),
)
def test_unprivileged_use_never_exceeds_what_was_there_plus_what_came(
    capacity: float, per_s: float, takes: list[tuple[float, float]]
) -> None:
    reserve = capacity / 3
    bucket = TokenBucket(capacity, per_s, reserve, 0.0)
    now_s = taken = 0.0
    for pause_s, amount in takes:
        now_s += pause_s
        if bucket.take(amount, now_s):
            taken += amount
        assert taken <= capacity - reserve + now_s * per_s + 1e-6
