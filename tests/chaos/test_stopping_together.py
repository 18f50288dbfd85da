"""Services of an account that are told to stop: together they leave no order, alone they go at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.seeded_deeds import apply_gateway, apply_order_state, exchange_ms
from tests.support.seeded_stack import MARKET, SeededStack, running

from perpmaker.operator.children.workloads import GRACE_S
from perpmaker.operator.names import Role

SERVICES = ("gateway", "order-state", "risk", "quoter")
GRACES_S = {role.value: GRACE_S[role] for role in (Role.GATEWAY, Role.ORDER_STATE, Role.RISK, Role.QUOTER)}
HANG_S = 30.0
SWITCH_S = 600
"""Of the dead man's switch: what empties the book in these tests is no switch."""
AT_ONCE_S = 20.0
"""Far above what a single service takes to stop, far below every grace period."""


class Stop:
    """SIGTERMs sent to services of a stack, and how these ended."""

    def __init__(self, stack: SeededStack, address: str) -> None:
        self._stack = stack
        self._address = address
        self._ends: dict[str, asyncio.Task[tuple[int | None, float]]] = {}

    async def tell(self, *names: str) -> None:
        """Send SIGTERM to services, to the next one as soon as the one before has taken note."""
        for name in names:
            self._ends[name] = asyncio.create_task(self._end(name))

            async def noted(name: str = name) -> bool:
                return self._ends[name].done() or "stopping" in self.log(name)

            await self._stack.wait(f"{name} takes note", noted, within_s=HANG_S)

    async def tell_at_once(self, *names: str) -> None:
        """Send SIGTERM to services without waiting for anything."""
        self._ends |= {name: asyncio.create_task(self._end(name)) for name in names}

    async def _end(self, name: str) -> tuple[int | None, float]:
        began = time.monotonic()
        code = await self._stack.children[name].stop(float(GRACES_S[name]))
        return code, time.monotonic() - began

    async def ended(self) -> dict[str, float]:
        """Wait for all; each exited with 0 within its grace period. Returns how long each took, s."""
        ends = {name: await task for name, task in self._ends.items()}
        codes = {name: code for name, (code, _) in ends.items()}
        assert codes == dict.fromkeys(ends, 0), f"{codes}\n{self._stack.story()}"
        return {name: round(took_s, 2) for name, (_, took_s) in ends.items()}

    def log(self, name: str) -> str:
        return self._stack.children[name].spec.log.read_text(errors="replace")

    async def resting(self) -> list[dict[str, Any]]:
        """Orders of the account at the exchange, whoever still runs."""
        found: list[dict[str, Any]] = await self._stack.info(type="openOrders", user=self._address)
        return found


@asynccontextmanager
async def quoted() -> AsyncIterator[tuple[SeededStack, Stop]]:
    """A stack with orders on both sides, and its stop."""
    async with running() as stack:
        switch = stack.parts.gateway.dead_mans_switch.model_copy(update={"timeout_s": SWITCH_S, "refresh_s": 2})
        await apply_gateway(stack, dead_mans_switch=switch)
        yield stack, Stop(stack, (await stack.gateway_status()).account_address)


@pytest.mark.parametrize(
    "order",
    [
        ("gateway", "order-state", "risk", "quoter"),
        ("order-state", "gateway", "quoter", "risk"),
        ("risk", "gateway", "order-state", "quoter"),
        ("quoter", "order-state", "gateway", "risk"),
    ],
    ids=lambda order: f"{order[0]}-first",
)
async def test_services_told_one_after_the_other_leave_no_order(
    verdict: Callable[[str], None], order: tuple[str, ...]
) -> None:
    async with quoted() as (stack, stop):
        await stop.tell(*order)
        took = await stop.ended()
        verdict(f"told in the order {order}: ended after {took}")
        assert await stop.resting() == [], stack.story()
        assert "left_armed" not in stop.log("gateway")


@pytest.mark.parametrize("names", [SERVICES, (*SERVICES, "store")], ids=["services", "services-and-store"])
async def test_services_told_at_once_leave_no_order(verdict: Callable[[str], None], names: tuple[str, ...]) -> None:
    async with quoted() as (stack, stop):
        await stop.tell_at_once(*(name for name in names if name != "store"))
        if "store" in names:
            await stack.children["store"].stop(HANG_S)
        took = await stop.ended()
        verdict(f"{names} told at once: ended after {took}")
        assert await stop.resting() == [], stack.story()
        assert "left_armed" not in stop.log("gateway")


async def test_order_state_takes_away_the_orders_of_a_quoter_that_died(
    verdict: Callable[[str], None],
) -> None:
    async with quoted() as (stack, stop):
        stack.children["quoter"].kill()
        await stop.tell_at_once("gateway", "order-state", "risk")
        took = await stop.ended()
        verdict(f"without a quoter: ended after {took}")
        assert await stop.resting() == [], stack.story()


async def test_orders_to_be_left_alone_are_left_without_delay(verdict: Callable[[str], None]) -> None:
    async with quoted() as (stack, stop):
        await apply_order_state(stack, left_alone=(MARKET,))
        await stack.apply(leave_orders=True)
        await stop.tell_at_once(*SERVICES)
        took = await stop.ended()
        verdict(f"orders to be left alone: ended after {took}")
        assert max(took.values()) < AT_ONCE_S
        assert await stop.resting(), stack.story()
        assert "left_armed" in stop.log("gateway")


@pytest.mark.parametrize("name", ["gateway", "order-state", "risk"])
async def test_a_service_that_stops_alone_does_not_wait_for_those_that_stay(
    verdict: Callable[[str], None], name: str
) -> None:
    async with quoted() as (stack, stop):
        child = stack.children[name]
        assert child.pid is not None
        began, began_ms = time.monotonic(), await exchange_ms(stack)
        os.kill(child.pid, signal.SIGTERM)

        async def started_again() -> bool:
            return child.restarts == 1

        await stack.wait(f"{name} ends and is started again", started_again, within_s=AT_ONCE_S)
        ended_s = time.monotonic() - began
        await stack.wait_quoted(after_ms=began_ms)
        quoted_s = time.monotonic() - began
        verdict(f"{name} alone with orders in the book: ended after {ended_s:.2f} s, quoted after {quoted_s:.2f} s")
        assert "still_needed" not in stop.log(name)


async def test_a_quoter_that_stops_alone_takes_its_orders_along(verdict: Callable[[str], None]) -> None:
    async with quoted() as (stack, stop):
        await stop.tell_at_once("quoter")
        took = await stop.ended()
        verdict(f"quoter alone: ended after {took}")
        assert await stop.resting() == [], stack.story()


async def test_with_an_empty_book_nobody_waits(verdict: Callable[[str], None]) -> None:
    async with quoted() as (_, stop):
        await stop.tell_at_once("quoter")
        await stop.ended()
        await stop.tell_at_once("gateway", "order-state", "risk")
        took = await stop.ended()
        verdict(f"with an empty book: ended after {took}")
        assert max(took.values()) < AT_ONCE_S
        # The gateway has to ask the exchange, and risk to see order-state off; order-state knows by itself.
        assert "service.stayed" not in stop.log("order-state")
