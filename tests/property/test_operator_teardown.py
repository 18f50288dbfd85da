"""The table of teardown: no way to Done past an order that may live, and always a way forward."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perpmaker.api.v1alpha1.shared import DeletionPolicy
from perpmaker.api.v1alpha1.shared import TeardownStep as Step
from perpmaker.operator.teardown import account_table
from perpmaker.operator.teardown.account_table import AccountSeen
from perpmaker.operator.teardown.table import GIVE_UP_S, TABLE, Note, Proof, Seen, next_step

AGES = st.floats(0, 4000, allow_nan=False)
SEEN = st.builds(
    Seen,
    policy=st.sampled_from(DeletionPolicy),
    may_have_orders=st.booleans(),
    proof=st.sampled_from(Proof),
    is_closed=st.booleans(),
    is_verified_in_step=st.booleans(),
    is_flat=st.booleans(),
    flatten_failed=st.booleans(),
    flatten_is_over=st.booleans(),
    workload_gone=st.booleans(),
    services_gone=st.booleans(),
    is_forced=st.booleans(),
    step_age_s=AGES,
    age_s=AGES,
    flatten_timeout_s=st.floats(5, 3600),
)
ACCOUNT_SEEN = st.builds(
    AccountSeen,
    policy=st.sampled_from(DeletionPolicy),
    makers=st.integers(0, 3),
    may_have_orders=st.booleans(),
    proof=st.sampled_from(Proof),
    services_gone=st.booleans(),
    is_forced=st.booleans(),
    age_s=AGES,
)


@given(st.sampled_from([step for step in Step if step is not Step.DONE]), SEEN)
def test_an_object_is_released_only_when_no_order_can_live_or_somebody_answers_for_it(step: Step, seen: Seen) -> None:
    if next_step(step, seen).step is not Step.DONE:
        return
    proven = seen.is_closed and seen.proof is Proof.TWICE and seen.is_verified_in_step
    hopeless = seen.services_gone and seen.age_s >= GIVE_UP_S
    assert proven or hopeless or seen.is_forced or not seen.may_have_orders or seen.policy is DeletionPolicy.ORPHAN


@given(st.sampled_from([step for step in Step if step is not Step.DONE]), SEEN)
def test_the_pod_stays_until_the_book_is_proven_empty(step: Step, seen: Seen) -> None:
    following = next_step(step, seen)
    if step is Step.DELETING_WORKLOAD or following.step is not Step.DELETING_WORKLOAD:
        return
    proven = seen.is_closed and seen.proof is Proof.TWICE
    hopeless = seen.services_gone and seen.age_s >= GIVE_UP_S
    assert proven or hopeless or not seen.may_have_orders or seen.policy is DeletionPolicy.ORPHAN


@given(st.sampled_from(Step), SEEN)
def test_done_is_final_and_every_other_step_has_rows(step: Step, seen: Seen) -> None:
    assert (step is Step.DONE) == (not TABLE[step])
    if step is Step.DONE:
        assert next_step(step, seen).step is Step.DONE


@given(SEEN)
def test_with_a_proof_and_no_pod_it_ends_in_a_few_steps(seen: Seen) -> None:
    best = Seen(
        policy=seen.policy, may_have_orders=seen.may_have_orders, proof=Proof.TWICE, is_closed=True,
        is_verified_in_step=True, is_flat=True, flatten_failed=False, flatten_is_over=seen.flatten_is_over,
        workload_gone=True, services_gone=seen.services_gone, is_forced=False, step_age_s=seen.step_age_s,
        age_s=seen.age_s, flatten_timeout_s=seen.flatten_timeout_s,
    )  # fmt: skip
    step = Step.DRAINING
    for _ in range(5):
        step = next_step(step, best).step
    assert step is Step.DONE


@given(st.sampled_from([step for step in Step if step is not Step.DONE]), SEEN)
def test_what_is_given_up_or_forced_is_told(step: Step, seen: Seen) -> None:
    following = next_step(step, seen)
    proven = seen.is_closed and seen.proof is Proof.TWICE and seen.is_verified_in_step
    if following.step is Step.DONE and seen.may_have_orders and not proven and seen.policy is not DeletionPolicy.ORPHAN:
        assert following.note in {Note.FORCED, Note.GAVE_UP}


@given(st.sampled_from([Step.DRAINING, Step.CANCELLING_ORDERS]), ACCOUNT_SEEN)
def test_an_account_is_released_only_without_makers_and_orders(step: Step, seen: AccountSeen) -> None:
    if account_table.next_step(step, seen).step is not Step.DONE:
        return
    hopeless = seen.services_gone and seen.age_s >= GIVE_UP_S
    answered = seen.is_forced or seen.policy is DeletionPolicy.ORPHAN or not seen.may_have_orders or hopeless
    assert seen.is_forced or not seen.makers
    assert answered or seen.proof is Proof.TWICE
