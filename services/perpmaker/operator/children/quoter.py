"""The quoter of one market."""

from __future__ import annotations

from perpmaker.api.parts import QuoterPart
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.operator.children.workloads import grpc_service
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings


def quoter(
    maker: MarketMaker, account: TradingAccount, part: QuoterPart, settings: OperatorSettings, *, running: bool
) -> tuple[Manifest, ...]:
    """Everything of the quoter, in apply order; without a pod unless `running`. Raises InvalidPodOverrideError."""
    return grpc_service(maker, Role.QUOTER, part, account, settings, replicas=1 if running else 0)
