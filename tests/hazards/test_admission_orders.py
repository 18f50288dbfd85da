"""Orders the exchange takes no more of: caps, phases, busy times.

Exchange documentation: "Rate limits and user limits".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.gateway import TestGateway, running_gateway
from tests.support.gateway_watch import (
    cancels,
    mid,
    open_cloids,
    places,
    rejection,
    rests,
    trades_on,
)
from tests.support.own_agent import by_agent, gateway_of_owner
from tests.support.venue import TestVenue, VenueClient, order_wire, orders_action, running
from tests.support.waiting import until

from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

MINUTE_MS = 60_000
DAY_MS = 86_400_000
MOST_ITEMS = 200
ORDER_CAP = 1_000
VOLUME_PER_EXTRA_ORDER_USD = 5_000_000
UNHINDERED = {"max_actions_per_minute": 100_000}


def _far_orders(trader: VenueClient, px: int, count: int) -> dict[str, Any]:
    order = order_wire(trader.asset("BTC"), is_buy=True, px=str(px), sz="0.001")
    return orders_action(*(order for _ in range(count)))


async def test_plan_beyond_the_items_of_an_action_is_cut_and_every_item_is_told(tmp_path: Path) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path, **UNHINDERED) as (owner, gateway):
        px = await mid(venue)
        whole = await by_agent(venue, owner).exchange(_far_orders(owner, px - 1_000, MOST_ITEMS + 1))
        assert whole == {"status": "err", "response": "Signed action over weight limit of 200."}
        numbers = range(1, MOST_ITEMS + 51)
        cloids = {gateway.cloid(n) for n in numbers}

        told = await places(venue, gateway, *numbers, away=2_000)

        assert all(told.outcome_of(cloid).HasField("resting") for cloid in cloids)
        assert await open_cloids(venue, gateway) == cloids
        cancelled = await cancels(gateway, *cloids)
        assert all(cancelled.outcome_of(cloid).HasField("cancelled") for cloid in cloids)
        assert await open_cloids(venue, gateway) == set()


async def test_order_cap_grows_with_volume_but_not_for_reduce_only_orders(tmp_path: Path) -> None:
    rich = 100_000_000
    async with running() as venue, gateway_of_owner(venue, tmp_path, usdc=rich, **UNHINDERED) as (owner, gateway):
        await _trade_volume(venue, gateway, VOLUME_PER_EXTRA_ORDER_USD)
        px, other = await mid(venue), by_agent(venue, owner)
        for _ in range(ORDER_CAP // MOST_ITEMS):
            answer = await other.exchange(_far_orders(owner, px - 3_000, MOST_ITEMS))
            assert all("resting" in status for status in answer["response"]["data"]["statuses"])

        closing = gateway.order(gateway.cloid(10), px=str(px - 1_000), sz="1", reduce_only=True)
        assert rejection(await gateway.execute(places=[closing]), gateway.cloid(10)) == (
            pb.REJECTION_CLASS_POSITION_LIMIT,
            "Too many open orders. asset=0",
        )
        last = await rests(venue, gateway, 11)
        assert rejection(await places(venue, gateway, 12), gateway.cloid(12))[0] == pb.REJECTION_CLASS_POSITION_LIMIT
        account = (await venue.control("dump_state"))["accounts"][owner.address]
        assert len(account["openOrders"]) == ORDER_CAP + 1
        assert (await cancels(gateway, last)).outcome_of(last).HasField("cancelled")
        await trades_on(venue, gateway, 13)


async def _trade_volume(venue: TestVenue, gateway: TestGateway, usd: int) -> None:
    """Make so much volume and be left with a short position of one."""
    px = await mid(venue)
    half = usd // 2 // px + 2
    for number, (buy, sz) in enumerate(((False, half + 1), (True, half)), start=1):
        order = gateway.order(gateway.cloid(number), px=str(px), sz=str(sz), buy=buy)
        assert (await gateway.execute(places=[order])).outcome_of(gateway.cloid(number)).HasField("resting")
        await venue.control("trade", coin="BTC", side="A" if buy else "B", sz=str(sz))


async def test_after_an_upgrade_quotes_pass_and_takers_are_told_why_not(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await mid(venue)
        await venue.control("upgrade_gate", on=True)

        quote = await rests(venue, gateway, 1)
        taker = gateway.order(gateway.cloid(2), px=str(px), sz="0.001", time_in_force=common.TIME_IN_FORCE_IOC)
        told = await gateway.execute(places=[taker])

        assert rejection(told, gateway.cloid(2))[1].startswith(
            "Only post-only orders allowed immediately after network upgrade"
        )
        assert await open_cloids(venue, gateway) == {quote}
        assert (await cancels(gateway, quote)).outcome_of(quote).HasField("cancelled")
        assert gateway.service.status().ready
        await venue.control("upgrade_gate", on=False)
        again = gateway.order(gateway.cloid(3), px=str(px), sz="0.001", time_in_force=common.TIME_IN_FORCE_IOC)
        refused = rejection(await gateway.execute(places=[again]), gateway.cloid(3))[0]
        assert refused == pb.REJECTION_CLASS_NO_LIQUIDITY


async def test_congestion_slows_who_made_nothing_and_leaves_a_maker_its_share(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        await until("the minute is young enough", lambda: _is_early_in_its_minute(venue))
        kept = await rests(venue, gateway, 1)
        await venue.control("congestion", on=True)

        told = await places(venue, gateway, 2)
        assert rejection(told, gateway.cloid(2)) == (
            pb.REJECTION_CLASS_RATE_LIMIT,
            "Too many actions during congestion. Limit is 1 per minute",
        )
        assert rejection(await cancels(gateway, kept), kept)[0] == pb.REJECTION_CLASS_RATE_LIMIT
        assert await open_cloids(venue, gateway) == {kept}

        account = venue.core.state.accounts[gateway.part.address or ""]
        account.volume_by_day[venue.core.state.now_ms // DAY_MS - 1] = (0, 1_000_000)
        await trades_on(venue, gateway, 3)
        await venue.control("congestion", on=False)
        assert (await cancels(gateway, kept)).outcome_of(kept).HasField("cancelled")


async def _is_early_in_its_minute(venue: TestVenue) -> bool:
    """Whether what is counted by the minute will not begin anew while a test looks."""
    return venue.core.state.now_ms % MINUTE_MS < MINUTE_MS * 2 // 3


async def test_day_of_a_unified_account_ends_with_its_actions_and_that_of_others_does_not(tmp_path: Path) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path) as (owner, gateway):
        await venue.control("spend_actions", address=owner.address, actions=50_000)
        kept = await rests(venue, gateway, 1)
        account = venue.core.state.accounts[owner.address]
        account.actions_today = 0
        unified = await by_agent(venue, owner).exchange({"type": "agentSetAbstraction", "abstraction": "u"})
        assert unified["status"] == "ok", unified
        await venue.control("spend_actions", address=owner.address, actions=50_000)

        told = await places(venue, gateway, 2)

        assert rejection(told, gateway.cloid(2)) == (
            pb.REJECTION_CLASS_RATE_LIMIT,
            "Too many actions today with unified account. Limit is 50000",
        )
        assert await open_cloids(venue, gateway) == {kept}
        assert rejection(await cancels(gateway, kept), kept)[0] == pb.REJECTION_CLASS_RATE_LIMIT
