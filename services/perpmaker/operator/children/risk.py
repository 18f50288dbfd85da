"""The risk service of an account."""

from __future__ import annotations

from perpmaker.api.parts import RiskPart
from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator.children.store import credentials_mounts
from perpmaker.operator.children.workloads import grpc_service
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings


def risk(account: TradingAccount, part: RiskPart, settings: OperatorSettings) -> tuple[Manifest, ...]:
    """Everything of the risk service, in apply order. Raises InvalidPodOverrideError."""
    mounts = credentials_mounts(account, Role.RISK, settings)
    return grpc_service(account, Role.RISK, part, account, settings, mounts=mounts, revision=part.revision)
