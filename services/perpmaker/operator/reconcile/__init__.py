"""One look at one object: what is wanted, what is there, what is done about it, what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perpmaker.common.clock import Clock, SystemClock
from perpmaker.operator import names
from perpmaker.operator.interfaces import Kube, Reconciler, Teller, Waker, World
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.channels import Channels, own_identity
from perpmaker.operator.observe.commands import Commands
from perpmaker.operator.observe.observer import POLL_S, Observer
from perpmaker.operator.reconcile.account import AccountReconciler
from perpmaker.operator.reconcile.deps import Deps, Ledger
from perpmaker.operator.reconcile.maker import MakerReconciler
from perpmaker.operator.reconcile.rollouts import Rollouts
from perpmaker.operator.settings import OperatorSettings

__all__ = ["build"]


def build(
    settings: OperatorSettings,
    kube: Kube,
    world: World,
    teller: Teller,
    waker: Waker,
    *,
    clock: Clock | None = None,
    target: Callable[[str, Role, str], str] = names.target,
    poll_s: float = POLL_S,
) -> Mapping[str, Reconciler]:
    """The reconciler of each kind. `target` gives the gRPC address of a child by owner, role and namespace."""
    clock = clock or SystemClock()
    channels = Channels(own_identity(settings.tls))
    deps = Deps(
        settings=settings,
        kube=kube,
        world=world,
        teller=teller,
        waker=waker,
        clock=clock,
        channels=channels,
        observer=Observer(channels, waker, clock=clock, poll_s=poll_s),
        commands=Commands(channels),
        ledger=Ledger(clock),
        rollouts=Rollouts(clock, settings.rollout.pause_seconds),
        target=target,
    )
    return {kinds.TRADING_ACCOUNT.kind: AccountReconciler(deps), kinds.MARKET_MAKER.kind: MakerReconciler(deps)}
