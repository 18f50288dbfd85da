"""The gateway of an account: the only pod that sees the key."""

from __future__ import annotations

from typing import Final

from perpmaker.api.parts import GatewayPart
from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator import names
from perpmaker.operator.children.pods import Mount, secret_mount
from perpmaker.operator.children.workloads import child_of, grpc_service
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

KEY_VOLUME: Final = "key"


def gateway(account: TradingAccount, part: GatewayPart, settings: OperatorSettings) -> tuple[Manifest, ...]:
    """Everything of the gateway, in apply order. Raises InvalidPodOverrideError."""
    objects = grpc_service(account, Role.GATEWAY, part, account, settings, mounts=_key(account), revision=part.revision)
    if not settings.gateway_disruption_budget:
        return objects
    return (*objects[:-1], _disruption_budget(account, settings), objects[-1])


def _key(account: TradingAccount) -> tuple[Mount, ...]:
    """The one entry of the wallet's Secret, as a directory: a new key is then seen without a new pod."""
    if account.spec.api_wallet is None:
        return ()
    reference = account.spec.api_wallet.secret_ref
    return (secret_mount(KEY_VOLUME, reference.name, names.KEY_DIR, (reference.key,)),)


def _disruption_budget(account: TradingAccount, settings: OperatorSettings) -> Manifest:
    """Refuse every eviction of the gateway, if the installation wants that.

    A budget for a single pod either blocks a node's drain (`maxUnavailable: 0`) or means nothing (`1`). For quoter,
    order-state, risk and store there is none: each ends in order within its grace period and is back in seconds. The
    gateway's absence is what leaves orders to the dead man's switch, so a person may want to choose the moment:
    pause the makers, delete the pod, let the drain go on.
    """
    child = child_of(account, Role.GATEWAY, settings.image.reference)
    return child.manifest(
        kinds.POD_DISRUPTION_BUDGET,
        {"spec": {"maxUnavailable": 0, "selector": {"matchLabels": child.selector}}},
    )
