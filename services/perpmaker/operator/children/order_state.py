"""Order-state of an account."""

from __future__ import annotations

from perpmaker.api.parts import OrderStatePart
from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator.children.store import credentials_mounts
from perpmaker.operator.children.workloads import grpc_service
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings


def order_state(account: TradingAccount, part: OrderStatePart, settings: OperatorSettings) -> tuple[Manifest, ...]:
    """Everything of order-state, in apply order. Raises InvalidPodOverrideError."""
    mounts = credentials_mounts(account, Role.ORDER_STATE, settings)
    return grpc_service(account, Role.ORDER_STATE, part, account, settings, mounts=mounts, revision=part.revision)
