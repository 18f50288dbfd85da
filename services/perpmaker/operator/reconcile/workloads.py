"""What runs for an owner, from the watches: each role's workload and its pod."""

from __future__ import annotations

from perpmaker.operator import names
from perpmaker.operator.conditions import workload as workloads
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.interfaces import Manifest, Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.reconcile.deps import Deps


def deployment_ref(namespace: str, owner: str, role: Role) -> Ref:
    """Identity of the workload of one role."""
    resource = kinds.STATEFUL_SET if role is Role.STORE else kinds.DEPLOYMENT
    return Ref(resource, namespace, names.child(owner, role))


def pods_of(deps: Deps, namespace: str, account: str, role: Role, maker: str = "") -> list[Manifest]:
    """Pods of one role of an account, or of one maker's quoter."""
    labels = {names.ACCOUNT_LABEL: account, names.ROLE_LABEL: role.value}
    if maker:
        labels[names.MAKER_LABEL] = maker
    return list(deps.world.list(kinds.POD, namespace, labels))


def look(deps: Deps, namespace: str, account: str, role: Role, maker: str = "") -> Workload:
    """What is to be said about one role."""
    live = deps.world.get(deployment_ref(namespace, maker or account, role))
    return workloads.judge(live, pods_of(deps, namespace, account, role, maker), deps.clock.now_ms())
