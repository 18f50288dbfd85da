"""Teardown of a TradingAccount as a function of what is seen. Pure.

It is blocked while a MarketMaker refers to the account. Then every order of ours is cancelled; the dead man's switch
stays armed, for the services stay as they are, until the exchange has shown twice that nothing is left. The services go
with the object.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.api.v1alpha1.shared import DeletionPolicy
from perpmaker.api.v1alpha1.shared import TeardownStep as Step
from perpmaker.operator.teardown.table import GIVE_UP_S, Next, Note, Proof


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """Everything that a transition depends on."""

    policy: DeletionPolicy
    makers: int
    """MarketMakers that still refer to it."""
    may_have_orders: bool
    """Whether its gateway ever had a signer."""
    proof: Proof
    services_gone: bool
    is_forced: bool
    age_s: float


def next_step(step: Step, seen: AccountSeen) -> Next:
    """Draining (blocked), CancellingOrders, Done; the same step when nothing applies."""
    if seen.is_forced:
        return Next(Step.DONE, Note.FORCED)
    if seen.makers:
        return Next(Step.DRAINING)
    match step:
        case Step.DONE:
            return Next(Step.DONE)
        case Step.DRAINING:
            return Next(Step.CANCELLING_ORDERS)
        case _:
            pass
    if seen.policy is DeletionPolicy.ORPHAN:
        return Next(Step.DONE, Note.ORPHANED)
    if not seen.may_have_orders:
        return Next(Step.DONE)
    if seen.proof is Proof.TWICE:
        return Next(Step.DONE, Note.ORDERS_CANCELLED)
    if seen.services_gone and seen.age_s >= GIVE_UP_S:
        return Next(Step.DONE, Note.GAVE_UP)
    return Next(Step.CANCELLING_ORDERS)
