"""How far the dead man's deadline is pushed while order-state is not heard."""

from __future__ import annotations

import secrets

import pytest

from perpmaker.api.parts import DeadMansSwitchPart
from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.common.clock import ManualClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.dead_mans_switch import DeadMansSwitch
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.signing import Signer


async def _pushed_s(timeout_s: int, silent_s: float) -> float | None:
    """How far ahead the deadline asked for is after a silence; None when none was asked for."""
    clock = ManualClock()
    attendance = Attendance(clock)
    desk = SigningDesk(Signer(SigningKey(secrets.token_bytes(32)), "b"), Nonces(clock, 0), clock, Measurements())
    rest = Rest("http://127.0.0.1:9", Budgets(BudgetSettings(600, 30), 0.0), clock)
    part = DeadMansSwitchPart(timeout_s=timeout_s, refresh_s=2)
    switch = DeadMansSwitch(part, desk, rest, ExchangeClock(clock), attendance)
    clock.advance_ms(round(silent_s * 1_000))
    await switch.push()
    await rest.close()
    return None if desk.nonces.highest == 0 else (switch._asked_ms - clock.now_ms()) / 1_000


@pytest.mark.parametrize(
    ("timeout_s", "silent_s", "pushed_s"),
    [
        (10, 0, 10),
        (10, 5, 10),
        (10, 8, PATIENCE_S - 8),
        # The exchange takes no deadline that near, so that the one before stays.
        (10, 9.5, None),
        (10, PATIENCE_S, None),
        (60, 0, 60),
        (60, 10, 50),
    ],
)
async def test_the_deadline_never_passes_the_last_sign_of_life_by_more_than_the_patience_or_the_timeout(
    timeout_s: int, silent_s: float, pushed_s: float | None
) -> None:
    assert await _pushed_s(timeout_s, silent_s) == pushed_s
