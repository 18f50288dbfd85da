"""Weight of the network address and requests of the account. Exchange documentation: "Rate limits and user limits"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.gateway import TestGateway, running_gateway
from tests.support.gateway_watch import (
    Counted,
    cancels,
    event,
    is_not_ready,
    mid,
    nothing_is_lost,
    open_cloids,
    places,
    rejection,
    rests,
    trades_on,
)
from tests.support.own_agent import by_agent, gateway_of_owner
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

BASE = 10_000
SEVERAL_LOOKS_S = 60.0
"""The gateway looks at a spent budget every ten seconds."""


async def _limits(venue: TestVenue, gateway: TestGateway) -> dict[str, Any]:
    return dict(await venue.client().info("userRateLimit", user=gateway.part.address))


async def _used(venue: TestVenue, gateway: TestGateway) -> int:
    return int((await _limits(venue, gateway))["nRequestsUsed"])


async def test_spent_weight_stops_reads_and_neither_orders_nor_cancels(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        sold = await rests(venue, gateway, 1, away=0, buy=False)
        seen = len(account.messages)

        await venue.control("rate_limit")
        await venue.control("disconnect", all=True)
        await account.until(event("gap_opened"), after=seen)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        # Reads come back as the bucket refills, 20 a second: the gap waits for all of them, and then holds the fill.
        await account.until(event("gap_closed"), after=seen)
        assert sold in {message.fill.cloid for message in account.messages[seen:]}
        await venue.control("rate_limit")
        await trades_on(venue, gateway, 2)
        await nothing_is_lost(venue, gateway, account)


async def test_cancel_refused_for_weight_while_the_socket_is_down_passes_when_there_is_some(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = await rests(venue, gateway, 1)
        await venue.control("disconnect", all=True, for_ms=600_000)
        await is_not_ready(gateway)
        await venue.control("rate_limit")

        outcomes = await _cancelled_at_last(gateway, cloid)
        assert all(outcome.HasField("rejected") for outcome in outcomes[:-1]), outcomes
        assert await open_cloids(venue, gateway) == set()
        await venue.control("clear")
        await trades_on(venue, gateway, 2)


async def test_items_of_a_batch_are_counted_one_by_one_on_both_sides(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        numbers = range(1, 46)
        before, left = await _used(venue, gateway), gateway.service.status().actions_left

        told = await places(venue, gateway, *numbers)
        assert all(told.outcome_of(gateway.cloid(n)).HasField("resting") for n in numbers)
        assert len(told.sent) == 2, "two actions, so that neither weighs more than one"
        assert await _used(venue, gateway) - before == 45
        await cancels(gateway, *(gateway.cloid(n) for n in numbers))

        assert await _used(venue, gateway) - before == 90
        assert left - gateway.service.status().actions_left == 90


async def test_expired_placement_costs_five_on_both_sides(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await mid(venue) - 1_000
        before, left = await _used(venue, gateway), gateway.service.status().actions_left
        await venue.control("delay_action", kind="alo", ms=1_500, n=1)

        late = gateway.order(gateway.cloid(1), px=str(px), sz="0.001")
        told = await gateway.execute(places=[late], expires_in_ms=1_000)

        assert rejection(told, gateway.cloid(1)) == (pb.REJECTION_CLASS_EXPIRED, "Action already expired")
        assert await _used(venue, gateway) - before == 5
        assert left - gateway.service.status().actions_left == 5
        assert await open_cloids(venue, gateway) == set()
        await trades_on(venue, gateway, 2)


async def test_spent_requests_stop_orders_here_and_leave_the_head_room_to_cancels(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        kept = await rests(venue, gateway, 1)
        also = await rests(venue, gateway, 2, away=2_000)
        used = await _used(venue, gateway)
        await venue.control("spend_requests", address=gateway.part.address, requests=BASE - used)

        # The gateway has not read that yet. One request in a while passes; the next refusal says how things are.
        beyond = await rests(venue, gateway, 3, away=3_000)
        told = await places(venue, gateway, 4)
        refused, text = rejection(told, gateway.cloid(4))
        assert refused == pb.REJECTION_CLASS_RATE_LIMIT
        assert text.startswith(f"Too many cumulative requests sent ({BASE + 2} > {BASE})"), text
        assert gateway.service.status().actions_left <= 0
        assert (await cancels(gateway, kept, beyond)).outcome_of(kept).HasField("cancelled")
        not_sent = Counted("mm_gateway_not_sent_total", action="place", reason="budget")
        assert (await places(venue, gateway, 5)).outcome_of(gateway.cloid(5)).not_sent.reason == "budget"
        assert not_sent.grown == 1
        assert (await cancels(gateway, also)).outcome_of(also).HasField("cancelled")
        assert await open_cloids(venue, gateway) == set()


async def test_one_request_in_ten_seconds_lets_even_a_cancel_beyond_all_head_room_pass(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        first = await rests(venue, gateway, 1)
        second = await rests(venue, gateway, 2, away=2_000)
        await venue.control("exhaust_requests", address=gateway.part.address)

        refused, text = rejection(await cancels(gateway, first), first)
        assert refused == pb.REJECTION_CLASS_RATE_LIMIT
        assert f"> {2 * BASE})" in text
        told = [await _cancelled_at_last(gateway, cloid) for cloid in (first, second)]
        assert all(outcome.HasField("rejected") for outcomes in told for outcome in outcomes[:-1]), told
        assert all(len(outcomes) > 1 for outcomes in told), "the second waits as long as the first"
        assert await open_cloids(venue, gateway) == set()


async def _cancelled_at_last(gateway: TestGateway, cloid: str) -> list[pb.Outcome]:
    """Cancel until it is done; everything told on the way."""
    outcomes = []

    async def is_cancelled() -> bool:
        outcomes.append((await cancels(gateway, cloid)).outcome_of(cloid))
        return outcomes[-1].HasField("cancelled")

    await until("the cancel passes", is_cancelled)
    return outcomes


async def test_bought_requests_let_the_gateway_go_on(tmp_path: Path) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path) as (owner, gateway):
        await venue.control("spend_requests", address=owner.address, requests=BASE)
        await rests(venue, gateway, 1)
        assert rejection(await places(venue, gateway, 2), gateway.cloid(2))[0] == pb.REJECTION_CLASS_RATE_LIMIT
        assert (await places(venue, gateway, 3)).outcome_of(gateway.cloid(3)).not_sent.reason == "budget"

        async def has_bought() -> bool:
            # Buying is a request, too, and waits for the one in ten seconds.
            bought = await by_agent(venue, owner).exchange({"type": "reserveRequestWeight", "weight": 5_000})
            return bool(bought["status"] == "ok")

        await until("requests are bought", has_bought)

        async def has_budget() -> bool:
            return gateway.service.status().actions_left > 0

        await until("the gateway reads its budget anew", has_budget, within_s=SEVERAL_LOOKS_S)
        await trades_on(venue, gateway, 4)
