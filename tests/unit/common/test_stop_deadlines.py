"""How long each service may take to stop, beside what the kubelet grants it and what its peers need of it."""

from __future__ import annotations

import pytest

from perpmaker.common.service import Service
from perpmaker.gateway.app import Gateway
from perpmaker.operator.children.workloads import GRACE_S
from perpmaker.operator.names import Role
from perpmaker.order_state.app import OrderState
from perpmaker.quoter.app import QuoterApp
from perpmaker.risk.app import RiskApp


@pytest.mark.parametrize(
    ("role", "service"),
    [
        (Role.QUOTER, QuoterApp),
        (Role.ORDER_STATE, OrderState),
        (Role.RISK, RiskApp),
        (Role.GATEWAY, Gateway),
    ],
)
def test_every_service_ends_before_the_kubelet_kills_it(role: Role, service: type[Service]) -> None:
    assert service.stop_deadline_s < GRACE_S[role]


def test_each_service_outlasts_those_that_need_it() -> None:
    assert QuoterApp.stop_deadline_s < OrderState.stop_deadline_s < Gateway.stop_deadline_s
