"""What is known of the dead man's switch without asking the exchange."""

from __future__ import annotations

import asyncio
import secrets

from tests.support.waiting import until

from perpmaker.api.parts import DeadMansSwitchPart
from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.common.clock import ManualClock
from perpmaker.gateway.budget import IP_WEIGHT_PER_MINUTE, Budgets, BudgetSettings
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.dead_mans_switch import FIRINGS_PER_DAY, DeadMansSwitch
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.signing import Signer

DAY_MS = 24 * 3600 * 1000


def _switch(
    clock: ManualClock,
    url: str = "http://127.0.0.1:9",
    attendance: Attendance | None = None,
    budgets: Budgets | None = None,
) -> DeadMansSwitch:
    desk = SigningDesk(Signer(SigningKey(secrets.token_bytes(32)), "b"), Nonces(clock, 0), clock, Measurements())
    rest = Rest(url, budgets or Budgets(BudgetSettings(600, 30), 0.0), clock)
    return DeadMansSwitch(DeadMansSwitchPart(), desk, rest, ExchangeClock(clock), attendance or Attendance(clock))


def test_orders_of_one_firing_count_once() -> None:
    clock = ManualClock()
    switch = _switch(clock)
    for _ in range(5):
        switch.fired(clock.now_ms())
    switch.fired(clock.now_ms() + 1)
    assert switch.firings_left == FIRINGS_PER_DAY - 2


def test_firings_are_counted_per_day() -> None:
    clock = ManualClock()
    switch = _switch(clock)
    switch.fired(clock.now_ms())
    clock.advance_ms(DAY_MS)
    assert switch.firings_left == FIRINGS_PER_DAY


async def test_unanswered_push_leaves_no_deadline_and_says_why() -> None:
    switch = _switch(ManualClock())
    await switch.push()
    assert switch.deadline_ms == 0
    assert switch.refusal == "no answer from the exchange"


async def test_a_deadline_that_may_have_been_heard_is_remembered_after_it_has_passed() -> None:
    clock = ManualClock()
    switch = _switch(clock)
    assert switch.last_deadline_ms == 0
    await switch.push()
    asked_ms = switch.last_deadline_ms
    assert asked_ms > clock.now_ms()
    clock.advance_ms(DAY_MS)
    assert switch.last_deadline_ms == asked_ms


async def test_a_push_needs_no_budget() -> None:
    clock = ManualClock()
    budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
    budgets.ip_weight.take_privileged(IP_WEIGHT_PER_MINUTE, clock.monotonic_s())
    switch = _switch(clock, budgets=budgets)
    await switch.push()
    assert switch._desk.nonces.highest, "it was signed and sent"


async def test_unanswered_push_is_repeated_before_an_earlier_deadline_can_fire() -> None:
    part = DeadMansSwitchPart()
    switch = _switch(ManualClock())
    await switch.push()
    assert switch.pause_s < (part.timeout_s - part.refresh_s) / 5


async def test_nothing_is_pushed_while_nobody_would_cancel() -> None:
    clock = ManualClock()
    attendance = Attendance(clock)
    switch = _switch(clock, attendance=attendance)
    clock.advance_ms(round(PATIENCE_S * 1_000) + 1)
    running = asyncio.create_task(switch.run())

    async def has_asked() -> bool:
        return bool(switch.refusal)

    for _ in range(20):
        await asyncio.sleep(0)
    assert switch._desk.nonces.highest == 0
    with attendance.caller():
        await until("a push", has_asked)
    running.cancel()
