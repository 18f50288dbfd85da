"""What `scheduleCancel` asks for: volume, notice, at most ten firings a day.

Exchange documentation: "Exchange endpoint".
"""

from __future__ import annotations

from pathlib import Path

from tests.support.gateway import TestGateway
from tests.support.gateway_watch import cancels, event, mid, open_cloids, rests
from tests.support.own_agent import by_agent, gateway_of_owner
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.api.parts import DeadMansSwitchPart

SWITCH = DeadMansSwitchPart(enabled=True, timeout_s=60, refresh_s=20)
FIRINGS = 10


async def _scheduled(venue: TestVenue, gateway: TestGateway) -> int | None:
    state = await venue.control("dump_state")
    scheduled: int | None = state["accounts"][gateway.part.address]["scheduledCancel"]
    return scheduled


async def _is_armed(venue: TestVenue, gateway: TestGateway) -> None:
    """Have the deadline pushed on now, and wait until both sides say so."""
    gateway.service.parts.switch.apply(SWITCH)

    async def agree() -> bool:
        deadline_ms = gateway.service.status().dead_man_deadline_ms
        return deadline_ms > 0 and deadline_ms == await _scheduled(venue, gateway)

    await until("the switch is armed", agree)


async def _is_refused(gateway: TestGateway, words: str) -> None:
    async def says() -> bool:
        return words in gateway.service.status().dead_man_refusal

    await until(f"the switch is refused: {words}", says)


async def test_switch_below_the_volume_is_refused_and_armed_as_soon_as_it_is_traded(tmp_path: Path) -> None:
    async with (
        running(schedule_cancel_volume_usd=50) as venue,
        gateway_of_owner(venue, tmp_path, dead_mans_switch=SWITCH) as (_, gateway),
    ):
        words = "Cannot set scheduled cancel time until enough volume traded. Required: $50. Traded: $0"
        await _is_refused(gateway, words)
        assert gateway.service.status().dead_man_deadline_ms == 0
        assert await _scheduled(venue, gateway) is None

        await rests(venue, gateway, 1, away=0, buy=False)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        await _is_armed(venue, gateway)
        assert gateway.service.status().dead_man_refusal == ""


async def test_less_than_five_seconds_are_refused_and_never_asked_for(tmp_path: Path) -> None:
    shortest = DeadMansSwitchPart(enabled=True, timeout_s=10, refresh_s=2)
    async with (
        running() as venue,
        gateway_of_owner(venue, tmp_path, dead_mans_switch=shortest) as (owner, gateway),
    ):
        soon = {"type": "scheduleCancel", "time": venue.core.state.now_ms + 4_000}
        answer = await by_agent(venue, owner).exchange(soon)
        assert answer["response"] == "Scheduled cancel time must be at least 5 seconds from now."

        async def is_armed() -> bool:
            return gateway.service.status().dead_man_deadline_ms > 0

        await until("the switch is armed", is_armed)
        assert gateway.service.status().dead_man_refusal == ""


async def test_ten_firings_a_day_are_counted_down_and_the_eleventh_deadline_is_refused(tmp_path: Path) -> None:
    async with (
        running() as venue,
        gateway_of_owner(venue, tmp_path, dead_mans_switch=SWITCH) as (owner, gateway),
    ):
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        px = await mid(venue) - 1_000
        for number in range(1, FIRINGS + 1):
            await _is_armed(venue, gateway)
            cloid = gateway.cloid(number)
            await gateway.execute(places=[gateway.order(cloid, px=str(px), sz="0.001")])
            await venue.control("fire_scheduled_cancel", address=owner.address)
            await account.until(
                lambda message, cloid=cloid: (
                    (message.order_update.cloid, message.order_update.status) == (cloid, "scheduledCancel")
                )
            )
            assert gateway.service.status().dead_man_firings_left == FIRINGS - number
        assert await open_cloids(venue, gateway) == set()

        gateway.service.parts.switch.apply(SWITCH)

        await _is_refused(gateway, "Cannot set scheduled cancel time: triggered 10 times today.")
        assert await _scheduled(venue, gateway) is None
        # Without the switch the gateway goes on: it is told, and the trader decides.
        kept = await rests(venue, gateway, FIRINGS + 1)
        assert (await cancels(gateway, kept)).outcome_of(kept).HasField("cancelled")
